"""What simulations have cost, and will cost."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import InputError
from ..streams import check_output
from .options import PATH, PROFILE
from .terminal import output_console


@click.command()
@click.argument("store", type=PATH)
@PROFILE
@click.option("--watts", metavar="NUMBER", type=click.FloatRange(min=0), default=10.0,
              show_default=True, help="Of a core, with memory, network and cooling.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs: all points.")
def cost(store: Path, profile: str | None, watts: float, as_json: bool) -> None:
    """Say what the simulations in STORE have cost; also while it runs.

    Core hours, by point and in all, what of them was used, what is to come,
    and what a profile might ask for. Each number says whether it is measured
    or an estimate.

    \b
    Example:
      dask-espresso cost lj_pressure.h5 --profile slurm.yaml
    """
    from ..inputs.profile import load_profile
    from ..views.bill import print_spending
    from ..views.spending import spending_report

    if store.suffix in (".yaml", ".yml"):
        raise InputError(f"{store}: is no store; name one, such as {store.with_suffix('.h5').name}")
    report = spending_report(store, load_profile(profile) if profile else None, watts)
    if as_json:
        import json

        click.echo(json.dumps(report, indent=2))
    else:
        print_spending(report, output_console())
    check_output()
