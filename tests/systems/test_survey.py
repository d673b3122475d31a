"""What is found out of a cluster, by programs that print what the real ones do, and its profile."""

import json
import os
import pwd
import re

import pytest

from dask_espresso.cluster.worker_jobs import job_script
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.surveyed import surveyed_profile
from dask_espresso.starter import PROFILES
from dask_espresso.systems import htcondor_survey, slurm_survey
from dask_espresso.systems.system import System
from dask_espresso.systems.table import system_of

ME = pwd.getpwuid(os.getuid()).pw_name
SINFO = """\
Welcome to the cluster
fat|fat|up|2-00:00:00|128|1031000|2|1/0/1/2
normal|normal*|up|30:00|48|191000|1|300/20/0/320
normal|normal*|up|30:00|64|515000|1|0/40/4/44
old|old|down|infinite|16|64000|1|0/8/0/8
long|long|up|infinite|48|191000|1|10/2/0/12
"""
NO_ACCOUNTING = (
    "echo 'You are not running a supported accounting_storage plugin' >&2\n"
    "echo \"Only 'accounting_storage/slurmdbd' is supported.\" >&2\n"
    "exit 1\n"
)
ONE = "physics|alpha||\n"
SEVERAL = "0123|alpha||1-00:00:00\n0123|alpha|fat|2:00:00\nchem|alpha|fat|\non|alpha||00:20:00\n"
TWO_CLUSTERS = "physics|alpha||\nphysics|beta||\nchem|beta||\n"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Make programs of the shell; there are no others."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def make(**texts):
        for name, text in texts.items():
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/sh\n{text}")
            path.chmod(0o755)

    return make


def says(text):
    return f"/bin/cat <<'END'\n{text.rstrip()}\nEND\n" if text else ""


def sacctmgr(associations, default):
    """Say accounts, and the default one, to who asks for these columns of this user."""
    return (
        'case "$*" in\n'
        f"*' show associations user={ME} format=Account,Cluster,Partition,MaxWall')\n"
        f"{says(associations)};;\n"
        f"*' show user name={ME} format=DefaultAccount')\n{says(default)};;\n"
        "*) exit 3;; esac\n"
    )


@pytest.fixture
def profile_of(tmp_path):
    """Make the profile, have the project read it, and give it with its text and its job."""

    def make(cluster):
        path = tmp_path / "profile.yaml"
        text, said = surveyed_profile(cluster)
        path.write_text(text)
        profile = load_profile(path)
        return profile, text, said, job_script(profile)

    return make


def comments(text):
    """Give what stands in comments, without their line breaks."""
    return " ".join(re.sub(r"(?m)^ *#", " ", text).split())


def test_who_can_be_asked_has_a_template():
    with_survey = [name for name in PROFILES if name != "local"]
    assert all(type(system_of(name)).survey is not System.survey for name in with_survey)
    assert system_of("pbs").survey() == {}


def test_slurm(programs, profile_of):
    programs(sinfo=says(SINFO), sacctmgr=sacctmgr(SEVERAL, "0123"))
    profile, text, said, job = profile_of("slurm")
    options = {"queue": "normal", "cores": 48, "memory": "186 GiB", "account": "0123"}
    assert profile.options.items() >= options.items()
    assert profile.walltime == 1800
    assert "#SBATCH --mem=186G\n" in job
    assert said == (
        "slurm: cores 48, memory 186 GiB, walltime 00:30:00, queue normal, account 0123"
    )
    told = comments(text)
    for note in (
        "the default partition: jobs of up to 30:00; 320 nodes with 48 CPUs and 186 GiB, "
        "40 of 44 nodes up, with 64 CPUs and 502 GiB",
        'queue: "long" no time limit; 12 nodes with 48 CPUs and 186 GiB',
        'queue: "old" down; no time limit; 8 nodes with 16 CPUs and 62 GiB',
        'queue: "fat" jobs of up to 2-00:00:00; 1 of 2 nodes up, with 128 CPUs '
        "(2 hardware threads a core) and 1006 GiB",
        "at most 30:00 in normal",
        "your default; jobs of up to 2:00:00",
        'account: "chem" only for fat',
        'account: "on" jobs of up to 00:20:00',
    ):
        assert note in told, note
    assert "Welcome" not in text
    # each of the alternatives can be taken as it stands
    for option, value in re.findall(r"^  # (queue|account): (\".*\")$", text, re.MULTILINE):
        other = re.sub(rf"(?m)^  {option}: .*$", f"  {option}: {value}", text)
        assert json.loads(value) in other


@pytest.mark.parametrize(
    ("sinfo", "chosen", "note"),
    [
        ("a|a|up|infinite|8|16000|1|1/0/0/1\n", ("a", 8, 3600), "the only one: no time limit"),
        ("a|a*|up|1:00|8|16000|2|1/0/0/1\n", ("a", 8, 60), "4 as many as the node has cores"),
        ("a|a*|drain|1:00|8|16000|1|1/0/0/1\nb|b|up|infinite|4|900|1|1/0/0/1\n", ("b", 4, 3600),
         "the default, a, is not up, and this one has the most nodes"),
        ("a|a|up|1:00|8|16000|1|1/0/0/1\nb|b|up|n/a|4|900|1|0/2/0/2\n", ("b", 4, 3600),
         "there is no default partition, and this one has the most nodes: jobs of up to n/a"),
        ("a|a*|up|infinite|8+|16000+|1+|2/0/0/2\n", ("a", 8, 3600), "without a limit"),
        ("a|a*|up|infinite|8|1|1|2/0/0/2\n", ("a", 8, 3600), "does not count memory"),
        ("a|a*|up|infinite|8|16000|1|0/0/2/2\n", (None, 16, 3600), "of any partition is up"),
        ("", (None, 16, 3600), "sinfo: lists no partition"),
        ("No\x1b[1m partition\n", (None, 16, 3600), "sinfo: lists no partition"),
    ],
)  # fmt: skip
def test_partitions(programs, profile_of, sinfo, chosen, note):
    programs(sinfo=says(sinfo), sacctmgr=NO_ACCOUNTING)
    profile, text, _, _ = profile_of("slurm")
    options = profile.options
    assert (options.get("queue"), options["cores"], profile.walltime) == chosen
    assert note in comments(text)


@pytest.mark.parametrize(
    ("said", "account", "note"),
    [
        (sacctmgr(ONE, "physics"), "physics", "your default"),
        (sacctmgr(ONE, ""), "physics", "the only one of yours"),
        (sacctmgr(SEVERAL, ""), None, "no account is your default here: choose one"),
        (sacctmgr(SEVERAL, "chem"), None, "no account is your default here"),  # it is for fat
        (sacctmgr(TWO_CLUSTERS, "chem"), "chem", "your default; on beta"),
        (sacctmgr("", ""), None, f"not found out (sacctmgr: has no account of {ME})"),
        (NO_ACCOUNTING, None, "Only 'accounting_storage/slurmdbd' is supported.)"),
        ("exec /bin/sleep 60\n", None, "sacctmgr: no answer in 0.5 s"),
    ],
    ids=range(8),
)  # fmt: skip
def test_accounts(programs, profile_of, monkeypatch, said, account, note):
    if "sleep" in said:
        monkeypatch.setattr(slurm_survey, "PATIENCE", 0.5)
    programs(sinfo=says(SINFO), sacctmgr=said)
    profile, text, summary, _ = profile_of("slurm")
    assert profile.options.get("account") == account
    assert profile.options["queue"] == "normal"
    assert note in comments(text)
    assert ("account" in summary.partition("; not found out")[2]) == (account is None)


def test_nobody_answers(programs, profile_of):
    """What came with the package stays, and says so."""
    for cluster, program in (("slurm", "sinfo"), ("htcondor", "condor_status")):
        profile, text, said, _ = profile_of(cluster)
        assert profile.options == load_profile(cluster).options
        assert said.startswith(
            f"{cluster}: nothing was found out; not found out, or to be chosen: "
        )
        found = f"not found out ({program}: No such file or directory): as in the template"
        assert comments(text).count(found) >= 3
    assert "condor_config_val: No such file" in comments(text)


def slot(cpus, memory, disk, kind="Partitionable"):
    mine = {"TotalSlotCpus": cpus, "TotalSlotMemory": memory, "TotalSlotDisk": disk * 1024.0 + 0.7}
    return mine if kind != "Offline" else {}


CONFIGURATION = """\
case "$1" in
GROUP_NAMES) echo 'group_physics, group_chem.md' ;;
SYSTEM_PERIODIC_REMOVE) echo '(JobStatus == 2) && (time() - EnteredCurrentStatus > 259200)' ;;
*) echo "Not defined: $1" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("slots", "chosen", "note"),
    [
        ([slot(64, 256000, 900000)] * 3 + [slot(2, 4000, 20000)] * 9, (4, "15 GiB", "2 GiB"),
         "3 of 12 slots; the pool has 3 slots with 64 cores, 250 GiB and 878 GiB of disk, 9 slots"),
        ([slot(1, 2000, 900)] * 8 + [slot(4, 4000, 20000)], (1, "1 GiB", "900 MiB"),
         "room for a job of this size: 9 of 9 slots"),
        ([slot(4, 500, 5000), slot(0, 0, 0), slot(1, 1, 1, "Offline")], (4, "500 MiB", "2 GiB"),
         "1 of 1 slot"),
        ([slot(n, 1000 * n, 5000) for n in range(1, 10)], (4, "3 GiB", "1 GiB"),
         "and 3 slots of other kinds"),
        ([], (4, "8 GB", "2 GB"), "condor_status: lists no slot"),
        ([{**slot(1, 2, 3), "TotalSlotCpus": "undefined"}], (4, "8 GB", "2 GB"), "not understood"),
    ],
)  # fmt: skip
def test_htcondor(programs, profile_of, slots, chosen, note):
    said = says(json.dumps(slots, indent=2)) if slots else ""
    programs(
        condor_status=f"echo Welcome\n{said}" if slots else "", condor_config_val=CONFIGURATION
    )
    profile, text, _, job = profile_of("htcondor")
    options = profile.options
    assert (options["cores"], options["memory"], options["disk"]) == chosen
    assert f"MY.DaskWorkerCores = {chosen[0]}\n" in job
    told = comments(text)
    for said in (
        note,
        "SYSTEM_PERIODIC_REMOVE is (JobStatus == 2) && (time() - EnteredCurrentStatus > 259200)",
        "condor_config_val: Not defined: SYSTEM_PERIODIC_HOLD",
    ):
        assert said in told, said
    for group in ("group_physics", "group_chem.md"):
        assert f'\n    # accounting_group: "{group}"\n' in text


def test_a_pool_that_does_not_answer(programs, profile_of, monkeypatch):
    monkeypatch.setattr(htcondor_survey, "PATIENCE", 0.5)
    programs(condor_status="exec /bin/sleep 60\n", condor_config_val="exec /bin/sleep 60\n")
    _, text, _, _ = profile_of("htcondor")
    assert "condor_status: no answer in 0.5 s" in comments(text)
    assert "condor_config_val: no answer in 0.5 s" in comments(text)


def test_init_writes_it(programs, tmp_path):
    from click.testing import CliRunner

    from dask_espresso.cli import main

    programs(sinfo=says(SINFO), sacctmgr=sacctmgr(ONE, "physics"))
    place = str(tmp_path / "new")
    words = ["init", place, "--template", "sweep", "--profile", "slurm"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "\nprofile   slurm: cores 48, memory 186 GiB" in result.output
    commands = re.findall(r"^  dask-espresso (\S+)", result.output, re.MULTILINE)
    assert commands == ["try", "job-script", "check", "submit", "plot"]
    assert load_profile(tmp_path / "new/profile.yaml").options["account"] == "physics"
