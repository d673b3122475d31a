"""The way from a profile to workers, on a Slurm that is made of four small shell scripts.

What a real Slurm and a real HTCondor do is tested in tests/clusters.
"""

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import dask
import pytest
from click.testing import CliRunner
from distributed import LocalCluster
from processes import NO_PAGES

from dask_espresso.cli import main
from dask_espresso.cluster.certificates import temporary_security
from dask_espresso.cluster.cluster import open_cluster
from dask_espresso.cluster.roster import ListedJob, Roster, roster_path, write_roster
from dask_espresso.cluster.worker_jobs import job_script
from dask_espresso.driver import run_study
from dask_espresso.errors import InputError, ResumableError
from dask_espresso.inputs.profile import Profile, load_profile
from dask_espresso.inputs.study import load_study
from dask_espresso.process.job_time import _job_start, has_time_for
from dask_espresso.store.store import read_store
from dask_espresso.views.spending import spending_report

NO_NANNY = {"nanny": False}  # a process less, which takes a second to start, where none dies
GOLDEN = Path(__file__).parents[1] / "golden"


def profile(**changes):
    options = {"interface": "lo", "cores": 2, "memory": "1 GB", **changes.pop("options", {})}
    return Profile(**{"cluster": "slurm", "jobs": 1, "options": options, **changes})


@pytest.fixture
def study(script, study_file):
    """Give a study of simulations that take half a second."""

    def write(count=6, **more):
        script(
            """
            import time
            import dask_espresso
            i = dask_espresso.get_data_from_stdin()["i"]
            time.sleep(0.5)
            print(dask_espresso.encode_transport_data({"square": i * i}))
            """
        )
        keys = "".join(f"{key}: {value}\n" for key, value in more.items())
        numbers = list(range(count))
        return load_study(
            study_file(
                f"name: s\nengine: python\nscript: script.py\nparameters: {{i: {numbers}}}\n{keys}"
            )
        )

    return write


def squares(store="s.h5"):
    return sorted(o.result["square"] for o in read_store(Path(store)).outcomes.values())


# ---- job scripts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["slurm", "htcondor", "pbs"])
def test_job_scripts(name):
    options = {"cores": 4, "memory": "8 GB", "walltime": "02:00:00", "python": "python3"}
    if name == "htcondor":
        del options["walltime"]
        options |= {"disk": "2 GB", "job_script_prologue": [". venv/bin/activate"]}
    found = job_script(Profile(cluster=name, options=options))
    assert found == (GOLDEN / f"worker.{name}").read_text()


def test_a_job_that_is_only_looked_at_makes_no_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job_script(Profile(cluster="slurm", options={"cores": 1, "memory": "1 GB"}))
    assert list(tmp_path.iterdir()) == []


def test_an_interface_that_is_not_there(slurm, study):
    with pytest.raises(InputError, match="options: .*ib7"):
        run_study(study(), profile(options={"interface": "ib7"}))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("config_name: nope", "KeyError: 'nope'"),
        ("log_directory: /proc/nope", "No such file or directory"),
        ("log_directory: p.yaml", "File exists"),
        ("scheduler_options: {nope: 1}", "unexpected keyword argument 'nope'"),
    ],
)
def test_options_that_dask_jobqueue_refuses(slurm, study, option, said):
    path = slurm / "p.yaml"
    before = {*slurm.iterdir(), path, slurm / "script.py", slurm / "study.yaml"}
    path.write_text(f"cluster: slurm\noptions:\n  {option}\n  cores: 1\n  memory: 1 GB\n")
    loaded = load_profile(path)
    match = rf"p\.yaml:2: options: dask-jobqueue makes no worker jobs? of them \(.*{said}.*; corr"
    with pytest.raises(InputError, match=match):
        run_study(study(), loaded)
    if "scheduler" not in option and said != "File exists":  # a job script has none
        with pytest.raises(InputError, match=match):
            job_script(loaded)
    assert {*slurm.iterdir()} == before


# the program, which says of what it waits for at its end, where it waits for what is not closed
WAITS_FOR = """
import atexit, sys
from distributed.deploy.spec import SpecCluster
from dask_espresso.__main__ import program
atexit.register(lambda: print([cluster.status.name for cluster in SpecCluster._instances]))
sys.exit(program())
"""


def test_a_port_that_is_in_use(slurm, study):
    path = slurm / "p.yaml"
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        path.write_text(
            "cluster: slurm\noptions:\n  cores: 1\n  memory: 1 GB\n"
            f"  scheduler_options:\n    dashboard: false\n    port: {port}\n"
        )
        study(1)
        run = [sys.executable, "-c", WAITS_FOR, "run", "study.yaml", "--profile", "p.yaml"]
        process = subprocess.run(run, capture_output=True, text=True, timeout=300)
    assert process.returncode == 2
    said = f"Error: p.yaml:7: options.scheduler_options.port: port {port} is in use on this machine"
    assert process.stderr.splitlines()[-1].startswith(said)
    assert process.stdout in ("['closed']\n", "[]\n")


def test_a_log_directory_that_is_only_looked_at_leaves_none_of_its_parents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"cores": 1, "memory": "1 GB", "log_directory": "a/b/c"}
    job_script(Profile(cluster="slurm", options=options))
    assert list(tmp_path.iterdir()) == []


# ---- a scheduler with TLS ------------------------------------------------------------------------


def test_a_scheduler_with_certificates(tmp_path, study, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study(2)
    with (
        temporary_security(tmp_path) as made,
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tls", security=made,
            **NO_PAGES,
        ) as running,
    ):  # fmt: skip
        assert running.scheduler_address.startswith("tls://")
        Path("p.yaml").write_text(f"cluster: {running.scheduler_address}\n")
        files = {"ca-file": made.tls_ca_file, "client.cert": made.tls_client_cert}
        files |= {"client.key": made.tls_client_key}
        configured = {f"distributed.comm.tls.{key}": path for key, path in files.items()}
        with dask.config.set(configured):
            for what in ("check", "run"):
                ended = CliRunner().invoke(main, [what, "study.yaml", "--profile=p.yaml"])
                assert ended.exit_code == 0, ended.output
        assert squares() == [0, 1]
        Path("s.h5").unlink()
        with pytest.raises(InputError) as refusal:
            run_study("study.yaml", "p.yaml", "s.h5")
        assert "p.yaml:1: cluster: is tls://" in str(refusal.value)
        assert "no certificates; set `ca-file`, `client.cert`" in str(refusal.value)
        with (
            dask.config.set(configured | {"distributed.comm.tls.ca-file": "/nope"}),
            pytest.raises(InputError, match="TLS files that cannot be used"),
        ):
            run_study("study.yaml", "p.yaml", "s.h5")
        assert not Path("s.h5").exists()


# the program, which waits for a scheduler less long than its users would
IMPATIENT = """
import sys
from dask_espresso.cluster import cluster
from dask_espresso.__main__ import program
cluster.CONNECT_TIMEOUT = 0.5
sys.exit(program())
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["run", "check"])
def test_an_address_where_no_scheduler_is(tmp_path, study, what):
    study(2)
    (tmp_path / "p.yaml").write_text("cluster: tcp://127.0.0.1:1\n")
    command = [sys.executable, "-c", IMPATIENT, what, "study.yaml", "--profile=p.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    said = done.stderr if what == "run" else done.stdout
    assert done.returncode == (2 if what == "run" else 1)
    assert "p.yaml:1: cluster: no Dask scheduler answers at tcp://127.0.0.1:1 (Timed" in said
    assert "Exception ignored" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_address_of_a_worker(study):
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", **NO_PAGES
    ) as running:  # fmt: skip
        (worker,) = running.workers.values()
        with pytest.raises(InputError, match="no Dask scheduler answers .*a worker does"):
            run_study(study(), Profile(cluster=worker.address))


# ---- more of job scripts -------------------------------------------------------------------------


def test_what_a_user_sets_goes_before_the_defaults():
    directives = {"getenv": "PATH", "environment": '"A=1"'}
    options = {"cores": 1, "memory": "1 GB", "disk": "1 GB", "log_directory": "mine"}
    options |= {"local_directory": "/scratch", "job_extra_directives": directives}
    found = job_script(Profile(cluster="htcondor", options=options))
    assert "getenv = PATH" in found
    assert 'environment = "A=1"' in found
    assert "DASK_ESPRESSO_JOB_ID" not in found
    assert "LogDirectory = mine" in found
    assert '--local-directory ""/scratch""' in found


def test_clusters_without_job_scripts():
    for cluster in ("local", "slurm-allocation"):
        options = {"cores": 1, "memory": "1 GB"} if cluster != "local" else {}
        with pytest.raises(
            InputError, match=f"'{cluster}' submits no jobs; one of slurm, htcondor"
        ):
            job_script(Profile(cluster=cluster, options=options))


# ---- a study -------------------------------------------------------------------------------------


def test_a_study_runs_and_leaves_nothing_behind(slurm, study, monkeypatch):
    """Also in a directory with a space, and where all of ``scheduler_options:`` is a comment."""
    (slurm / "my study").mkdir()
    monkeypatch.chdir(slurm / "my study")
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # of the driver
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "100")
    summary = run_study(study(), profile(options={"scheduler_options": None}))
    assert summary.exit_status == 0
    assert squares() == [0, 1, 4, 9, 16, 25]
    outcomes = read_store(Path("s.h5")).outcomes.values()
    assert {(o.job_id, o.n_ranks, o.memory_asked) for o in outcomes} == {("1", 1, 500_000_000)}
    cost = spending_report(Path("s.h5"), profile())
    assert (cost["jobs"]["count"], cost["suggested"]["cores of a job"]) == (1, 2)
    assert 0 < cost["jobs"]["used share"] < 1.000001
    assert (slurm / "leaked").read_text() == ""
    assert os.environ["SLURM_MEM_PER_CPU"] == "100"
    assert [path.name for path in Path().iterdir()] == ["s.h5"]
    wait_until_empty()


# a site's sbatch, a stranger's job, and modules of the user's own, as tests/clusters has them for
# real
BANNER = """
    echo "Project p0023565: 77 core hours left"
    echo "Submitted batch job quota: 77 left"
"""


@pytest.mark.parametrize("says", ["as usual", "nothing"])
def test_numbers_that_a_site_prints_are_no_jobs(slurm, study, says, monkeypatch):
    path = slurm / "programs/sbatch"
    own = (
        path.read_text() if says == "as usual" else path.read_text().replace("Submitted batch", "")
    )
    path.write_text(own.replace("#!/bin/bash\n", f"#!/bin/bash\n{textwrap.dedent(BANNER)}"))
    with (
        subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(stranger.kill)
        (slurm / "jobs/77").write_text(str(stranger.pid))
        (slurm / "names/77").write_text("a stranger's")
        for name in ("random", "queue", "socket"):
            (slurm / f"{name}.py").write_text("x = 1\n")
        for name in ("PARTITION", "ACCOUNT", "QOS"):
            monkeypatch.setenv(f"SBATCH_{name}", "urgent")
        monkeypatch.delenv("SLURM_JOB_ID", raising=False)
        options = {"queue": "normal", **NO_NANNY}
        assert run_study(study(2), profile(options=options)).exit_status == 0
        # the user's defaults reach the worker jobs, but not over the profile's own
        leaked = (slurm / "leaked").read_text().split()
        assert sorted(leaked) == ["SBATCH_ACCOUNT=urgent", "SBATCH_QOS=urgent"]
        assert "77" not in (slurm / "cancelled").read_text().split()
        assert stranger.poll() is None
    wait_until_empty()
    assert not roster_path(slurm / "s.h5").exists()


def wait_until_empty():
    end = time.monotonic() + 20
    while subprocess.run(["squeue"], capture_output=True, check=True).stdout:
        assert time.monotonic() < end, "jobs are left"
        time.sleep(0.2)


def test_a_cluster_that_gives_no_worker_ends_with_the_reason(slurm, study):
    (slurm / "refuse").write_text("sbatch: error: Batch job submission failed: Try later")
    with pytest.raises(
        ResumableError, match=r"no worker for 9\.. s .*submission failed: Try later"
    ):
        run_study(study(), profile(worker_timeout=9.1))
    assert ResumableError.exit_status == 75


def test_a_refusal_that_no_retry_mends_ends_the_run(slurm, study):
    (slurm / "refuse").write_text("sbatch: error: invalid partition specified: gpu")
    with pytest.raises(InputError, match=r"options: a worker job was .*: gpu; correct the option"):
        run_study(study(), profile())


def test_without_the_program_that_submits(slurm, study):
    (slurm / "programs/sbatch").unlink()
    os.environ["PATH"] = str(slurm / "programs")
    with pytest.raises(InputError, match=r"options: a worker job was refused: sbatch: .*; correct"):
        run_study(study(), profile())


@pytest.mark.slow
def test_a_refused_submission_is_tried_again(slurm, study):
    (slurm / "refuse").write_text("sbatch: error: partition is inactive")
    with subprocess.Popen(["/bin/sh", "-c", "sleep 3; rm refuse"]):
        assert run_study(study(), profile(options=NO_NANNY)).exit_status == 0
    assert squares() == [0, 1, 4, 9, 16, 25]


@pytest.mark.slow
def test_a_worker_leaves_before_its_job_ends_and_is_replaced(slurm, study):
    (slurm / "walltime").write_text("25")
    assert run_study(study(34), profile(options={"cores": 1})).exit_status == 0
    outcomes = read_store(Path("s.h5")).outcomes.values()
    assert squares() == sorted(i * i for i in range(34))
    assert len({o.job_id for o in outcomes}) >= 2
    assert not list(slurm.glob("jobs/*.name"))


def test_what_a_killed_driver_left_is_cancelled_but_no_stranger(slurm):
    with contextlib.ExitStack() as stack:
        for number, name in ((1, "ours"), (2, "of-another")):
            command = ["sleep", "600"]
            job = stack.enter_context(subprocess.Popen(command, start_new_session=True))
            stack.callback(job.kill)
            (slurm / f"jobs/{number}").write_text(str(job.pid))
            (slurm / f"names/{number}").write_text(name)
        with open_cluster(profile(), {"1": "ours", "2": "not-its-name", "77": "long-gone"}):
            pass
    assert (slurm / "cancelled").read_text().split() == ["1"]


def test_status_tells_of_the_jobs(slurm):
    roster = Roster((ListedJob("1", "a", "waiting", "Priority"), ListedJob("2", "b", "working")))
    assert roster.describe() == "jobs: 1 waiting (Priority), 1 working"
    write_roster(slurm / "s.h5", roster)
    assert '"reason": "Priority"' in roster_path(slurm / "s.h5").read_text()


# ---- walltime ------------------------------------------------------------------------------------


def test_a_worker_that_has_no_place_on_this_machine(tmp_path):
    (tmp_path / "file").touch()
    profile = Profile(options={"local_directory": str(tmp_path / "file")})
    with (
        pytest.raises(InputError, match="no worker can be started .* Not a directory"),
        open_cluster(profile),
    ):
        pass


def test_a_time_limit_longer_than_the_walltime_is_refused(slurm, study):
    short = profile(options={"walltime": "00:01:00"})
    with pytest.raises(
        InputError, match=r"end after 1 min 0 s, .* may take 10 min 0 s: none could"
    ):
        run_study(study(time_limit="10 min"), short)
    assert not (slurm / "s.h5").exists()


@pytest.mark.parametrize(
    ("left", "needs", "fits"),
    [
        (100, 0, True),
        (100, 80, True),
        (100, 95, False),
        (5, 0, False),
        (3590, 5000, True),  # it took all of a job before: it may start in a fresh one
        (1800, 5000, False),
    ],
)
def test_a_simulation_starts_only_where_it_can_end(monkeypatch, left, needs, fits):
    now = time.time()
    monkeypatch.setenv("SLURM_JOB_START_TIME", str(int(now + left - 3600)))
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(now + left)))
    assert has_time_for(needs, None) is fits


def test_walltime_where_the_job_does_not_know_its_end(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    age = time.time() - _job_start()
    assert has_time_for(1e9, None)
    assert has_time_for(20, age + 40)
    assert not has_time_for(20, age + 25)


@pytest.mark.parametrize(
    ("cluster", "options", "walltime"),
    [
        ("slurm", {"walltime": "01:00:00"}, 3600),
        ("slurm", {}, 1800),  # dask-jobqueue's own default
        ("slurm", {"walltime": "1-00"}, 86400),
        ("slurm-allocation", {"walltime": "1-00"}, None),  # its end is asked for
        ("htcondor", {}, None),
        ("htcondor", {"job_extra_directives": {"allowed_job_duration": 600}}, 600),
        ("htcondor", {"job_extra_directives": {"+MaxRuntime": "7200"}}, 7200),
    ],
)
def test_walltime_of_a_profile(cluster, options, walltime):
    options = {"cores": 1, "memory": "1 GB", **options}
    if cluster == "htcondor":
        options["disk"] = "1 GB"
    assert Profile(cluster=cluster, options=options).walltime == walltime


def test_worker_timeout_in_a_file(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("cluster: local\nworker_timeout: 2 h\n")
    assert load_profile(path).worker_timeout == 7200
    path.write_text("cluster: local\nworker_timeout: soon\n")
    with pytest.raises(InputError, match=r"p\.yaml.*2.*worker_timeout.*is no length of time"):
        load_profile(path)


# ---- inside an allocation ------------------------------------------------------------------------


def test_an_allocation_is_needed(monkeypatch, study):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match="is for a driver inside a Slurm job"):
        run_study(study(), profile(cluster="slurm-allocation"))


@pytest.mark.slow
def test_a_study_inside_an_allocation(slurm, study, monkeypatch):
    srun = slurm / "programs" / "srun"
    srun.write_text(
        f'#!/bin/bash\necho "$@" >> {slurm}/srun\n'
        'while [[ $1 == --* ]]; do shift; done\nexec "$@"\n'
    )
    srun.chmod(0o755)
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    inside = profile(cluster="slurm-allocation", jobs=2, options=NO_NANNY)
    assert run_study(study(), inside).exit_status == 0
    assert squares() == [0, 1, 4, 9, 16, 25]
    started = (slurm / "srun").read_text().splitlines()
    assert len(started) == 2
    assert "--jobid=42" in started[0]
    assert "--cpus-per-task=2" in started[0]
    assert sys.executable in started[0]
