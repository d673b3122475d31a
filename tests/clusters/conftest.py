"""Faults on a real batch system, which slurm/with-slurm.sh and htcondor/with-condor.sh start."""

import os
import sys
from pathlib import Path

import pytest
from selection import leave_out

pytest.register_assert_rewrite("batch_systems", "study_run")

from batch_systems import SYSTEMS  # noqa: E402
from study_run import StudyRun  # noqa: E402

HERE = Path(__file__).parent
SYSTEM = os.environ.get("DASK_ESPRESSO_CLUSTER")

# So that the tests take seconds where a user waits for minutes. In a file, because a driver job
# need not have the environment of where it was submitted.
DASK_CONFIG = "dask-espresso: {keeper: {interval: 1s, hung-after: 5s}}\n"


def pytest_collection_modifyitems(config, items):
    """Without a batch system these tests are not part of the suite, nor ever another one's own."""
    foreign = {f"test_{name}.py" for name in SYSTEMS if name != SYSTEM}

    def is_foreign(item):
        return item.path.parent == HERE and (not SYSTEM or item.path.name in foreign)

    leave_out(config, items, is_foreign)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Have a test that was skipped count as one that failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if SYSTEM and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Show how long each fault kept work from going on."""
    properties = (
        p for report in terminalreporter.getreports("passed") for p in report.user_properties
    )
    recoveries = [value for name, value in properties if name == "recovery"]
    if recoveries:
        terminalreporter.section(f"{SYSTEM}: seconds until work went on")
        for fault, seconds in recoveries:
            terminalreporter.line(f"| {fault} | {seconds:.1f} |")


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path_factory):
    """Put dask's settings into a home of its own, and dask-espresso into the PATH."""
    home = tmp_path_factory.mktemp("home")
    config = home / ".config/dask/test.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(DASK_CONFIG)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


@pytest.fixture
def batch(_environment):
    """Give the batch system; its queue is empty before and after."""
    batch = SYSTEMS[SYSTEM]()
    yield batch
    batch.cancel_all()


@pytest.fixture
def make_study(batch, tmp_path, record_property):
    """Make a study run; what it logged is shown where a test fails."""
    studies = []

    def make(**options):
        studies.append(StudyRun(batch, tmp_path, record_property, **options))
        return studies[-1]

    yield make
    for study in studies:
        print(study.describe())
        study.stop()


@pytest.fixture
def at_work(make_study):
    """Start a study, and give it when its workers are at work."""

    def start(workers=2, **options):
        study = make_study(**options)
        study.start()
        study.wait_for_work(workers)
        return study

    return start
