"""Studies of scripts that know nothing of this package, through driver and workers."""

import re

import pytest

from dask_espresso.driver import run_study
from dask_espresso.errors import InputError
from dask_espresso.store.store import read_store


def test_a_change_of_arguments_is_a_change_of_the_code(workers, script, study_file, tmp_path):
    code = "import dask_espresso, sys; dask_espresso.send_result({'y': float(sys.argv[1])})"
    script(code, "sim.py")
    text = "name: s\nengine: python\nscript: sim.py\nparameters: {a: [1, 2], b: 3}\n"
    store = tmp_path / "s.h5"
    run_study(study_file(text + "arguments: ['{a}', '{b}']"), workers, store)
    before = {o.parameters["a"]: o.result["y"] for o in read_store(store).outcomes.values()}
    assert before == {1: 1.0, 2: 2.0}
    path = study_file(text + "arguments: ['{b}', '{a}']")
    changed = f"{path}: arguments: has changed since the 2 outcomes"
    with pytest.raises(InputError, match=re.escape(changed)):
        run_study(path, workers, store)
