"""What simulations have cost: what is measured is exact, and what is an estimate says so."""

import dataclasses
import heapq
import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from outcome_tables import filled_table

from dask_espresso.cli import main
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.stored_study import StoredStudy
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import open_hdf5, write_hdf5
from dask_espresso.store.reader import Reader
from dask_espresso.store.reading import look
from dask_espresso.store.rows import Rows
from dask_espresso.views.spending import spending_report
from dask_espresso.views.times import Times, expected, jobs_of, occupied, rate_of, tail_of

STUDY = StoredStudy(
    name="s", script="s.py", engine="python", replicas=2, parameters={"phi": [0.1, 0.2, 0.4]}
)
SIMULATIONS = list(STUDY.simulations())
SLURM = """
cluster: slurm
jobs: 4
options: {cores: 16, memory: 32 GB, walltime: "01:00:00"}
"""


def outcome(place, **fields):
    s = SIMULATIONS[place]
    made = {"status": Status.DONE, "result": {}, "n_ranks": 1, **fields}
    return Outcome(s.id, s.parameters, s.replica, **made)


def write(path, *outcomes):
    write_hdf5(path, filled_table(outcomes), dataclasses.asdict(STUDY), "hash")
    return path


# ---- cores and clocks ----------------------------------------------------------------------------


def listed(durations, slots):
    """Run simulations in their order on as many slots; give starts, ends, and the slots' ends."""
    free, starts = [0.0] * slots, []
    for duration in durations:
        starts.append(heapq.heappop(free))
        heapq.heappush(free, starts[-1] + duration)
    return np.array(starts), np.array(starts) + durations, np.array(free)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 8))
def test_what_is_idle_at_the_end_is_what_slots_wait_for_the_last_one(durations, slots):
    starts, ends, free = listed(np.array(durations, float), slots)
    free = free[free > 0]  # the others had nothing ever
    tail = tail_of(starts, ends, np.ones(len(starts)))
    assert tail.idle == (free.max() - free).sum()
    assert tail.seconds == free.max() - free.min()


@pytest.mark.parametrize(
    ("starts", "elapsed", "cores", "idle"),
    [
        ([], [], 1, 0),
        ([0, 0], [10, 4], 4, 24),  # cores, not simulations
        ([0, 0, 10_000, 10_000], [10, 100, 10, 10], 1, 0),  # of the last run alone
        ([0, 0, 0, 20, 40], [20, 1, 1, 20, 20], 1, 0),  # of jobs that have left long before
    ],
)
def test_of_what_there_is_no_other_word_than_idle(starts, elapsed, cores, idle):
    starts = np.array(starts, float)
    assert tail_of(starts, starts + elapsed, np.full(len(starts), float(cores))).idle == idle


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 9), st.integers(1, 4)),
        min_size=1,
    )
)
def test_a_job_has_at_least_what_was_busy_in_it_at_once(rows):
    jobs, starts, elapsed, cores = np.array(rows).T
    spans, most = occupied(jobs, starts * 1.0, starts + elapsed * 1.0, cores * 1.0)
    for job, span, cores_at_once in zip(np.unique(jobs), spans, most, strict=True):
        of = [row[1:] for row in rows if row[0] == job]
        assert span == max(s + e for s, e, _ in of) - min(s for s, _, _ in of)
        busy = [sum(c for s, e, c in of if s <= t < s + e) for t in range(40)]
        assert cores_at_once == max(busy)


@pytest.mark.parametrize(
    ("starts", "elapsed", "now", "rate"),
    [
        ([], 0, 0, 0),
        ([0, 0, 10, 10], 10, 20, 4 / 20),  # it has only begun
        ([0] * 10, 3600, 3600, 10 / 3600),  # not ten a minute, though all end together
        ([0, 1, 2], 1, 5000, 0),  # nothing has ended lately
        (np.arange(0, 900, 3), 3, 900, 1 / 3),
    ],
)
def test_a_rate_is_of_now(starts, elapsed, now, rate):
    starts = np.array(starts, float)
    assert rate_of(starts, np.full(len(starts), float(elapsed)), now) == pytest.approx(rate)


def test_what_is_to_come_is_as_what_is_done_of_its_point(tmp_path):
    path = write(
        tmp_path / "s.h5",
        outcome(0, elapsed_time=10.0, n_ranks=2),
        outcome(2, elapsed_time=100.0, n_ranks=2),
        outcome(5, elapsed_time=7.0, status=Status.FAILED, result=None, n_ranks=2),
    )
    times = look(path, lambda reader, _: Times.of(reader))
    found = expected(times, np.array([3, 1, 1]))
    assert found.core_seconds == 3 * 20 + 110 + 200  # of the second point nothing is known
    assert found.n_unknown == 1
    assert math.isnan(expected(times._replace(done=times.done & False), np.ones(3)).core_seconds)


# ---- a store -------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    job = {"host": "n1", "job_id": "7", "cpu_time": 900.0, "memory_asked": 2_000_000_000}
    return write(
        tmp_path / "s.h5",
        outcome(0, started=1e9, elapsed_time=1800.0, peak_memory=10**8, start_method="forked",
                **job),
        outcome(3, started=1e9, elapsed_time=3600.0, peak_memory=4 * 10**8, start_method="forked",
                attempts=3, **job),
        outcome(1, started=1e9 + 1800, elapsed_time=900.0, start_method="fresh", exit_code=1,
                status=Status.FAILED, result=None, error="e", **job),
        outcome(4, attempts=5, status=Status.LOST, result=None, error="5 workers died of it"),
    )  # fmt: skip


def test_a_report_says_what_is_measured_and_what_is_not(store):
    report = spending_report(store, watts=20)
    json.dumps(report, allow_nan=False)
    assert report["core_hours"] == pytest.approx(
        {
            "measured": 1.75,
            "measured, not done": 0.25,
            "measured, cpu": 0.75,
            "measured, not in the study now": 0,
            "in jobs, at least": 2,
            "idle at the end": 0.25,
            "estimated, tries before the last": 2,
            "estimated, to come": 2 * 0.75,  # both of the last point, of which nothing is known
        }
    )
    assert report["cpu_share"] == pytest.approx(0.75 / 1.75)
    assert report["jobs"]["used share"] == pytest.approx(1.75 / 2)
    assert report["tail"]["seconds"] == 900
    assert report["without a time"] == 1
    assert report["tries before the last"] == 6
    assert report["started"] == {"forked": 2, "fresh": 1, "unknown": 1}
    assert report["memory"] == {"largest": 4e8, "asked": 2e9}
    assert report["energy"] == {"core_hours": 2, "watts": 20, "kWh": 0.04}
    rows = [(p["parameters"]["phi"], p["core_hours"], p["recorded"]) for p in report["points"]]
    assert rows == [(0.1, 1.5, 2), (0.2, 0.25, 2)]


def test_what_a_profile_might_ask_for(store, tmp_path):
    (tmp_path / "slurm.yaml").write_text(SLURM)
    found = spending_report(store, load_profile(tmp_path / "slurm.yaml"))["suggested"]
    assert found == {"cores of a job": 16, "memory": 9e9, "walltime": 12 * 3600, "cores": 1,
                     "jobs": 1}  # fmt: skip


def test_what_is_printed(store, tmp_path):
    result = CliRunner().invoke(main, ["cost", str(store), "--watts", "20"])
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    for said in (
        "4 simulations recorded, on 1 core each",
        "core hours 1.75 measured",
        "2 at least, in 1 job:",
        "88% used",
        "an estimate, not in it: 6 tries before the last",
        "nothing is known of 1 point ",
        "kWh 0.04 an estimate, of 2 core hours at 20 W a core",
        "workers died: 1",
        'walltime: "12:00:00"',
        "0.1 2/2 1.5 85.7% 45 min 0 s 400 MB",
    ):
        assert said in words, words
    (tmp_path / "s.yaml").touch()
    result = CliRunner().invoke(main, ["cost", str(tmp_path / "s.yaml")])
    assert result.exit_code == 2
    assert "such as s.h5" in result.output


def test_a_job_that_is_in_file_and_journal_is_one(tmp_path):
    job = {"host": "n1", "job_id": "7", "started": 1e9, "start_method": "fresh"}
    path = write(tmp_path / "s.h5", outcome(0, elapsed_time=3600.0, **job))
    with open_hdf5(path) as published:
        rows = Rows(published, [outcome(1, elapsed_time=1800.0, **job)])
        for name in ("host", "job_id", "start_method", "unread"):
            values, codes = rows.coded(name)
            assert (len(values), codes.tolist()) == (1, [0, 0])
        reader = Reader(STUDY, rows)
        spans, _ = occupied(jobs_of(reader)[1], *_known(Times.of(reader)))
    assert spans.tolist() == [3600]


def _known(times):
    return times.started, times.ends, times.cores
