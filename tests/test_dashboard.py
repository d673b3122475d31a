"""The link to Dask's dashboard that is printed is one that answers."""

import re
import socket
import urllib.request
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from dask_espresso.cluster import open_cluster
from dask_espresso.dashboard import describe_dashboard, is_elsewhere
from dask_espresso.profile import load_profile

LOCAL = "cluster: local\noptions: {threads_per_worker: 1}\n"
SLURM = """
cluster: slurm
jobs: {minimum: 0, maximum: 1}
options: {cores: 1, memory: 500 MB, walltime: "00:10:00", scheduler_options: {host: 0.0.0.0}}
"""


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Say where the dashboard of a profile's cluster is."""
    monkeypatch.chdir(tmp_path)

    def describe(text, *, elsewhere=False):
        Path("profile.yaml").write_text(text)
        with open_cluster(load_profile("profile.yaml")) as cluster:
            said = describe_dashboard(cluster.client, elsewhere=elsewhere)
            if said:
                link = re.search(r"http://127\.0\.0\.1:\d+/status", said).group()
                with urllib.request.urlopen(link.replace("status", "health"), timeout=20) as page:
                    assert page.read() == b"ok"
            return said

    return describe


@pytest.mark.parametrize("profile", [LOCAL, LOCAL.replace("}", ", interface: lo}"), SLURM])
def test_the_link_answers(described, profile):
    assert re.fullmatch(r"dashboard: http://127\.0\.0\.1:\d+/status", described(profile))


def test_the_way_from_another_machine(described):
    said = described(LOCAL, elsewhere=True)
    (port,) = set(re.findall(r"127\.0\.0\.1:(\d+)", said))
    assert f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}, then http://127.0.0.1" in said


@pytest.mark.parametrize("name", ["SSH_CONNECTION", "SLURM_JOB_ID", "_CONDOR_SCRATCH_DIR"])
def test_another_machine_is_told_by_the_environment(monkeypatch, name):
    for other in ("SSH_CONNECTION", "SLURM_JOB_ID", "_CONDOR_SCRATCH_DIR"):
        monkeypatch.delenv(other, raising=False)
    assert not is_elsewhere()
    monkeypatch.setenv(name, "1")
    assert is_elsewhere()


def test_no_dashboard_no_link(described):
    assert described(LOCAL.replace("}", ", scheduler_kwargs: {dashboard: false}}")) == ""


@pytest.mark.parametrize("kind", [{}, {"scheduler_kwargs": {"dashboard": False}}])
def test_another_scheduler_has_its_own_link(kind):
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", **kind) as running,
        Client(running.scheduler_address, set_as_default=False) as client,
    ):
        expected = "" if kind else f"dashboard: {client.dashboard_link}"
        assert describe_dashboard(client, elsewhere=True) == expected
