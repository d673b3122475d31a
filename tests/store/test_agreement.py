"""Results are never given to other parameters than those that they were run with."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dask_espresso.driver import run_study
from dask_espresso.errors import InputError
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Outcome
from dask_espresso.record import pack
from dask_espresso.store.admission import check_store
from dask_espresso.store.merge import merge_stores
from dask_espresso.store.store import Entry, open_store

BEFORE = {"parameters": {"kappa": [1, 2]}}
ONE = {"parameters": {"kappa": [1, 2], "gamma": [1.0, 2.0]}, "defaults": {"gamma": 1.0}}
TWO = ONE | {"defaults": {"gamma": 2.0}}
MORE = {"parameters": {"kappa": [3, 4], "gamma": [1.0, 2.0]}, "defaults": {"gamma": 2.0}}
P_Q = {"parameters": {"p": [1, 2], "q": [1, 2]}, "rename": {"a": "p", "b": "q"}}
Q_P = P_Q | {"rename": {"a": "q", "b": "p"}}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.py").touch()

    def make(keys):
        text = {"name": "s", "engine": "python", "script": "s.py", **keys}
        Path("study.yaml").write_text(yaml.safe_dump(text))
        return load_study("study.yaml")

    return make


def record(path, study):
    """Record all of a study that is not there, with what its parameters come to."""
    with open_store(Path(path), study) as store:
        for one in study.simulations():
            if one.id not in store.statuses:
                y = sum(value * 10**i for i, value in enumerate(one.parameters.values()))
                outcome = Outcome(one.id, one.parameters, one.replica, one.seed, result={"y": y},
                                  script_hash=study.script_hash)  # fmt: skip
                store.record([Entry(one.id, outcome.status, pack(outcome))])
        store.publish()
    return Path(path)


@pytest.mark.parametrize(("was", "now", "said"), [
    (ONE, TWO, r"was run with gamma = 1, and is the one with gamma = 2 by `defaults`"),
    (P_Q, Q_P, r"was run with p = 1, and is the one with p = 2 by `defaults` and `rename`"),
])  # fmt: skip
def test_a_study_that_gives_results_other_parameters_is_refused(study, was, now, said):
    path = record("s.h5", study(was))
    with pytest.raises(InputError, match=said):
        check_store(path, study(now))
    with pytest.raises(InputError, match="forget"), open_store(path, study(now)):
        pass
    assert check_store(path, study(was)).outcomes


@pytest.mark.parametrize(("was", "now"), [
    (BEFORE, ONE),
    (BEFORE, TWO),
    ({"parameters": {"a": [1, 2], "b": [1, 2]}}, P_Q),
    ({"parameters": {"a": [1, 2], "b": [1, 2]}}, Q_P),
    (ONE, ONE | {"parameters": {"k": [1, 2], "gamma": [1, 2]}, "rename": {"kappa": "k"}}),
])  # fmt: skip
def test_what_was_not_there_or_has_another_name_agrees(study, was, now):
    path = record("s.h5", study(was))
    assert check_store(path, study(now)).outcomes
    record(path, study(now))
    assert check_store(path, study(now)).outcomes


@pytest.mark.parametrize(("one", "other", "said"), [
    (ONE, MORE, r"`defaults` has gamma = . in the one, . in the other"),
    (ONE, TWO, r"`defaults` has gamma"),
    (P_Q, Q_P, r"`.` was `.` in the one, `.` in the other, by `rename`"),
])  # fmt: skip
def test_stores_that_give_them_others_are_not_merged(study, one, other, said):
    paths = [record(f"{i}.h5", study(keys)) for i, keys in enumerate((one, other))]
    for order in (paths, paths[::-1]):
        with pytest.raises(InputError, match=said):
            merge_stores(order, Path("m.h5"))
    assert not Path("m.h5").exists()


def test_stores_of_before_and_after_are_merged(study):
    paths = [record(f"{i}.h5", study(keys)) for i, keys in enumerate((BEFORE, ONE))]
    for number, order in enumerate((paths, paths[::-1])):
        assert merge_stores(order, Path(f"m{number}.h5")).count == 4


def test_run_says_so(study, workers):
    Path("s.py").write_text(
        "import dask_espresso\np = dask_espresso.get_data_from_stdin()\n"
        "dask_espresso.send_result({'y': p['gamma']})\n"
    )
    run_study(study(ONE), workers, Path("s.h5"))
    study(TWO)
    command = [sys.executable, "-m", "dask_espresso", "run", "study.yaml", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "was run with gamma = 1," in done.stderr
