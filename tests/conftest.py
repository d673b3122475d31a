"""Fixtures for the whole suite."""

import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from dask_espresso.engine import Engine

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, and all that is started here


def pytest_collection_modifyitems(config, items):
    """Without a pypresso the tests that need one are not part of the suite."""
    if os.environ.get("PYPRESSO"):
        return
    deselected = [item for item in items if item.get_closest_marker("espresso")]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in deselected]


@pytest.fixture(params=["spawn", "fork"])
def python(request):
    """The engine that runs plain scripts on this interpreter, in fresh processes and in forked."""
    return Engine(name="python", command=(sys.executable,), start=request.param)


@pytest.fixture
def script(tmp_path):
    """Write a simulation script and give its path."""

    def write(text, name="script.py"):
        path = Path(tmp_path) / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def study_file(tmp_path):
    """Write a study file and give its path."""

    def write(text, name="study.yaml"):
        path = Path(tmp_path) / name
        path.write_text(textwrap.dedent(text))
        return path

    return write
