"""A pilot: a few simulations over all points, by which one knows what all of them will take."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from dask_espresso.cli import main
from dask_espresso.inputs.choice import Choice, spread_places
from dask_espresso.inputs.stored_study import StoredStudy
from dask_espresso.store.store import read_store
from dask_espresso.views.pilot import describe_pilot, extrapolated

UNTIL = {"y": {"relative": 0.01}, "replicas": {"minimum": 2, "maximum": 9}}
SCRIPT = """
    import dask_espresso, time
    params = dask_espresso.get_data_from_stdin()
    assert params["x"] < 9
    time.sleep(0.02 * params["x"])
    print(dask_espresso.encode_transport_data({"y": 2.0 * params["x"] * params["seed"]}))
"""
STUDY = """
    name: s
    engine: python
    script: script.py
    parameters: {x: [1, 2, 3, 4, 5, 6, 7, 8]}
    replicas: 2
"""


def study(*lengths, seed=0, **more):
    parameters = {f"p{n}": list(range(length)) for n, length in enumerate(lengths)}
    made = {"replicas": 2, **more}
    return StoredStudy("s", "s.py", parameters, engine="python", seed=seed, **made)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 60), st.integers(0, 99))
def test_a_pilot_is_a_part_of_every_larger_one(lengths, count, seed):
    of = study(*lengths, seed=seed)
    places = spread_places(of, count).tolist()
    assert len(set(places)) == len(places) == min(count, of.count)
    assert all(0 <= place < of.count for place in places)
    assert max(place // of.n_points for place in places) == (len(places) - 1) // of.n_points
    assert set(places) <= set(spread_places(of, count + 1).tolist())


@pytest.mark.parametrize("count", [4, 8, 13, 64])
def test_it_leaves_no_part_out(count):
    of = study(16, 16, 16)
    places = spread_places(of, count)
    gaps = np.diff([0, *places, of.n_points])
    assert gaps.max() <= 4 * of.n_points / count
    assert len(set((places % 16).tolist())) > min(count, 16) / 3  # not in step with the last one


def test_with_targets_it_takes_what_is_wanted_in_any_case():
    of = study(4, until=UNTIL, replicas=9)
    assert len(Choice(spread=99).ask(of, {}).ids) == 8
    assert len(Choice(spread=3).ask(of, {}).ids) == 3


@pytest.mark.parametrize("count", [6, 12])
def test_the_error_holds_the_truth(count):
    """Student's interval of 95 % does so in nine of ten studies, whatever takes longer."""
    held = []
    for seed in range(200):
        of = study(8, 5, 9, seed=seed)
        slow, middle, fast = np.unravel_index(np.arange(of.n_points), (8, 5, 9))
        took = [1 + slow, 2.0**middle, 1 + fast, (1 + slow) * (1 + fast)][seed % 4] * 1.0
        total, error = extrapolated(took[spread_places(of, count)], of.n_points)
        held.append(abs(total - took.sum()) <= stdtrit(count - 1, 0.975) * error)
    assert np.mean(held) > 0.9


def test_what_cannot_be_known_is_not_said():
    report = {
        "pilot": {"measured": 1, "mean": 2.0, "shortest": 2.0, "longest": 2.0, "memory": None,
                  "cores": 2},
        "to come": {"simulations": 9, "may be more": True, "core_hours": 1.0, "error": None,
                    "slots": 4, "wall_time": 6.0},
    }  # fmt: skip
    took, whole, wall = describe_pilot(report)
    assert took == "pilot: 1 simulation took 2.0 s on average, 2.0 s to 2.0 s"
    assert whole == (
        "9 simulations to come, and more until targets are met, on 2 cores each: an estimate of "
        "1 core hours, its error not known"
    )
    assert wall == "on the 4 at a time that the profile has, about 6.0 s, once its jobs run"
    (line,) = describe_pilot({"pilot": {"measured": 0}, "to come": {}})
    assert "none of the pilot is done" in line


def test_a_pilot_is_run_and_nothing_of_it_is_wasted(tmp_path, monkeypatch, workers, script,
                                                    study_file):  # fmt: skip
    script(SCRIPT)
    study_file(STUDY)
    monkeypatch.chdir(tmp_path)

    def invoke(*words):
        result = CliRunner().invoke(main, [*words, "--profile", str(workers.path)])
        assert result.exit_code == 0, result.output
        return result.output

    said = invoke("cost", "study.yaml", "--pilot", "4")
    assert "4 done of 4 asked for" in said
    assert "12 simulations to come on 1 core each: an estimate of" in said
    first = read_store("s.h5").outcomes
    assert len(first) == 4
    found = CliRunner()
    result = found.invoke(
        main, ["cost", "study.yaml", "--pilot", "4", "--json", "--profile", str(workers.path)]
    )
    report = json.loads(result.stdout)
    took = np.array([outcome.elapsed_time for outcome in first.values()])
    assert report["to come"]["core_hours"] == pytest.approx(12 * took.mean() / 3600)
    assert "this run recorded 12" in invoke("run", "study.yaml")
    outcomes = read_store("s.h5").outcomes
    assert {name: outcomes[name] for name in first} == first
    result = found.invoke(main, ["cost", "s.h5", "--yes"])
    assert result.exit_code == 2
    assert "are for --pilot NUMBER" in result.output
