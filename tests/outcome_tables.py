"""The tables of stores that tests write without a driver."""

from dask_espresso.store.table import Table


def filled_table(outcomes):
    """Make a table of these outcomes alone, in this order."""
    table = Table()
    for outcome in outcomes:
        table.add(outcome)
    return table
