"""The driver's own job: what is written, how it is submitted, what the written script does."""

import os
import re
import shlex
import signal
import subprocess
import textwrap
import time
import types
from pathlib import Path

import dask
import pytest
from click.testing import CliRunner

from dask_espresso import load_profile
from dask_espresso.cli import main
from dask_espresso.cluster.submission import driver_job
from dask_espresso.errors import InputError
from dask_espresso.inputs.profile import Jobs, Profile
from dask_espresso.safe_path import safe_code
from dask_espresso.systems.htcondor import _arguments
from dask_espresso.systems.table import SYSTEMS

GOLDEN = Path(__file__).parents[1] / "golden"
START = safe_code("__main__", "program")
PYTHON = "/home/me/v env/bin/python"
OPTIONS = {"cores": 3, "memory": "8 GB", "queue": "normal", "account": "me", "walltime": "02:00:00"}
CONDOR = {"cores": 4, "memory": "8 GB", "disk": "1 GB"}
ARGUMENTS = ["my study.yaml", "--profile", "p.yaml", "--set", """label=it's "a" $(b)"""]

STUDY = """
    name: s
    engine: python
    script: echo
    parameters: {x: [1, 2], label: abc}
"""
PROFILES = {
    "slurm.yaml": "cluster: slurm\noptions: {cores: 2, memory: 1 GB}\n",
    "htcondor.yaml": "cluster: htcondor\noptions: {cores: 1, memory: 1 GB, disk: 1 GB}\n",
}


def profile(**changes):
    return Profile(**{"cluster": "slurm", "jobs": 4, "options": OPTIONS, **changes})


def directives(**changes):
    text = driver_job("lj", profile(**changes), []).text
    return re.findall(r"^#SBATCH (.*)$", text, re.MULTILINE)


@pytest.fixture
def use_python(monkeypatch):
    """Have this module alone see another Python."""

    def use(path):
        seen = types.SimpleNamespace(executable=str(path))
        monkeypatch.setattr("dask_espresso.cluster.submission.sys", seen)

    return use


# ---- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize("cluster", ["slurm", "slurm-allocation", "htcondor"])
def test_job_files(cluster, use_python):
    use_python(PYTHON)
    more = {
        "slurm": {"driver": ["--time=7-00:00:00", "--qos=long"]},
        "slurm-allocation": {"options": OPTIONS | {"job_extra_directives": ["--constraint=skl"]}},
        "htcondor": {"options": CONDOR, "driver": {"accounting_group": "physics", "+Long": True}},
    }
    job = driver_job("lj", profile(cluster=cluster, **more[cluster]), ARGUMENTS)
    assert job.text == (GOLDEN / f"driver.{cluster}").read_text()


def test_no_option_becomes_a_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(textwrap.dedent(STUDY))
    queue = r'"n\ntouch pwned; exit 0 #"'
    (tmp_path / "p.yaml").write_text(PROFILES["slurm.yaml"].replace("}", f", queue: {queue}}}"))
    arguments = ["submit", "study.yaml", "--profile", "p.yaml", "--dry-run"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "pwned" not in result.stdout


def test_nothing_of_the_workers_where_they_have_nothing():
    given = directives(options={"cores": 1, "memory": "1 GB", "queue": None})
    assert not [d for d in given if "--partition" in d or "--account" in d]
    assert "--mem=2G" in given


@pytest.mark.parametrize(
    ("driver", "replaced"),
    [
        (["--time=1:00"], {"--time=24:00:00"}),
        (["-t 1:00", "-p long"], {"--time=24:00:00", "--partition=normal"}),
        (["-plong"], {"--partition=normal"}),
        (["--mem-per-cpu=1G"], {"--mem=2G"}),
        (["-o other-%j.txt"], {"--output=dask-espresso-%j.log"}),
        (["--account=you --job-name=mine"], {"--account=me", "--job-name=lj"}),
        (["--nice"], set()),
    ],
)
def test_what_the_profile_has_for_the_driver_replaces_the_rest(driver, replaced):
    given = directives(driver=driver)
    assert given == [d for d in directives() if d not in replaced] + driver
    assert replaced < set(directives())


def test_what_a_site_refuses_is_left_out():
    options = OPTIONS | {"job_directives_skip": ["--mem", "-A", "#SBATCH -t"]}
    assert not [d for d in directives(options=options) if re.match("--(mem|account|time)", d)]
    options = OPTIONS | {"job_directives_skip": ["-o"]}
    assert driver_job("lj", profile(options=options), []).log_of("3") == "slurm-3.out"


def test_defaults_of_a_site_in_dask_s_configuration():
    site = {"jobqueue.slurm.queue": "site", "jobqueue.slurm.account": "a b"}
    with dask.config.set(site):
        given = directives(options={"cores": 1, "memory": "1 GB", "queue": "mine"})
    assert "--partition=mine" in given
    assert "--account='a b'" in given


def test_allocation_of_a_range_has_room_for_the_most():
    options = {"cores": 3, "memory": "1 GB", "walltime": "01:00:00"}
    given = directives(cluster="slurm-allocation", jobs=Jobs(1, 5), options=options)
    for expected in ("--ntasks=5", "--cpus-per-task=3", "--mem-per-cpu=318M", "--time=01:00:00"):
        assert expected in given
    assert "--mem=2G" not in given
    with dask.config.set({"jobqueue.slurm.walltime": None}):
        given = directives(cluster="slurm-allocation", options={"cores": 1, "memory": "1 GB"})
    assert "--time=24:00:00" in given


def test_htcondor_driver_has_the_environment_that_its_workers_want():
    directives = {"GetEnv": "True", "+Other": 1}
    plain = driver_job("lj", profile(cluster="htcondor", options=CONDOR), []).text
    options = CONDOR | {"job_extra_directives": directives}
    text = driver_job("lj", profile(cluster="htcondor", options=options), []).text
    added = [line for line in text.splitlines() if line not in plain.splitlines()]
    assert [line.split() for line in added] == [["GetEnv", "=", "True"]]
    assert text.splitlines()[-1] == "queue"


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("a=b", "a=b"),
        ("", "''"),
        ("a b", "'a b'"),
        ("it's", "'it''s'"),
        ('say "x"', """'say ""x""'"""),
        ("$(x) $$(y)", "'$(DOLLAR)(x) $$(DOLLARDOLLAR)(y)'"),
        ("é", "é"),
    ],
)
def test_htcondor_arguments(word, written):
    assert _arguments(["run", word]) == f'"run {written}"'


def test_htcondor_takes_no_line_break():
    with pytest.raises(InputError, match=r"'a\\nb' has a line break.*; write it into the study"):
        driver_job("lj", profile(cluster="htcondor", options=CONDOR), ["--set", "a\nb"])


@pytest.mark.parametrize("cluster", ["local", "tcp://a:1", "pbs", "sge", "lsf", "oar", "moab"])
def test_other_clusters(cluster):
    options = {"cores": 1, "memory": "1 GB"} if cluster in SYSTEMS else {}
    with pytest.raises(InputError) as caught:
        driver_job("lj", Profile(cluster=cluster, options=options), [])
    assert str(caught.value) == (
        f"no profile given: cluster: is {cluster!r}, but drivers are submitted to slurm, "
        "slurm-allocation, htcondor; name a profile of one of these, or put "
        "`dask-espresso run …` into a job script of your own"
    )


# ---- the key in the profile ----------------------------------------------------------------------

SLURM_FILE = "cluster: slurm\noptions: {cores: 4, memory: 8 GB}\n"
CONDOR_FILE = "cluster: htcondor\noptions: {cores: 4, memory: 8 GB, disk: 1 GB}\n"


@pytest.mark.parametrize(
    ("text", "place", "wrong", "remedy"),
    [
        (SLURM_FILE + "driver: --time=1", "3: driver", "must be a list", "`- text`"),
        (SLURM_FILE + "driver: {time: 1}", "3: driver", "must be a list", "`- text`"),
        (SLURM_FILE + "driver:\n- -t1\n- 3", "5: driver[1]", "the number 3 but", "in quotes"),
        (SLURM_FILE + "driver: [time=1]", "3: driver[0]", "is no option of sbatch", "--time=7-"),
        (SLURM_FILE + 'driver: ["-t\\n1"]', "3: driver[0]", "is no option of sbatch", "--time=7-"),
        (CONDOR_FILE + "driver: [a]", "3: driver", "must be a mapping", "`key: value` lines"),
        (CONDOR_FILE + "driver: {a: [1]}", "3: driver.a", "a list but must be one", "in quotes"),
        (CONDOR_FILE + 'driver: {a: "1\\n2"}', "3: driver.a", "must be one line", "remove the"),
        (CONDOR_FILE + "driver: {a: }", "3: driver.a", "nothing but must be one", "in quotes"),
        ("driver: [-t1]", "1: driver", "no effect on cluster 'local'", "remove it"),
        ("cluster: tcp://a:1\ndriver: [-t1]", "2: driver", "no effect on", "remove it"),
        (SLURM_FILE.replace("slurm", "pbs") + "driver: [-t1]", "3: driver", "no eff", "slurm"),
    ],
)
def test_wrong_driver(tmp_path, text, place, wrong, remedy):
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_profile(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{place}: ")
    assert wrong in message
    assert remedy in message.split("; ", 1)[1]


@pytest.mark.parametrize("text", [SLURM_FILE, CONDOR_FILE, "cluster: local\n"])
def test_driver_with_everything_commented_out(tmp_path, text):
    path = tmp_path / "profile.yaml"
    path.write_text(f"{text}driver:\n  # - --time=1\n")
    assert load_profile(path).driver is None


# ---- submitting ----------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch, study_file):
    monkeypatch.chdir(tmp_path)
    study_file(STUDY)
    for name, text in PROFILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def program(here, monkeypatch):
    """Put a program into a PATH that has nothing else."""
    monkeypatch.setenv("PATH", str(here / "programs"))
    (here / "programs").mkdir()

    def write(name, text):
        path = here / "programs" / name
        path.write_text(f"#!/bin/bash\n{textwrap.dedent(text)}")
        path.chmod(0o755)
        return path

    return write


def submit(*arguments, status=0):
    result = CliRunner().invoke(main, ["submit", *arguments])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result.output


def test_submit_to_slurm(here, program, monkeypatch):
    program("sbatch", 'echo "$PWD" "$@" > called; echo \'Submitted batch job 12 on cluster a\'')
    output = submit(
        "study.yaml", "--profile", "slurm.yaml", "--set", "label=a b", "--set", "x=[3]",
        "--store", "other.h5", "--retry-failed", "--changed-script", "keep",
        "--where", "x < 9", "--status", "timed out",
    )  # fmt: skip
    assert output.splitlines() == [
        "submitted job 12: s.sbatch",
        "watch it: squeue --job 12; dask-espresso status other.h5",
        "its log:  dask-espresso-12.log",
        "stop it:  scancel 12; submitting it again goes on",
    ]
    assert (here / "called").read_text() == f"{here} s.sbatch\n"
    assert (
        "run study.yaml --profile slurm.yaml --store other.h5 --set 'label=a b' --set 'x=[3]' "
        "--retry-failed --changed-script keep --where 'x < 9' --status 'timed out')\n"
    ) in (here / "s.sbatch").read_text()


NO_JOB = "Error: sbatch took s.sbatch but named no job"


@pytest.mark.parametrize(
    ("says", "queue", "said"),
    [
        ("11 12", "11|R|theirs|\\n12|PD|s|None", "submitted job 12"),
        ("12 11", "11|R|theirs|\\n12|PD|s|None\\n13|R|s|None", "submitted job 12"),
        ("12 11", "11|R|theirs|\\n13|PD|s|None", "submitted job 13"),
        ("12 11", "11|R|theirs|\\n13|PD|s|None\\n14|R|s|None", "submitted job 12"),
        ("12 11", "11|R|theirs|\\n12|PD|theirs|None", NO_JOB),
        ("11", "11|R|theirs|", NO_JOB),
        ("11", "11|R|theirs|\\n13|PD|s|None", "submitted job 13"),
        ("11", "", "submitted job 11"),  # it is over
    ],
)
def test_a_program_that_says_the_id_of_a_stranger_s_job(here, program, says, queue, said):
    program("sbatch", f"for id in {says}; do echo Submitted batch job $id; done")
    program("squeue", f"printf '{queue}\\n'")
    status = 0 if "submitted" in said else 2
    assert submit("study.yaml", "--profile", "slurm.yaml", status=status).startswith(said)


def test_submit_to_htcondor(here, program):
    program("condor_submit", "echo 'Submitting job(s).'; echo '1 job(s) submitted to cluster 7.'")
    output = submit("study.yaml", "--profile", "htcondor.yaml")
    assert output.splitlines() == [
        "submitted job 7: s.sub",
        "watch it: condor_q 7; dask-espresso status s.h5",
        "its log:  dask-espresso-7.err",
        "stop it:  condor_rm 7; submitting it again goes on",
    ]
    assert f"\"-c '{START}' run study.yaml --profile htcondor.yaml\"" in Path("s.sub").read_text()


def test_log_of_the_user_s_choice(here, program):
    program("sbatch", "echo Submitted batch job 12")
    (here / "slurm.yaml").write_text(PROFILES["slurm.yaml"] + "driver: ['-o logs/%j.txt']")
    assert "its log:  logs/12.txt\n" in submit("study.yaml", "--profile", "slurm.yaml")


def test_a_job_s_own_settings_do_not_reach_the_driver_s(here, program, monkeypatch):
    for name in ("SLURM_JOB_ID", "SBATCH_TIMELIMIT", "SLURM_CONF", "MINE"):
        monkeypatch.setenv(name, "1")
    program("sbatch", "export > environment; echo Submitted batch job 12")
    submit("study.yaml", "--profile", "slurm.yaml")
    seen = set(re.findall(r"declare -x (\w+)", (here / "environment").read_text()))
    assert {"SLURM_CONF", "MINE"} <= seen
    assert not {"SLURM_JOB_ID", "SBATCH_TIMELIMIT"} & seen


@pytest.mark.parametrize(
    ("name", "path", "command"),
    [
        ("slurm.yaml", "s.sbatch", "sbatch s.sbatch"),
        ("htcondor.yaml", "s.sub", "condor_submit s.sub"),
    ],
)
def test_dry_run_touches_nothing(here, program, name, path, command):
    before = sorted(here.iterdir())
    output = submit("study.yaml", "--profile", name, "--dry-run")
    assert output.endswith(f"\n\n{path} would be submitted with: {command}\n")
    assert " run study.yaml --profile" in output
    assert sorted(here.iterdir()) == before


def test_again_and_over_what_somebody_else_wrote(here, program):
    program("sbatch", "echo Submitted batch job 12")
    for _ in range(2):
        submit("study.yaml", "--profile", "slurm.yaml")
    (here / "s.sbatch").write_text("mine")
    assert submit("study.yaml", "--profile", "slurm.yaml", status=2) == (
        "Error: s.sbatch: is there already, and not from `dask-espresso submit`; "
        "rename it, or submit from another directory\n"
    )
    assert (here / "s.sbatch").read_text() == "mine"


def test_no_such_program(here, program):
    assert submit("study.yaml", "--profile", "htcondor.yaml", status=2) == (
        "Error: condor_submit: is not there (looked in PATH); submit where the batch system is, "
        "load its module, or see the job with --dry-run\n"
    )
    assert not (here / "s.sub").exists()


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo 'sbatch: error: no' >&2; echo way >&2; exit 1", "sbatch: error: no way"),
        ("echo closed; exit 3", "closed"),
        ("exit 3", "exit code 3"),
    ],
)
def test_refused(here, program, does, said):
    program("sbatch", does)
    assert submit("study.yaml", "--profile", "slurm.yaml", status=2) == (
        f"Error: sbatch refused s.sbatch: {said}; correct `options` or `driver` in the profile, "
        "and submit again\n"
    )


def test_no_job_id(here, program):
    program("sbatch", "echo fine")
    assert submit("study.yaml", "--profile", "slurm.yaml", status=2) == (
        "Error: sbatch took s.sbatch but named no job (fine); look for it with squeue\n"
    )


def test_directory_that_cannot_be_written(here, program):
    program("sbatch", "echo Submitted batch job 12")
    (here / "s.sbatch").mkdir()
    assert submit("study.yaml", "--profile", "slurm.yaml", status=2) == (
        "Error: s.sbatch: cannot be written (Is a directory); submit from a directory where "
        "files can be made: results and logs go there too\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.yaml", "--profile", "slurm.yaml"], "no.yaml: is not there"),
        (["study.yaml", "--profile", "no.yaml"], "no.yaml: is not there"),
        (["study.yaml"], "no profile given: cluster: is 'local', but drivers"),
        (["study.yaml", "--profile", "slurm.yaml", "--set", "y=1"], "--set y=1"),
        (["study.yaml", "--profile", "slurm.yaml", "--store", "s.csv"], "ends in .h5"),
    ],
)
def test_wrong_input_is_said_at_once(here, program, arguments, message):
    program("sbatch", "touch called")
    assert message in submit(*arguments, status=2)
    assert not (here / "called").exists()
    assert not (here / "s.sbatch").exists()


def test_unknown_engine_is_said_at_once(here, program, study_file):
    study_file(STUDY.replace("engine: python", "engine: mine"))
    output = submit("study.yaml", "--profile", "slurm.yaml", status=2)
    assert "slurm.yaml: unknown engine 'mine'" in output


# ---- what the Slurm job does ---------------------------------------------------------------------

# a driver that says what it gets, and ends at a signal with the exit status of its first argument
DRIVER = """
    printf '[%s]' "$@" > arguments
    trap 'echo USR1 >> got; sleep 0.5; exit $4' USR1
    trap 'echo TERM >> got; sleep 0.5; exit $4' TERM
    touch started
    while :; do sleep 0.05; done
"""


@pytest.fixture
def job(here, program, monkeypatch, use_python):
    """Run the written script as Slurm would; give its process."""
    use_python(program("my python", DRIVER))
    program("scontrol", 'echo "$@" > requeued')
    monkeypatch.setenv("PATH", f"{here / 'programs'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    started = []

    def start(*arguments):
        (here / "s.sbatch").write_text(driver_job("s", profile(), arguments).text)
        process = subprocess.Popen(["bash", "s.sbatch"], start_new_session=True)
        started.append(process)
        while not (here / "started").exists():
            time.sleep(0.02)
        time.sleep(0.1)  # until the script waits for it
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def read(name):
    return Path(name).read_text().split() if Path(name).exists() else []


def test_arguments_arrive_as_they_are(job):
    process = job("0", "my study.yaml", "--set", 'label=it\'s "a" $(b) `c`\nd')
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
    expected = '[run][0][my study.yaml][--set][label=it\'s "a" $(b) `c`\nd]'
    assert Path("arguments").read_text() == f"[-c][{START}]{expected}"


@pytest.mark.parametrize(
    ("status", "requeued"), [(75, ["requeue", "12"]), (0, []), (1, []), (2, [])]
)
def test_before_the_walltime_an_unfinished_driver_goes_back_into_the_queue(job, status, requeued):
    process = job(str(status))
    process.send_signal(signal.SIGUSR1)  # as with --signal=B:, to the shell alone
    assert process.wait(60) == status
    assert read("got") == ["USR1"]
    assert read("requeued") == requeued


@pytest.mark.parametrize("status", [75, 0])
def test_cancelled_for_good(job, status):
    process = job(str(status))
    os.killpg(process.pid, signal.SIGTERM)  # as scancel does
    assert process.wait(60) == status
    assert read("got") == ["TERM"]
    assert read("requeued") == []


def test_a_driver_that_stops_by_itself_is_not_started_again(job, here, program):
    program("my python", "touch started; exit 75")
    assert job().wait(60) == 75
    assert read("requeued") == []


def test_a_driver_killed_after_the_warning_is_not_started_again(job):
    process = job("75")
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    )
    os.kill(int(children.stdout), signal.SIGKILL)
    assert process.wait(60) == 128 + signal.SIGKILL
    assert read("requeued") == []


def test_template_by_hand(here, program, monkeypatch):
    program("dask-espresso", "printf '[%s]' \"$@\"")
    template = Path(__file__).parents[2] / "slurm" / "driver.sbatch"

    def run(*arguments):
        return subprocess.run(
            ["/bin/bash", template, *arguments], capture_output=True, text=True, check=False
        )

    done = run("my study.yaml", "p.yaml", "--set", "label=a b")
    assert done.stdout == "[run][my study.yaml][--profile][p.yaml][--set][label=a b]"
    for arguments in ([], ["my study.yaml"]):
        done = run(*arguments)
        assert done.returncode != 0
        assert done.stdout == ""
        assert "give " in done.stderr


def test_shell_takes_apart_what_was_put_together():
    text = driver_job("lj", profile(), ARGUMENTS).text
    words = shlex.split(re.search(r"^driver=\((.*)\)$", text, re.MULTILINE)[1])
    assert words[-len(ARGUMENTS) :] == ARGUMENTS
