"""Failures by their cause, and what is said of them: nothing that is not so."""

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from outcome_tables import filled_table

from dask_espresso.cli import main
from dask_espresso.inputs.expression import Expression
from dask_espresso.inputs.stored_study import StoredStudy
from dask_espresso.outcome import Outcome, Status
from dask_espresso.process.cause import pattern, pattern_of_names
from dask_espresso.record import pack
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.store import Entry, mend_store
from dask_espresso.views.failures import failures_report
from dask_espresso.views.region import Regions

STUDY = StoredStudy(
    name="s",
    script="s.py",
    engine="python",
    parameters={"phi": [0.3, 0.1, 0.2, 0.4], "kind": ["a", "b", "it's"], "big": [True, False]},
    replicas=2,
)
SIMULATIONS = list(STUDY.simulations())


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("box 3.1 of 2", "box -4e-5 of 10", "box … of …"),
        ("exit code 1: no x2 at 0x7f", "exit code 1: no x2 at 0xff", "exit code 1: no x2 at …"),
        ("/tmp/a1/b c.py:3: x", "/home/of/u/b c.py:4: x", "…/b c.py:…: x"),
        ("n17 (n17.cluster) of n2: gone", "n2 (n2) of n17: gone", "… (…) of …: gone"),
        (
            "it took 12.5s, until 2026-11-27",
            "it took 3s, until 2025-01-02",
            "it took …s, until …-…-…",
        ),
    ],
)
def test_equal_causes_have_one_pattern(one, other, expected):
    names = pattern_of_names(["n17.cluster", "n2"])
    assert pattern(one, names) == pattern(other, names) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [("exit code 1: x", "exit code 2: x"), ("no x2", "no x3"), ("no a/b.py", "no a/c.py"),
     ("ended by SIGSEGV", "ended by SIGABRT"), ("libmpi.so.40x", "libmpi.so.12x")],
)  # fmt: skip
def test_other_causes_have_others(one, other):
    assert pattern(one, None) != pattern(other, None)


def find(fails, study=STUDY, also=lambda p: False):
    group = np.array([bool(fails(s.parameters, s.replica)) for s in study.simulations()])
    done = ~group & ~np.array([bool(also(s.parameters)) for s in study.simulations()])
    return Regions(study, np.arange(study.count), done).find(group)


@pytest.mark.parametrize(
    ("fails", "condition"),
    [
        (lambda p, r: p["phi"] > 0.25, "phi >= 0.3"),
        (lambda p, r: p["phi"] < 0.25 and p["kind"] == "it's", 'phi <= 0.2 and kind == "it\'s"'),
        (lambda p, r: p["phi"] in (0.2, 0.3) and r == 1, "0.2 <= phi <= 0.3 and replica == 1"),
        (lambda p, r: p["kind"] != "a", "kind in ['b', \"it's\"]"),
        (lambda p, r: p["big"], "big == True"),
        (lambda p, r: p["phi"] in (0.1, 0.4), None),  # what lies between is done
        (lambda p, r: True, None),
        (lambda p, r: p["phi"] == 0.4 and p["big"] and p["kind"] == "a" and r == 0, None),  # one
    ],
)
def test_a_region_that_nothing_else_fills_is_found(fails, condition):
    found = find(fails)
    assert (found and found.condition) == condition


def test_what_fails_in_a_region_for_another_cause_is_counted():
    found = find(lambda p, r: p["phi"] > 0.25 and not p["big"], also=lambda p: p["phi"] > 0.25)
    assert (found.condition, found.recorded) == ("phi >= 0.3", 24)


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=48, max_size=48))
def test_a_region_holds_the_whole_group_and_nothing_that_is_done(ends):
    """0 is done, 1 is of the group, 2 has failed for another cause."""
    ends = np.array(ends)
    found = Regions(STUDY, np.arange(STUDY.count), ends == 0).find(ends == 1)
    if found:
        condition = Expression(found.condition, [*STUDY.names, "replica"])
        rows = ({**s.parameters, "replica": s.replica} for s in SIMULATIONS)
        inside = np.array([condition.holds([r[n] for n in condition.names]) for r in rows])
        assert inside[ends == 1].all()
        assert not inside[ends == 0].any()
        assert inside.sum() == found.recorded


@pytest.fixture
def store(tmp_path):
    outcomes = []
    for number, simulation in enumerate(SIMULATIONS):
        host = "node17.cluster" if number % 8 == 3 else f"node{number % 3}"
        outcome = Outcome(
            simulation.id, simulation.parameters, simulation.replica, simulation.seed,
            result={"y": 1.0}, host=host, exit_code=0, sequence=number,
        )  # fmt: skip
        if host.startswith("node17"):
            said = f"exit code 1\nOSError: /scratch/{number}/x.dat: no space on node17\nbye\n"
            outcome = dataclasses.replace(outcome, status=Status.FAILED, result=None, error=said,
                                          exit_code=1, attempts=1 + number % 2)  # fmt: skip
        elif number in (0, 1):
            outcome = dataclasses.replace(outcome, status=Status.FAILED, result=None,
                                          error="ended by SIGSEGV", exit_code=-11)  # fmt: skip
        outcomes.append(outcome)
    path = tmp_path / "s.h5"
    study = {key: value for key, value in vars(STUDY).items() if key in STUDY.__annotations__}
    write_hdf5(path, filled_table(outcomes), study, "hash")
    return path


def test_groups_say_what_they_have_in_common(store):
    report = failures_report(store)
    assert (report["recorded"], report["done"]) == (48, 40)
    space, killed = report["groups"]
    assert (space["count"], space["attempts"], space["signal"]) == (6, [2, 2], None)
    assert space["common"] == [
        {"what": "node", "name": "node17.cluster", "done_there": 0, "done_elsewhere": 40}
    ]
    assert [found["id"] for found in space["simulations"]] == [s.id for s in SIMULATIONS[3::8]]
    assert (killed["signal"], killed["exit_code"], killed["common"]) == ("SIGSEGV", -11, [])
    assert killed["region"] == {"condition": "phi == 0.3 and kind == 'a' and replica == 0",
                                "recorded": 2}  # fmt: skip


def test_a_node_that_is_in_file_and_journal_is_one(store):
    """Of the failed ones on node17, in the file, one has since been done there, in the journal."""
    number = 3
    simulation = SIMULATIONS[number]
    done = Outcome(simulation.id, simulation.parameters, simulation.replica, result={"y": 1.0},
                   host="node17.cluster")  # fmt: skip
    with mend_store(store) as opened:
        opened.record([Entry(done.id, done.status, pack(done))])
    space = failures_report(store)["groups"][0]
    assert space["count"] == 5
    assert space["common"] == [
        {"what": "node", "name": "node17.cluster", "done_there": 1, "done_elsewhere": 40}
    ]


def test_they_are_listed_and_chosen(store):
    def said(*options):
        ended = CliRunner().invoke(main, ["failures", str(store), *options])
        assert ended.exit_code == 0, ended.output
        return ended.output

    output = said()
    assert "8 of 48 recorded are not done, of 2 causes" in output
    assert "6 x failed: exit code 1: OSError: …/x.dat: no space on …" in output
    assert "all on node node17.cluster, where nothing is done, and 40 elsewhere" in output
    assert "all 2 of 2 recorded with phi == 0.3 and kind == 'a' and replica == 0" in output
    assert "and 1 more" in output
    assert f"dask-espresso log {store} {SIMULATIONS[3].id}" in output
    assert "of 1 cause\n" in said("--where", "phi == 0.3 and replica == 0 and kind == 'a'",
                                  "--where", "big")  # fmt: skip
    assert "nothing that was asked for has failed; 40 of 48 done" in said("--status", "lost")
