"""Fixtures for the whole suite."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import hypothesis
import pytest
from selection import leave_out

from dask_espresso.engines import Engine

FAKE_SLURM = {
    # a job is a process group; it sees the environment that sbatch had
    "sbatch": """
        [ ! -e refuse ] || { cat refuse >&2; exit 1; }
        n=$(($(ls jobs | wc -l) + 1))
        env | grep -E '^(SLURM|SBATCH)_' > leaked
        [ ! -e walltime ] || export SLURM_JOB_END_TIME=$(($(date +%s) + $(cat walltime)))
        sed -n 's/^#SBATCH -J //p' "$1" > jobs/$n.name
        cp "$1" names/$n.sh  # whoever submits it may remove it now
        SLURM_JOB_ID=$n setsid bash names/$n.sh > jobs/$n.log 2>&1 < /dev/null &
        echo $! > jobs/$n
        mv jobs/$n.name names/$n
        echo "Submitted batch job $n"
    """,
    "squeue": """
        for n in $(ls jobs | grep -v log); do
            # one that has ended may stay a zombie: not every first process of a container reaps
            case $(ps -o state= -p $(cat jobs/$n)) in [!Z]) echo "$n|R|$(cat names/$n)|None" ;; esac
        done
        exit 0
    """,
    "scancel": """
        for n in "$@"; do
            echo $n >> cancelled
            [ ! -e jobs/$n ] || kill -TERM -- -$(cat jobs/$n) 2>/dev/null
        done
        exit 0
    """,
}

# a scheduler with a worker, as they run on a cluster before anybody asks
WORKERS = """
import sys
import dask
from distributed import LocalCluster
quiet = {  # what they do when there is nothing to do
    "admin.system-monitor.interval": "10s", "admin.tick.interval": "1s",
    "worker.profile.enabled": False,
}
pages = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
with (
    dask.config.set({f"distributed.{name}": value for name, value in quiet.items()}),
    LocalCluster(n_workers=1, processes=False, protocol="tcp", **pages) as cluster,
):
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""

pytest.register_assert_rewrite("processes")

gc.set_threshold(50_000)  # what is imported stays: looking through it takes a tenth of a start

hypothesis.settings.register_profile(
    "suite", deadline=None
)  # machines are shared, and slow at times
hypothesis.settings.load_profile("suite")
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, and all that is started here


# files that take longest come first, so that no long test is left for the end
_LONGEST = (
    "test_driver",
    "test_cluster",
    "test_simulation_faults",
    "test_check",
    "test_forkserver",
)


def pytest_ignore_collect(collection_path, config):
    """Where slow tests alone are wanted, modules without the word are not imported."""
    if config.option.markexpr == "slow" and collection_path.suffix == ".py":
        return "slow" not in collection_path.read_text(encoding="utf-8") or None
    return None


def pytest_collection_modifyitems(config, items):
    """Without a pypresso the tests that need one are not part of the suite."""
    items.sort(key=lambda item: item.path.stem not in _LONGEST)
    if os.environ.get("PYPRESSO"):
        return
    leave_out(config, items, lambda item: item.get_closest_marker("espresso"))


def pytest_collection_finish():
    """All that is there stays to the end; no collection of garbage has to look through it."""
    gc.freeze()


@pytest.fixture(params=["spawn", "fork"])
def python(request):
    """The engine that runs plain scripts on this interpreter, in fresh processes and in forked."""
    return Engine(name="python", command=(sys.executable,), start=request.param)


@pytest.fixture(scope="session")
def workers(tmp_path_factory):
    """Give a profile, which is a file, too, of a scheduler and a worker that run already.

    Many tests share them, and leave them alive. What a test sets, such as variables of the
    environment, is not theirs.
    """
    from dask_espresso.inputs.profile import load_profile

    here = tmp_path_factory.mktemp("workers")
    with (
        (here / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", WORKERS],
            cwd=here,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):  # at its end nothing more is to be read, and it ends
        (here / "workers.yaml").write_text(f"cluster: {process.stdout.readline()}")
        yield load_profile(here / "workers.yaml")


@pytest.fixture
def script(tmp_path):
    """Write a simulation script and give its path."""

    def write(text, name="script.py"):
        path = Path(tmp_path) / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def here(request, tmp_path, monkeypatch, script, study_file):
    """Go to a directory with the script and the study that the test's module has."""
    script(request.module.SCRIPT)
    study_file(request.module.STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def study_file(tmp_path):
    """Write a study file and give its path."""

    def write(text, name="study.yaml"):
        path = Path(tmp_path) / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Put a small Slurm first in the PATH; give its directory, which is the current one."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("jobs", "names"):
        (tmp_path / name).mkdir()
    for name, text in FAKE_SLURM.items():
        path = programs / name
        path.write_text(f"#!/bin/bash\ncd {tmp_path}\n{textwrap.dedent(text)}")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DASK_DASK_ESPRESSO__KEEPER__INTERVAL", "1s")
    monkeypatch.chdir(tmp_path)
    return tmp_path
