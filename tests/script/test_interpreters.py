"""The simulation's interpreter is another one than the driver's, with another numpy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from environments import new_environment
from simulators import probe, run_process

from dask_espresso.engines import Engine
from dask_espresso.process.environment import SCRIPT as VISIBLE

pytestmark = pytest.mark.slow

SCRIPT = """
    import dask_espresso, numpy as np
    params = dask_espresso.get_data_from_stdin()
    arrays = [params["a"] * 2, np.arange(6.0).reshape(2, 3), np.float32(1.5), np.array(["x", "yz"])]
    print(dask_espresso.encode_transport_data({"arrays": arrays, "numpy": np.__version__}))
"""


@pytest.fixture(scope="module")
def other_numpy(tmp_path_factory):
    """An interpreter with a numpy of the other side of the 1 to 2 divide."""
    wanted = "numpy<2" if int(np.__version__.split(".")[0]) >= 2 else "numpy>=2"
    folder = tmp_path_factory.mktemp("other_numpy")
    return Engine("other", command=(new_environment(folder, "--only-binary=:all:", wanted),))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="numpy 1 has no wheels for this Python")
def test_arrays_cross_between_numpy_1_and_2(other_numpy, script):
    report = run_process(other_numpy, script(SCRIPT), {"a": np.arange(3, dtype=np.int16)})
    assert report.failure() == ""
    result = report.output.payload()
    assert result["numpy"].split(".")[0] != np.__version__.split(".")[0]
    expected = [np.arange(3, dtype=np.int16) * 2, np.arange(6.0).reshape(2, 3), np.float32(1.5)]
    for got, wanted in zip(result["arrays"], [*expected, np.array(["x", "yz"])], strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype


def old_interpreters():
    """Give interpreters that are too old, as far as they are found here."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in ("3.6", "3.7", "3.8"):
        found = [*versions.glob(f"{version}.*/bin/python3")]
        if found or (found := [shutil.which(f"python{version}")])[0]:
            yield version, found[0]


def test_an_interpreter_that_is_too_old_is_told_so(tmp_path):
    for version, python in old_interpreters():
        error = probe(Engine("python", command=(str(python),))).error
        assert f"ImportError: Python 3.9 or newer is needed, not {version};" in error
    # where there is none, one that says it were
    code = "import sys; sys.version_info = (3, 8, 18); import dask_espresso"
    said = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(VISIBLE / "for_scripts")}, cwd=tmp_path,
    ).stderr  # fmt: skip
    assert said.splitlines()[-1] == "ImportError: Python 3.9 or newer is needed, not 3.8"
