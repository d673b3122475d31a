"""What becomes of a profile's options and directives, before any job is submitted."""

import shlex
from pathlib import Path

import dask
import pytest

from dask_espresso.cluster.worker_jobs import batch_system, job_script
from dask_espresso.driver import check_time_limit
from dask_espresso.errors import InputError
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.study import load_study
from dask_espresso.systems.sbatch import settings

SLURM = "cluster: slurm\noptions:\n  cores: 4\n  memory: 8 GB\n"
PBS, SGE, LSF, OAR = (SLURM.replace("slurm", name) for name in ("pbs", "sge", "lsf", "oar"))
CONDOR = SLURM.replace("slurm", "htcondor") + "  disk: 1 GB\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch/me")

    def load(text):
        path = tmp_path / "profile.yaml"
        path.write_text(text)
        return load_profile(path)

    return load


def directives(*lines):
    return f"  job_extra_directives: {[*lines]!r}\n"


# ---- said twice ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directive", "found"),
    [
        ("-t 02:00:00 --part=long", [("--time", "02:00:00"), ("--partition", "long")]),
        ("-t02:00:00", [("--time", "02:00:00")]),
        ("--time 2 h --exclusive", [("--time", "2 h"), ("--exclusive", "")]),
        ("--comment='-t 5' -C a&b", [("--comment", "-t 5"), ("--constraint", "a&b")]),
        ("--tim=5", [("--tim", "5")]),  # as sbatch says, too
    ],
)
def test_directives_of_slurm(directive, found):
    assert settings(directive) == found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (SLURM + directives("--time=02:00:00"), 7200),
        (SLURM + directives("--exclusive", "-t 2-00:00:00 -p long"), 172800),
        (SLURM + directives("-t02:00:00"), 7200),
        (SLURM + directives("--time 2 h"), 7200),
        (SLURM + "  walltime: 2h\n" + directives("--time=02:00:00"), 7200),
        (SLURM + "  job_directives_skip: [-t]\n" + directives("--time=03:00:00"), 10800),
        (SLURM + "  job_directives_skip: [--time]\n", None),
        (PBS + directives("-l select=1:ncpus=4,walltime=02:00:00"), 7200),
        (SGE + directives("-l h_rt=7200"), 7200),
        (LSF + directives("-W 02:00"), 7200),
        (OAR + directives("-l walltime=2"), 7200),
        (CONDOR + "  job_extra_directives: {+maxruntime: 2 h}\n", 7200),
        (CONDOR + "  job_extra_directives: {AllowedJobDuration: 60 * 60}\n", None),
    ],
)
def test_the_walltime_that_directives_say(load, text, seconds):
    assert load(text).walltime == seconds


def test_what_directives_say_twice_stands_in_the_job_once(load):
    profile = load(
        SLURM + directives("-p long -C a", "--account phys", "--mem=4 GB", "-c 8", "-t 2h", "-n 1")
    )
    lines = job_script(profile).splitlines()
    for line in ("-p long", "-A phys", "--mem=3815M", "--cpus-per-task=8", "-t 02:00:00"):
        assert lines.count(f"#SBATCH {line}") == 1
    assert [line for line in lines if "constraint" in line] == ["#SBATCH --constraint=a"]
    assert len([line for line in lines if line.startswith("#SBATCH")]) == 11
    assert "#PBS -l select=1:ncpus=4" in job_script(
        load(PBS + directives("-l select=1:ncpus=4,walltime=01:00:00"))
    )


def test_a_value_with_blanks_is_one_word_for_sbatch(load):
    lines = job_script(load(SLURM + directives("--comment=a b -C c", "--reservation my own")))
    assert "#SBATCH --comment='a b' --constraint=c" in lines
    assert "#SBATCH --reservation='my own'" in lines


def test_what_is_skipped_is_one_option_and_no_more(load):
    script = job_script(load(SLURM + "  job_directives_skip: ['-e', '-p', --mem=]\n"))
    assert "#SBATCH -J NAME" in script
    assert "--cpus-per-task=4" in script
    assert "#SBATCH -e" not in script
    assert "#SBATCH --mem" not in script
    kept = load(SLURM + "  job_directives_skip: [--mem]\n" + directives("--mem-per-cpu=2G"))
    assert "#SBATCH --mem-per-cpu=2G" in job_script(kept)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SLURM + directives("--mem-per-cpu=2G"), r"\[0\]: sets --mem-per-cpu.*write `memory`"),
        (SLURM + directives("-C x", "-n 4"), r"\[1\]: sets --ntasks.*write `cores: N`"),
        (SLURM + directives("-o x.out"), "sets --output.*write `log_directory: DIRECTORY`"),
        (SLURM + directives("--array=1-9"), "sets --array.*write `jobs: N`"),
        (SLURM + directives("-H"), "sets --hold, with which no worker ever comes; remove it"),
        (SLURM + directives("-W"), "sets --wait, with which sbatch waits for the worker job"),
        (SLURM + directives("-p 'a"), "balance its quotes"),
        (SLURM + directives("-t soon"), r"\[0\]: is the text 'soon', which is no length of time"),
        (SLURM + "  queue: a\n" + directives("-p b"), "sets 'b', but `queue` is 'a'; keep one"),
        (LSF + directives("-W 02:00", "-o x"), r"\[1\]: sets -o, where the output goes"),
        (CONDOR + "  job_extra_directives: {request_cpus: 2}", r"request_cpus: is .*`cores: N`"),
        (CONDOR + "  job_extra_directives: {Request_Memory: 2}", "write `memory: 32 GB`"),
        (CONDOR + "  walltime: 1 h", "write `allowed_job_duration: 1 h` under `job_extra_direct"),
    ],
)
def test_directives_that_have_no_place(load, text, said):
    with pytest.raises(InputError, match=rf"profile\.yaml:\d+: options\.{'.*' + said}"):
        load(text)


def test_directives_of_the_site_are_read_too(load):
    with dask.config.set({"jobqueue.slurm.job-extra-directives": ["--time=03:00:00"]}):
        assert load(SLURM).walltime == 10800
    with dask.config.set({"jobqueue.gpu": {"walltime": "04:00:00"}}):
        assert load(SLURM + "  config_name: gpu").walltime == 14400
    assert load(SLURM).walltime == 1800


# ---- as the batch system reads it ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SLURM + "  walltime: 2h", "#SBATCH -t 02:00:00"),
        (SLURM + "  walltime: 1.5 days", "#SBATCH -t 1-12:00:00"),
        (SLURM + "  walltime: 1-12", "#SBATCH -t 1-12"),
        (SLURM + "  job_mem: 1.5 GiB", "#SBATCH --mem=1536M"),
        (PBS + "  walltime: 1 day", "walltime=24:00:00"),
        (PBS + "  walltime: 1-12", "walltime=36:00:00"),
        (SGE + "  walltime: 90 min", "h_rt=01:30:00"),
        (LSF + "  walltime: 90 s", "#BSUB -W 00:02"),
        (LSF + "  walltime: '01:00:00'", "#BSUB -W 01:00"),
        (OAR + "  walltime: 90 min\n  memory_per_core_property_name: m", "walltime=01:30:00"),
    ],
)
def test_walltime_and_memory(load, text, line):
    assert line in job_script(load(text)) + "\n"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("2h", 7200), ("02:00:00", 7200), ("7200", 7200), ("1.5", 2), ("60 * 60", None)],
)
def test_walltime_of_a_pool(load, written, seconds):
    loaded = load(CONDOR + f"  job_extra_directives: {{allowed_job_duration: {written}}}")
    assert loaded.walltime == seconds
    assert f"allowed_job_duration = {seconds or written}\n" in job_script(loaded) + "\n"


@pytest.mark.parametrize("written", ["1-00:00:00", "02:00", "1h30m", "UNLIMITED", "0", "-1"])
def test_a_walltime_that_no_pool_reads(load, written):
    said = r"yaml:6: options\.job_extra_directives\.'\+MaxRuntime': is .* no length of time; write"
    with pytest.raises(InputError, match=said):
        load(CONDOR + f"  job_extra_directives: {{+MaxRuntime: {written}}}")


def test_a_job_without_a_walltime(load):
    assert load(SLURM + "  walltime: '0'").walltime is None


def test_a_walltime_that_is_none(load):
    with pytest.raises(InputError, match=r"yaml:5: options\.walltime: is the text 'a while'"):
        load(SLURM + "  walltime: a while")


# ---- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~/logs", "/home/me/logs"),
        ("$HOME/logs", "/home/me/logs"),
        ("${SCRATCH}/logs", "/scratch/me/logs"),
        ("${NOPE:-/tmp}/logs", "/tmp/logs"),
        ("~root/logs", f"{Path('~root').expanduser()}/logs"),
        ("./~/logs", "./~/logs"),
    ],
)
def test_the_log_directory(load, written, meant):
    assert load(SLURM + f"  log_directory: {written}").option("log_directory") == meant


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("log_directory: ~nobody-here/x", "~nobody-here is the home of nobody here; write"),
        ("log_directory: $NOPE/x", r"\$NOPE is not set here; set it, write the path out"),
        ("local_directory: ~nobody-here", "the home of nobody"),
        ("log_directory: a\\b", "otherwise; rename it"),
        ("job_name: a/b", "use no '/'"),
        (r"job_name: a\b", r"batch systems read '.*' otherwise; rename it"),
        ("worker_extra_args: ['--name x; rm y']", r"args\[0\]: .*which ';' breaks"),
        ('worker_extra_args: [--a, "it\'s"]', r"args\[1\]: .*which \"'\" breaks"),
        ("python: python3 | tee", r"which '\|' breaks"),
    ],
)
def test_options_that_cannot_become_part_of_a_job(load, option, said):
    with pytest.raises(InputError, match=rf"yaml:5: options\.\w+.*{said}"):
        load(SLURM + "  " + option)


def test_directories_on_the_worker_are_left_to_its_shell(load):
    def local_directory(text):
        words = job_script(load(SLURM + f"  local_directory: {text}")).split("--local-directory ")
        return words[1].partition(" --no-dashboard")[0].strip()

    assert local_directory("$TMPDIR/x") == '"$TMPDIR/x"'
    assert local_directory("~/my files") == '"/home/me/my files"'
    assert local_directory("a'b\"") == '"a\'b\\""'


# ---- quotes --------------------------------------------------------------------------------------


_QUOTED = ("-J ", "-p ", "-o ")


@pytest.mark.parametrize("name", ["my job", "it's", 'say "a"', "50%j", "a;b#c", "é"])
def test_names_and_paths_are_quoted_on_slurm(load, name):
    text = SLURM + "".join(f"  {key}: {name!r}\n" for key in ("job_name", "log_directory", "queue"))
    lines = job_script(load(text)).splitlines()
    words = dict(shlex.split(line)[1:3] for line in lines if line[8:11] in _QUOTED)
    assert words["-J"] == words["-p"] == name
    escaped = name.replace("%", "%%")
    assert words["-o"] == f"{escaped}/{escaped}-%J.out"


@pytest.mark.parametrize("name", ["my job", "it's", 'say "a" | b', "$(x) $HOME"])
def test_a_worker_s_name_is_one_word(load, name):
    made, _ = batch_system(load(SLURM))
    job = made("tls://node:1", name, cores=1, memory="1 GB", job_name=name)
    words = shlex.split(job.job_script().splitlines()[-1])
    assert words[words.index("--name") + 1] == name


@pytest.mark.parametrize(("text", "name"), [(PBS, "my job"), (LSF, "it's"), (SGE, "a;b")])
def test_what_other_batch_systems_might_read_otherwise_is_refused(load, text, name):
    for key in ("job_name", "log_directory", "queue"):
        with pytest.raises(InputError, match=rf"{key}: is .*directive of \w+ cannot hold"):
            load(text + f"  {key}: {name!r}")


def test_a_python_in_a_directory_with_a_space(load, tmp_path):
    python = tmp_path / "my env" / "python"
    python.parent.mkdir()
    python.write_text("")
    assert f"\n'{python}' -c " in job_script(load(SLURM + "  python: my env/python"))


def test_a_prologue_of_htcondor_is_a_script(load):
    script = job_script(
        load(CONDOR + "  job_script_prologue: ['source a # b', \"x='$(date)'\", \"c\\nd\"]")
    )
    (line,) = (line for line in script.splitlines() if line.startswith("Arguments"))
    words = line.removeprefix("Arguments = \"-c '").removesuffix("'\"")
    assert words.replace("''", "'").startswith(
        r"eval $'source a # b\nx=\'$(DOLLAR)(date)\'\nc\nd\n"
    )


# ---- a walltime that nobody wrote ----------------------------------------------------------------


@pytest.mark.parametrize("more", ["", "  walltime: 30 min\n", directives("-t 00:30:00")])
def test_whose_walltime_is_too_short(load, study_file, more):
    study = study_file("name: s\nengine: python\nscript: echo\nparameters: {}\ntime_limit: 1 h\n")
    with pytest.raises(InputError, match="worker jobs end after 30 min") as caught:
        check_time_limit(load_study(study), load(SLURM + more))
    assert ("dask-jobqueue's default" in str(caught.value)) == (not more)
