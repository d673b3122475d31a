import subprocess
import sys

import dask
import numpy as np
import pytest
from distributed import Client

import dask_espresso
from dask_espresso.driver import run_study
from dask_espresso.errors import SimulationError
from dask_espresso.inputs.shipped import SIMULATIONS
from dask_espresso.inputs.study import load_study


@pytest.fixture(autouse=True)
def no_client():
    """Whatever client another test may have left behind, these compute here."""
    with dask.config.set(scheduler="threads"):
        yield


ECHO = str(SIMULATIONS / "echo.py")


def test_as_in_the_original_sample():
    task = dask_espresso.dask_espresso_task(sys.executable, ECHO, hello="world")
    assert task.compute() == {"hello": "world", "processed": True}


def test_relative_script(monkeypatch):
    monkeypatch.chdir(SIMULATIONS)
    task = dask_espresso.dask_espresso_task(sys.executable, "echo.py", a=np.arange(2))
    np.testing.assert_array_equal(task.compute()["a"], [0, 1])


def test_failure_says_why(script):
    path = script("raise ValueError('unstable')")
    with pytest.raises(SimulationError, match=r"exit code 1(.|\n)*ValueError: unstable"):
        dask_espresso.dask_espresso_task(sys.executable, str(path)).compute()


def test_any_picklable_result(script):
    path = script("""
        import dask_espresso, datetime
        print(dask_espresso.encode_transport_data({1, datetime.date(2026, 1, 1)}))
    """)
    import datetime

    result = dask_espresso.dask_espresso_task(sys.executable, str(path)).compute()
    assert result == {1, datetime.date(2026, 1, 1)}


def test_many_on_a_running_scheduler(workers):
    with Client(workers.cluster) as client:
        tasks = [dask_espresso.dask_espresso_task(sys.executable, ECHO, n=n) for n in range(6)]
        results = client.gather(client.compute(tasks))
    assert results == [{"n": n, "processed": True} for n in range(6)]


def test_a_study_on_a_running_scheduler(workers, tmp_path, study_file):
    study = load_study(
        study_file("name: s\nengine: python\nscript: echo\nparameters: {x: [1, 2, 3]}\n")
    )
    summary = run_study(study, workers, tmp_path / "s.h5")
    assert summary.exit_status == 0


def test_importing_the_package_loads_the_standard_library_only():
    code = "import sys, dask_espresso; assert not {'dask', 'numpy', 'yaml'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "dask_espresso_task" in dir(dask_espresso)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        dask_espresso.nonsense  # noqa: B018
