"""The benchmarks run, and write down what they find."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


def run_benchmarks(*arguments):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Run the smallest ones in their small form, onto a page that has text already."""
    directory = tmp_path_factory.mktemp("benchmarks")
    page = directory / "page.md"
    page.write_text("# Title\n<!-- figures begin -->\nold\n<!-- figures end -->\nThe end.\n")
    for names in (["recording"], ["startup", "stores"]):
        done = run_benchmarks("--quick", "--results", directory, "--page", page, *names)
        assert done.returncode == 0, done.stderr
    return directory


def test_json_has_numbers(found):
    result = json.loads((found / "startup.json").read_text())
    assert result["quick"]
    assert result["machine"]["cores"] >= 1
    commands, run = (table["rows"] for table in result["tables"])
    walls = {row["command"]: row["wall in ms"] for row in commands}
    assert 0 < walls["`python -c pass`"] < walls["`dask-espresso --help`"]
    start, end = (row["wall in ms"] for row in run)
    assert walls["`dask-espresso --help`"] < start < end
    # the JSON beside the page has all, although one ran before the others
    page = json.loads((found / "page.json").read_text())
    assert page.keys() == {"recording", "startup", "stores"}


def test_page_has_tables_between_its_marks(found):
    text = (found / "page.md").read_text()
    assert re.match(r"# Title\n<!-- figures begin -->\n", text)
    assert text.endswith("<!-- figures end -->\nThe end.\n")
    assert "old" not in text.split()
    assert re.search(r"^\| `dask-espresso --help` \| [\d.,]+ \|", text, re.MULTILINE)
    assert re.search(r"^\| 500 \| [\d.,]+ \|", text, re.MULTILINE)


def test_unknown_benchmark_is_refused():
    assert run_benchmarks("nonsense").returncode == 2


def test_what_is_not_installed_has_a_row():
    from benchmarks.contestants import ECHO, OURS, Program
    from benchmarks.rounds import Series, Sizes, compete, cost_rows

    absent = Program("absent", "with_parsl.py", needs="no_such_package")
    series = {OURS: Series([0.1], [0.2]), **compete({absent: Sizes(1, 2)}, ECHO, rounds=1)}
    rows = cost_rows(series, OURS)
    assert rows[1] == {"contestant": "absent", "wall in ms": "not installed"}


def test_impossible_figures_are_not_shown():
    from benchmarks.contestants import CORES
    from benchmarks.rounds import Series, occupancy

    assert occupancy(Series([2.0 / CORES], [0.1]), 1.0) == 50
    assert occupancy(Series([0.5 / CORES], [0.1]), 1.0) == "too noisy"


def test_slots_and_waits_of_a_driver_that_is_known():
    """Two slots, each idle for 0.25 s after a simulation of 1 s, of which each costs 10 ms."""
    import numpy as np

    from benchmarks.scale_out import Combination, Use, shown
    from benchmarks.stand_in import TIMES

    starts = np.repeat(100 + 1.25 * np.arange(20), 2)
    times = np.array(list(zip(starts, starts + 1, strict=True)), TIMES)
    use = Use([(90 + t, 10 + 0.016 * t, 0.008 * t, t) for t in range(60)], memory=2**20)
    found = shown(Combination(2, 1.0), [(2, times)], use)
    assert found.rate == pytest.approx(1.6)
    assert found.busy == pytest.approx(80)
    assert (found.driver, found.workers) == pytest.approx((10, 5))
    assert found.latency == pytest.approx((250, 250))
    assert found.row()["driver in MiB"] == 1


def test_real_workers_with_stand_ins(tmp_path):
    """Done outcomes of all simulations; no slot is busy more than all the time."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale_out", "8", "0.2", "160"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures = dict(
        cell.rsplit(" ", 1) for cell in done.stdout.strip().split("; ") if "lim" not in cell
    )
    assert figures["simulations"] == "160"
    assert 0 < float(figures["slots busy in %"]) <= 100
    assert float(figures["simulations a second"]) <= 8 / 0.2
    assert float(figures["driver in CPU ms a simulation"]) > 0
    assert float(figures["workers in CPU ms a simulation"]) > 0


def test_workers_come_and_leave():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.many_workers", "6", "--seconds", "2"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = done.stdout
    assert "\njobs: 6 working\n" in said
    assert float(re.search(r"slots busy meanwhile: (\d+) %", said)[1]) > 5
    assert re.search(r"until as many had come again: .*; 6 submitted, 6 came", said)
    assert re.search(r"\nend: .*, status 75;", said)
    assert said.count("; 0 jobs left") == 1
    assert "\neach of 6 worker jobs (1, 2, 3, 4, 5 and 1 more) ended\n" in said


CONTESTANTS = """
from benchmarks.contestants import ECHO, ORIGINAL, OURS

for contestant in (OURS, ORIGINAL):
    done = contestant.run(ECHO, 3, look_at_memory=True)
    assert done.values == [1.0] * 3
    assert done.cost.cpu > 0.1
    assert done.cost.memory.n_workers == 1
"""


def test_contestants_give_results():
    """In a process of its own: what is measured ends all that its process has started."""
    subprocess.run([sys.executable, "-c", CONTESTANTS], cwd=ROOT, check=True)
