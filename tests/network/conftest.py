"""Hosts on a network, for the tests that with-hosts.sh runs."""

import os
import tempfile
from pathlib import Path

import pytest
from selection import leave_out

pytest.register_assert_rewrite("hosts", "network_run")

from hosts import Network  # noqa: E402
from network_run import NetworkRun  # noqa: E402
from processes import wait_for  # noqa: E402

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config, items):
    """Elsewhere these tests are not part of the suite."""
    if os.environ.get("DASK_ESPRESSO_HOSTS"):
        return
    leave_out(config, items, lambda item: item.path.parent == HERE)


@pytest.fixture(scope="session")
def _network():
    network = Network(Path(tempfile.mkdtemp(prefix="hosts.", dir="/tmp")))
    yield network
    network.close()


@pytest.fixture
def network(_network):
    """Give the hosts, whole and idle before and after."""
    yield _network
    for host in (_network.login, *_network.nodes):
        host.mend()
    if jobs := _network.jobs():
        _network.login.run("scancel", *jobs)
        wait_for("an empty queue", lambda: not _network.jobs())


@pytest.fixture
def make_run(network, tmp_path):
    """Make a study run; what it logged is shown where a test fails."""
    runs = []

    def make(*arguments, **options):
        runs.append(NetworkRun(network, tmp_path, *arguments, **options))
        return runs[-1]

    yield make
    for run in runs:
        print(run.describe())
        run.stop()
