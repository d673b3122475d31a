"""The link to Dask's dashboard that is printed is one that answers."""

import json
import re
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster

from dask_espresso.cluster.cluster import open_cluster
from dask_espresso.cluster.dashboard import LaterPages, describe_dashboard, is_elsewhere
from dask_espresso.inputs.profile import load_profile

LOCAL = "cluster: local\noptions: {threads_per_worker: 1}\n"
SLURM = """
cluster: slurm
jobs: {minimum: 0, maximum: 1}
options: {cores: 1, memory: 500 MB, walltime: "00:10:00", scheduler_options: {host: 0.0.0.0}}
"""

# tornado leaves the socket that it could not bind to the garbage collector
LEFT = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Say where the dashboard of a profile's cluster is, here and for another machine."""
    monkeypatch.chdir(tmp_path)

    def describe(text):
        Path("profile.yaml").write_text(text)
        with open_cluster(load_profile("profile.yaml")) as cluster:
            found = [describe_dashboard(cluster.client, elsewhere=is_it) for is_it in (False, True)]
            pages = cluster.client.cluster.scheduler.http_application.applications
            assert {*map(type, pages)} <= {LaterPages}
            for said in filter(None, found):
                link = re.search(r"http://127\.0\.0\.1:\d+/status", said).group()
                with urllib.request.urlopen(link.replace("status", "health"), timeout=60) as page:
                    assert page.read() == b"ok"
            return found

    return describe


@pytest.mark.parametrize("profile", [LOCAL, LOCAL.replace("}", ", interface: lo}"), SLURM])
def test_the_link_answers(slurm, described, profile):
    here, elsewhere = described(profile)
    assert re.fullmatch(r"dashboard: http://127\.0\.0\.1:\d+/status", here)
    (port,) = set(re.findall(r"127\.0\.0\.1:(\d+)", elsewhere))
    way = f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}, then http://127.0.0.1"
    assert way in elsewhere


@pytest.mark.parametrize("name", ["SSH_CONNECTION", "SLURM_JOB_ID", "_CONDOR_SCRATCH_DIR"])
def test_another_machine_is_told_by_the_environment(monkeypatch, name):
    for other in ("SSH_CONNECTION", "SLURM_JOB_ID", "_CONDOR_SCRATCH_DIR"):
        monkeypatch.delenv(other, raising=False)
    assert not is_elsewhere()
    monkeypatch.setenv(name, "1")
    assert is_elsewhere()


def test_no_dashboard_no_link(described):
    without = LOCAL.replace("}", ", scheduler_kwargs: {dashboard: false}}")
    assert described(without) == ["", ""]


@pytest.mark.parametrize("kind", [{}, {"scheduler_kwargs": {"dashboard": False}}])
def test_another_scheduler_has_its_own_link(kind):
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", **kind) as running,
        Client(running.scheduler_address, set_as_default=False) as client,
    ):
        expected = "" if kind else f"dashboard: {client.dashboard_link}"
        assert describe_dashboard(client, elsewhere=True) == expected


def test_the_pages_are_made_when_somebody_asks(slurm):
    Path("p.yaml").write_text(SLURM)
    with open_cluster(load_profile("p.yaml")) as cluster, ThreadPoolExecutor() as threads:
        link = describe_dashboard(cluster.client, elsewhere=False).partition(": ")[2]
        applications = cluster.client.cluster.scheduler.http_application.applications
        assert [*map(type, applications)] == [LaterPages]
        asked = [link, link.replace("status", "workers"), link.replace("status", "")]
        for page in threads.map(fetched, asked):
            assert b"bokeh" in page
        assert "BokehTornado" in str(applications)
        plots = json.loads(fetched(link.replace("status", "individual-plots.json")))
        assert "/individual-task-stream" in plots.values()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetched(link.replace("status", "nothing"))


def test_the_plots_are_listed_before_anybody_has_looked(slurm):
    """As the Dask extension of JupyterLab asks for them."""
    Path("p.yaml").write_text(SLURM)
    with open_cluster(load_profile("p.yaml")) as cluster:
        link = describe_dashboard(cluster.client, elsewhere=False).partition(": ")[2]
        plots = json.loads(fetched(link.replace("status", "individual-plots.json")))
        assert "/individual-task-stream" in plots.values()


def fetched(link):
    with urllib.request.urlopen(link, timeout=60) as page:
        return page.read()


@LEFT
@pytest.mark.parametrize("page", ["{}", "':{}'", "127.0.0.1:{}"])
def test_a_port_that_is_in_use(slurm, caplog, page):
    """The run goes on with another one, which is on loopback, too."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        Path("p.yaml").write_text(
            "cluster: slurm\njobs: {minimum: 0, maximum: 1}\noptions:\n  cores: 1\n"
            "  memory: 500 MB\n  scheduler_options:\n"
            f"    dashboard_address: {page.format(taken)}\n"
        )
        with open_cluster(load_profile("p.yaml")) as cluster:
            found = cluster.client.scheduler_info()["services"]["dashboard"]
            assert [a for a in listening() if a[1] == found] == [("127.0.0.1", found)]
    place = "p.yaml:7: options.scheduler_options.dashboard_address"
    check_said(caplog, f"{place}: port {taken} is in use on this machine", found)


def check_said(caplog, said, found):
    said += f"; the dashboard of this run is at port {found}"
    assert said in [record.getMessage() for record in caplog.records]


# ---- who listens where ---------------------------------------------------------------------------


def listening():
    """Give where this process and what it has started listen."""
    ours = {p.pid for p in (psutil.Process(), *psutil.Process().children(recursive=True))}
    return of_processes(ours)


def of_processes(pids):
    connections = (c for c in psutil.net_connections("inet") if c.pid in pids)
    return {tuple(c.laddr) for c in connections if c.status == psutil.CONN_LISTEN}


def place(address):
    host, port = re.fullmatch(r"\w+://(.*):(\d+)", address).groups()
    return host, int(port)


def check_places(cluster, found):
    """Expect nobody to listen but where they say; all else is pages, on loopback."""
    info = cluster.client.scheduler_info()
    workers = info["workers"]
    said = {place(a) for a in (info["address"], *workers, *(w["nanny"] for w in workers.values()))}
    assert said <= found
    ports = {info["services"]["dashboard"], *(w["services"]["dashboard"] for w in workers.values())}
    assert found - said <= {("127.0.0.1", port) for port in ports}
    assert ("127.0.0.1", info["services"]["dashboard"]) in found


# on loopback there are more addresses than one, so that those of pages are told from the others


@LEFT
def test_who_listens_on_this_machine(tmp_path, monkeypatch, caplog):
    """Also where the profile has a port for the page, without a host, that is in use."""
    monkeypatch.chdir(tmp_path)
    before = listening()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()
        options = f"{{n_workers: 1, host: 127.0.0.2, dashboard_address: {taken[1]}}}"
        Path("p.yaml").write_text(f"cluster: local\noptions: {options}\n")
        with open_cluster(load_profile("p.yaml")) as cluster:
            check_places(cluster, listening() - before - {taken})
            found = cluster.client.scheduler_info()["services"]["dashboard"]
    said = f"p.yaml:2: options.dashboard_address: port {taken[1]} is in use on this machine"
    check_said(caplog, said, found)


def test_who_listens_of_a_worker_job(slurm):
    Path("p.yaml").write_text("""
        cluster: slurm
        options:
          cores: 1
          memory: 500 MB
          scheduler_options: {host: 127.0.0.2}
          worker_extra_args: ["--host", "127.0.0.3"]
    """)
    before = listening()
    with open_cluster(load_profile("p.yaml")) as cluster:
        cluster.keeper.work_left = 1
        cluster.client.wait_for_workers(1, timeout=60)
        job = psutil.Process(int((slurm / "jobs/1").read_text()))
        others = of_processes({p.pid for p in (job, *job.children(recursive=True))})
        assert {host for host, _ in others} == {"127.0.0.1", "127.0.0.3"}
        check_places(cluster, (listening() - before) | others)
