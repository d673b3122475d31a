import subprocess
import sys

import pytest

from dask_espresso.safe_path import NO_DIRECTORY


@pytest.mark.parametrize("module_path", ["", "/nowhere:", ":/nowhere", "."])
def test_what_is_in_the_directory_is_not_taken(tmp_path, module_path):
    """An empty item of PYTHONPATH comes of `PYTHONPATH=/some/lib:$PYTHONPATH`."""
    (tmp_path / "signal.py").write_text("x = 1\n")
    code = NO_DIRECTORY + "from multiprocessing.spawn import spawn_main"
    environment = {"PYTHONPATH": module_path}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


@pytest.mark.parametrize("name", ["typing", "enum", "json", "yaml"])
def test_the_command_line_as_a_module_takes_nothing_from_the_directory(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("x = 1\n")
    words = [sys.executable, "-m", "dask_espresso", "--version"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
