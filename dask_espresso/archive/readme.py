"""What a crate says to somebody who has never heard of us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import __version__

if TYPE_CHECKING:
    from .content import Content

_URL = "https://rocrate.org"


def readme_text(content: Content) -> str:
    """Write it, of what there is."""
    contents = content.contents
    study, n = contents.study, len(contents.outcomes)
    rows = [f"| `{place}` | {what} |" for place, what in sorted(content.files.items())]
    if content.kept:
        rows.append(f"| `{content.kept}` | files that simulations have left, by their ids |")
    missing = [f"- {note}" for note in content.notes]
    return "\n".join([
        f"# {study['name']}",
        "",
        f"{n:,} simulations of one study, run with the engine `{study.get('engine')}` by "
        f"dask_espresso {__version__}, which runs many short simulations on a cluster and keeps "
        "their results. What is here, and where it came from, `ro-crate-metadata.json` says for "
        f"programs: this folder is an [RO-Crate]({_URL}).",
        "",
        "| file | what it is |",
        "|---|---|",
        *rows,
        "",
        "## To look at it",
        "",
        f"`report.html` opens in any browser. `{content.store}` is an HDF5 file with a row for "
        "each simulation: parameters, results, when and where it ran, and what it printed.",
        "",
        "```python",
        "import xarray",
        f'data = xarray.open_dataset("{content.store}", engine="h5netcdf")',
        "```",
        "",
        "## To run it again",
        "",
        "With dask_espresso and the engine installed, this runs one simulation again, and "
        "compares its results with the recorded ones bit for bit; `--help` says how to name "
        "another one, and where the engine is.",
        "",
        "```sh",
        "dask-espresso reproduce .",
        "```",
        "",
        "This runs all of them, into another store:",
        "",
        "```sh",
        "dask-espresso run study.yaml --store again.h5",
        "```",
        "",
        *(["## What is missing", "", *missing, ""] if missing else []),
    ])  # fmt: skip
