"""Stores that are reported of, with texts that mean something to a browser."""

from outcome_tables import filled_table

from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.views.report import write_report

HOSTILE = "</script><script>document.title='taken'</script>"


def store_of(folder, *, n=5, replicas=4, texts=("a", HOSTILE), **keys):
    """Write a store: a sweep over phi and over texts, in which the last phi fails."""
    phi = [0.1 * (i + 1) for i in range(n)]
    given = {"phi": phi, "kind": list(texts)} if texts else {"phi": phi}
    study = Study(name="s", script="s.py", parameters=given, replicas=replicas, **keys)
    outcomes = []
    for number, one in enumerate(study.simulations()):
        is_done = n == 1 or one.parameters["phi"] != phi[-1]
        result = {
            "pressure": one.parameters["phi"] + one.replica / 100,
            "pressure_sem": 0.01,
            f"energy{HOSTILE}": -1.0 - number,
        }
        outcomes.append(
            Outcome(
                one.id, one.parameters, one.replica, one.seed,
                status=Status.DONE if is_done else Status.FAILED,
                result=result if is_done else None,
                error="" if is_done else f"ValueError: <b>{HOSTILE}", host=f"node{number % 3}",
                started=1.7e9 + number // 4, elapsed_time=1.0 + number % 7, cpu_time=0.9,
                peak_memory=2**24 + number, engine="python", engine_version="Python 3.12",
            )
        )  # fmt: skip
    path = folder / "s.h5"
    write_hdf5(path, filled_table(outcomes), study.snapshot(), "hash")
    return path


def report_of(folder, **keys):
    """Write a report of such a store."""
    page = folder / "s.html"
    write_report(store_of(folder, **keys), page)
    return page
