from pathlib import Path

import dask
import pydantic
import pytest

from dask_espresso import load_profile
from dask_espresso.engines import Engine
from dask_espresso.errors import InputError
from dask_espresso.inputs.options import kinds_of, option_names
from dask_espresso.inputs.profile import Jobs, Profile, memory_of_each
from dask_espresso.inputs.shipped import folder, profile_names, template
from dask_espresso.systems.table import SYSTEMS, system_of

SLURM = "cluster: slurm\noptions:\n  cores: 4\n  memory: 8 GB\n"
CONDOR = "cluster: htcondor\noptions:\n  cores: 4\n  memory: 8 GB\n  disk: 1 GB\n"


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "profile.yaml"
        path.write_text(text)
        return load_profile(path)

    return load


def test_default(monkeypatch, tmp_path):
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr("pathlib.Path.open", None)
    profile = load_profile()
    assert profile == Profile(cluster="local", jobs=1, engines={}, options={})
    assert profile.path is None


def test_load(load, tmp_path):
    profile = load(SLURM + "  walltime: 01:00:00\n  queue:\njobs: 8\n")
    assert profile.options == {
        "cores": 4,
        "memory": "8 GB",
        "walltime": "01:00:00",
        "queue": None,
    }
    assert profile.jobs == 8
    assert profile.path == tmp_path / "profile.yaml"


def test_sections_with_everything_commented_out(load):
    profile = load("engines:\n  espresso:\noptions:\n  # n_workers: 1\n")
    assert profile.engine("espresso") == Profile().engine("espresso")
    assert profile.options == {}


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        ("3", 3),
        ("{minimum: 0, maximum: 20}", Jobs(0, 20)),
        ("{minimum: 2, maximum: 2}", Jobs(2, 2)),
        ("{maximum: 5}", Jobs(0, 5)),
    ],
)
def test_jobs(load, text, jobs):
    assert load(f"{SLURM}jobs: {text}").jobs == jobs


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "tls://node1:8786", "tcp://[::1]:1", "wss://n:1"]
)
def test_addresses(load, address):
    assert load(f"cluster: {address}").cluster == address


@pytest.mark.parametrize(
    "options",
    [
        "{n_workers: 2, threads_per_worker: 4, memory_limit: 4 GB}",
        "{memory_limit: auto}",
        "{memory_limit: 0.5}",
        "{memory_limit: 0}",
        "{memory_limit: }",
        "{local_directory: /tmp, dashboard_address: 127.0.0.1:0}",
    ],
)
def test_local_options(load, options):
    assert load(f"options: {options}").cluster == "local"


@pytest.mark.parametrize("cluster", SYSTEMS)
def test_every_jobqueue_cluster(load, cluster):
    text = SLURM.replace("slurm", cluster) + ("  disk: 1 GB\n" if cluster == "htcondor" else "")
    directives = "{+X: 1}" if cluster == "htcondor" else "[--exclusive]"
    profile = load(f"{text}  job_extra_directives: {directives}\n  scheduler_options: {{port: 1}}")
    assert profile.cluster == cluster
    known = option_names(cluster)
    assert {"cores", "memory", "job_script_prologue", "interface", "log_directory"} <= known
    assert not {"self", "security", "n_workers", "base_class_kwargs"} & known


def test_cores_and_memory_may_stand_in_dask_s_own_configuration(load):
    with dask.config.set({"jobqueue.slurm.cores": 4, "jobqueue.slurm.memory": "8 GB"}):
        assert load("cluster: slurm").options == {}


# ---- what is wrong -------------------------------------------------------------------------------

WRONG = [
    # text, line, key, what is wrong, what to do
    ("clutser: local", 1, "clutser", "unknown key", "did you mean 'cluster'? Known keys: cluster,"),
    ("cluster: slrum", 1, "cluster", "unknown cluster 'slrum'", "did you mean 'slurm'? Known"),
    ("cluster: Slurm", 1, "cluster", "unknown cluster 'Slurm'", "did you mean 'slurm'? Known"),
    ("cluster: 3", 1, "cluster", "is the number 3 but must be text", "quotes"),
    ("cluster: tcp://", 1, "cluster", "is 'tcp://'", "write an address such as tls://node1:8786"),
    ("cluster: tcp://a b:1", 1, "cluster", "is 'tcp://a b:1'", "write an address"),
    ("cluster: tcp://a:1\noptions: {cores: 1}", 2, "options", "has no effect", "remove it"),
    ("cluster: tcp://a:1\njobs: 3", 2, "jobs", "has no effect", "remove it"),
    ("jobs: 3", 1, "jobs", "has no effect on cluster 'local'", "`threads_per_worker: N`"),
    ("jobs: 0", 1, "jobs", "is the number 0 but", "write one such as 8, or {minimum"),
    ("jobs: '4'", 1, "jobs", "is the text '4' but", "write one such as 8"),
    ("jobs: true", 1, "jobs", "is true but", "write one such as 8"),
    ("jobs: [1]", 1, "jobs", "is a list but", "write one such as 8"),
    ("jobs: {minimum: 1}", 1, "jobs", "has no maximum", "write one such as"),
    ("jobs:\n  maximum: 1\n  minimum: 2", 3, "jobs.minimum", "more than the maximum 1", "lower it"),
    ("jobs:\n  maximum: 0", 2, "jobs.maximum", "whole number from 1", "write"),
    ("jobs:\n  minimum: -1\n  maximum: 3", 2, "jobs.minimum", "whole number from 0", "write"),
    ("jobs:\n  max: 3", 2, "jobs.max", "unknown key 'max'", "did you mean 'maximum'?"),
    ("engines: 3", 1, "engines", "is the number 3 but must be a mapping", "write"),
    ("engines:\n  espresso: pypresso", 2, "engines.espresso", "must be a mapping", "write `key"),
    ("engines:\n  mine: {}", 2, "engines.mine", "has no command", "write `command: PROGRAM`"),
    ("engines:\n  lammps: {comand: x}", 2, "engines.lammps.comand", "unknown key", "'command'?"),
    ("engines:\n  lammps: {command: 3}", 2, "engines.lammps.command", "is the number 3", "write"),
    ("engines:\n  lammps: {command: ''}", 2, "engines.lammps.command", "is empty", "default"),
    ("engines:\n  lammps: {command: []}", 2, "engines.lammps.command", "is empty", "default"),
    ("engines:\n  lammps: {command: 'a \"'}", 2, "engines.lammps.command", "is no com", "balance"),
    ("engines:\n  lammps: {command: [a, true]}", 2, "engines.lammps.command", "holds true", "quot"),
    ("engines:\n  lammps: {preload: numpy}", 2, "engines.lammps.preload", "must be a list", "[a"),
    (
        "engines:\n  lammps: {environment: {A: true}}",
        *(2, "engines.lammps.environment.A", "is true but must be text", "put it in quotes"),
    ),
    (
        "engines:\n  lammps: {environment: {A=B: x}}",
        *(2, "engines.lammps.environment", "has the name 'A=B'", "use letters"),
    ),
    ("engines:\n  lammps: {environment: [A]}", 2, "engines.lammps.environment", "mapping", "write"),
    ("options: 3", 1, "options", "is the number 3 but must be a mapping", "write"),
    (
        "options:\n  n_worker: 3",
        2,
        "options.n_worker",
        "unknown option",
        "did you mean 'n_workers'?",
    ),
    ("options:\n  queue: x", 2, "options.queue", "unknown option 'queue'", "nown options: "),
    ("options:\n  loop: x", 2, "options.loop", "unknown option 'loop'", "nown options: "),
    ("options:\n  memory_limit: 4 gigs", 2, "options.memory_limit", "no size", "such as 32 GB"),
    ("cluster: slurm", 1, "options", "has no cores", "add `cores: 16`"),
    ("cluster: slurm\noptions:\n  cores: 4", 2, "options", "has no memory", "add `memory: 32 GB`"),
    (CONDOR.replace("  disk: 1 GB\n", ""), 2, "options", "has no disk", "add `disk: 4 GB`"),
    (SLURM.replace("8 GB", "8"), 4, "options.memory", "is the number 8, which is no size", "32 GB"),
    (SLURM.replace("8 GB", "lots"), 4, "options.memory", "is the text 'lots'", "such as 32 GB"),
    (SLURM.replace("4", "4.5"), 3, "options.cores", "is the number 4.5 but", "as in 16"),
    (SLURM + "  walltme: x", 5, "options.walltme", "unknown option", "did you mean 'walltime'?"),
    (
        SLURM + "  walltime: 60",
        5,
        "options.walltime",
        "is the number 60",
        'as "01:00:00" or 60 min',
    ),
    (SLURM + "  disk: 1 GB", 5, "options.disk", "unknown option 'disk'", "nown options: "),
    (
        SLURM + "  job_extra_directives: {a: b}",
        5,
        "options.job_extra_directives",
        "mapping",
        "for s",
    ),
    (
        CONDOR + "  job_extra_directives: [a]",
        6,
        "options.job_extra_directives",
        "is a list",
        "for h",
    ),
    (SLURM + "  job_script_prologue: ls", 5, "options.job_script_prologue", "list of texts", "- t"),
    (
        SLURM + "  job_script_prologue:\n  - ls\n  - 3",
        *(7, "options.job_script_prologue[1]", "is the number 3 but must be text", "quotes"),
    ),
    (SLURM + "  security: true", 5, "options.security", "always TLS", "remove it"),
    (
        SLURM + "  scheduler_options: 3",
        5,
        "options.scheduler_options",
        "must be a mapping",
        "write",
    ),
    (
        SLURM + "  scheduler_options: {protocol: 'tcp://'}",
        *(5, "options.scheduler_options.protocol", "always TLS", "remove it"),
    ),
    (SLURM + "  n_workers: 4", 5, "options.n_workers", "not an option here", "`jobs: N`"),
    (
        SLURM + "  dashboard_address: ':1'",
        5,
        "options.dashboard_address",
        "not",
        "scheduler_options",
    ),
    (SLURM + "  env_extra: []", 5, "options.env_extra", "was renamed", "`job_script_prologue`"),
    # kinds
    ("options:\n  host: 5", 2, "options.host", "is the number 5 but must be text", "in quotes"),
    ("options:\n  silence_logs: foo", 2, "options.silence_logs", "no level of", "as warning"),
    ("options:\n  silence_logs: 5.5", 2, "options.silence_logs", "must be text", "as warning"),
    ("options:\n  security: yes", 2, "options.security", "must be true or false", "without quotes"),
    ("options:\n  processes: 2", 2, "options.processes", "must be true or false", "remove it"),
    ("options:\n  env: 5", 2, "options.env", "must be a mapping", "write `key"),
    ("options:\n  env: {A: [1]}", 2, "options.env.A", "is a list but must be text", "in quotes"),
    ("options:\n  threads_per_worker: x", 2, "options.threads_per_worker", "whole", "such as 4"),
    ("options:\n  threads_per_worker: true", 2, "options.threads_per_worker", "is true", "as 4"),
    ("options:\n  n_workers: 0", 2, "options.n_workers", "whole number from 1", "as in 4"),
    ("options:\n  n_workers: -1", 2, "options.n_workers", "whole number from 1", "as in 4"),
    ("options:\n  worker_port: x", 2, "options.worker_port", "is no port", "9000:9100"),
    ("options:\n  worker_port: 70000", 2, "options.worker_port", "is no port", "9000:9100"),
    ("options:\n  lifetime: nonsense", 2, "options.lifetime", "no length of time", "as 10 min"),
    ("options:\n  resources: 5", 2, "options.resources", "must be a mapping", "write `key"),
    ("options:\n  preload: 5", 2, "options.preload", "must be a list of texts", "[a, b]"),
    ("options:\n  scheduler_file: x", 2, "options.scheduler_file", "unknown", "nown options: "),
    ("options:\n  memory_limit: 2 MB", 2, "options.memory_limit", "100 MB or more", "32 GB"),
    ("options:\n  memory_limit: 1e400 GB", 2, "options.memory_limit", "no size", "32 GB"),
    (SLURM.replace("8 GB", "8 MB"), 4, "options.memory", "100 MB or more", "32 GB"),
    (SLURM + "  job_cpu: [1]", 5, "options.job_cpu", "is a list but must be a whole", "such as 4"),
    (SLURM + "  log_directory: 5.5", 5, "options.log_directory", "must be text", "quotes"),
    (SLURM + "  log_directory: ''", 5, "options.log_directory", "is empty", "remove the key"),
    (SLURM + "  config_name: 5.5", 5, "options.config_name", "must be text", "quotes"),
    (SLURM + "  name: 5.5", 5, "options.name", "must be text", "quotes"),
    (SLURM + "  queue: [a]", 5, "options.queue", "is a list but must be text or a num", "one"),
    (SLURM + "  nanny: 1", 5, "options.nanny", "must be true or false", "without quotes"),
    # lines
    (
        SLURM + '  queue: "n\\ntouch pwned; exit 0 #"',
        *(5, "options.queue", "must be one line of text", r"remove the '\n'"),
    ),
    (
        SLURM + '  worker_extra_args: ["a", "b\\u2028c"]',
        *(5, "options.worker_extra_args[1]", "must be one line of text", r"remove the '\u2028'"),
    ),
    (
        SLURM + '  job_extra_directives: ["a\\rb"]',
        *(5, "options.job_extra_directives[0]", "must be one line", r"remove the '\r'"),
    ),
    (
        SLURM + '  job_script_prologue: ["a\\0b"]',
        *(5, "options.job_script_prologue[0]", "must be one line", r"remove the '\x00'"),
    ),
    (
        CONDOR + '  job_extra_directives: {getenv: "True\\nexecutable = /bin/evil"}',
        *(6, "options.job_extra_directives.getenv", "must be one line", r"remove the '\n'"),
    ),
    (
        CONDOR + '  job_extra_directives: {"a=1\\nexecutable": /bin/evil}',
        *(6, "options.job_extra_directives", r"has the key 'a=1\nexecutable'", "use letters"),
    ),
    (
        CONDOR + "  job_extra_directives: {getenv: [True]}",
        *(6, "options.job_extra_directives.getenv", "is a list but must be one line", "quotes"),
    ),
    (
        CONDOR + "  job_extra_directives: {getenv: 'True \\'}",
        *(6, "options.job_extra_directives.getenv", "ends with a backslash", "remove it"),
    ),
    (
        CONDOR + 'driver: {"a=1\\nexecutable": /bin/evil}',
        *(6, "driver", r"has the key 'a=1\nexecutable'", "use letters"),
    ),
    *(
        (f"cluster: {address}", 1, "cluster", "no address of a Dask scheduler", "write an address")
        for address in (
            "tcp://host",
            "tcp://host:abc",
            "tcp://host:0",
            "tcp://host:65536",
            "tcp://host:1/",
            "'tcp://[::1'",
            "tcp://::1:1",
            "foo://host:1",
            "inproc://10.0.0.1/1/1",
            "http://host:1",
        )
    ),
]


@pytest.mark.parametrize("cluster", [c for c in SYSTEMS if c != "slurm-allocation"])
def test_no_option_makes_a_line_of_its_own(cluster):
    options = {"cores": 1, "memory": "1 GB", **({"disk": "1 GB"} if cluster == "htcondor" else {})}
    for name in option_names(cluster) - {"job_script_prologue"}:
        for value in ("a\nb", ["a\nb"], {"a": "a\nb"}):
            with pytest.raises(pydantic.ValidationError):
                Profile(cluster=cluster, options=options | {name: value})


def test_a_prologue_may_have_lines(load):
    profile = load(SLURM + '  job_script_prologue: ["a\\nb\\tc"]')
    assert profile.options["job_script_prologue"] == ["a\nb\tc"]


@pytest.mark.parametrize(("text", "line", "key", "wrong", "remedy"), WRONG)
def test_wrong_profiles(load, tmp_path, text, line, key, wrong, remedy):
    with pytest.raises(InputError) as caught:
        load(text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'profile.yaml'}:{line}: {key}: ")
    assert wrong in message
    assert remedy in message
    assert "; " in message
    assert "\n" not in message


def test_missing_profile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("nope.yaml", "lj_pressure", tmp_path):
        with pytest.raises(InputError, match=f"{tmp_path}.*: htcondor, local, slurm"):
            load_profile(path)


# ---- engines -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module"), [("espresso", "espressomd"), ("lammps", "lammps"), ("python", "")]
)
def test_engines_exist_without_a_profile(name, module):
    preload = ("numpy", module) if module else ()
    expected = Engine(name, module=module, preload=preload, start="auto", directory=str(Path.cwd()))
    assert load_profile().engine(name) == expected


def test_engine_settings(load, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    profile = load(
        """
engines:
  espresso:
    command: ~/build/pypresso --gdb 'a b'
    preload: [numpy, espressomd]
    environment: {OMP_NUM_THREADS: 2, SCALE: 1.5, NAME: x}
  mine: {command: [mpiexec, -n, 2, pypresso], preload: [espressomd]}
  other: {command: lmp, preload: [lammps]}
  plain: {command: python3}
"""
    )
    assert profile.engine("espresso") == Engine(
        "espresso",
        command=("/home/me/build/pypresso", "--gdb", "a b"),
        module="espressomd",
        environment=(("OMP_NUM_THREADS", "2"), ("SCALE", "1.5"), ("NAME", "x")),
        preload=("numpy", "espressomd"),
        start="auto",
        directory=str(Path.cwd()),
    )
    assert profile.engine("mine").command == ("mpiexec", "-n", "2", "pypresso")
    modules = [profile.engine(name).module for name in ("mine", "other", "plain")]
    assert modules == ["espressomd", "lammps", ""]
    hash(profile.engine("espresso"))


@pytest.mark.parametrize(
    ("memory", "ranks", "each"),
    [("32 GB", 1, 2 * 10**9), ("32 GiB", 4, 8 * 2**30), (8 * 10**9, 1, 5 * 10**8)],
)
def test_memory_of_a_simulation(load, memory, ranks, each):
    profile = load(f"cluster: slurm\noptions: {{cores: 16, memory: {memory}}}")
    assert memory_of_each(profile, ranks) == each
    assert memory_of_each(load("cluster: local")) is None


def test_several_ranks(load):
    profile = load(
        """
engines:
  espresso: {ranks: 4}
  mine: {command: pypresso, ranks: 2, launcher: "srun --mpi=pmix -n {ranks}", start: auto}
  fresh: {command: pypresso, start: spawn}
"""
    )
    espresso, mine, fresh = map(profile.engine, ("espresso", "mine", "fresh"))
    assert (espresso.ranks, espresso.launcher) == (4, ("mpirun", "-n", "{ranks}"))
    assert mine.launcher == ("srun", "--mpi=pmix", "-n", "{ranks}")
    assert not any(engine.may_fork for engine in (espresso, mine, fresh))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("ranks: 0", "a whole number from 1; write the number of MPI processes"),
        ("ranks: true", "a whole number from 1"),
        ("start: frok", "start.*'fork'"),
        ("{start: fork, ranks: 2}", "is fork, but 2 ranks cannot be forked; remove it"),
        ("launcher: mpirun", "has no effect on one rank; add `ranks: N`"),
        ("preload: [numpy, 3]", "is the number 3, which is no name"),
        ("preload: numpy", "preload"),
    ],
)
def test_wrong_starts(load, setting, said):
    setting = setting if setting.startswith("{") else f"{{{setting}}}"
    with pytest.raises(InputError, match=said):
        load(f"engines:\n  espresso: {setting}\n")


def test_more_ranks_than_a_job_has_cores(load):
    profile = (
        "cluster: slurm\noptions: {cores: 4, memory: 1 GB}\nengines: {espresso: {ranks: %d}}\n"
    )
    assert [load(profile % 2).slots(ranks) for ranks in (1, 2, 3, 4)] == [4, 2, 1, 1]
    with pytest.raises(
        InputError, match=r":3: engines.espresso.ranks: is 5, but a worker job has 4 c"
    ):
        load(profile % 5)


def test_unknown_engine(load, tmp_path):
    with pytest.raises(InputError, match=r"^no profile given: unknown engine 'expresso'; did you"):
        load_profile().engine("expresso")
    profile = load("engines: {mine: {command: x}}")
    with pytest.raises(InputError) as caught:
        profile.engine("gromacs")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'profile.yaml'}: unknown engine 'gromacs'; ")
    assert "nown engines: espresso, lammps, mine, python; add 'gromacs' under `engines`" in message


# ---- shipped profiles ----------------------------------------------------------------------------


def test_shipped_profiles():
    assert profile_names() == ["htcondor", "local", "slurm"]
    for name in profile_names():
        profile = load_profile(name)
        assert profile.cluster == name
        assert profile.path == folder("configs") / f"{name}.yaml"
        assert profile.engine("espresso").preload == ("numpy", "espressomd")


def test_own_file_goes_before_a_shipped_profile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slurm").write_text("cluster: local")
    assert load_profile("slurm").cluster == "local"
    (tmp_path / "slurm").unlink()
    (tmp_path / "slurm").mkdir()
    assert load_profile("slurm").cluster == "slurm"


@pytest.mark.parametrize("name", ["slurm", "htcondor", "local"])
def test_what_shipped_profiles_have_commented_out_is_valid_too(load, name):
    import re

    text = template("configs", name).read_text()
    head, marker, rest = text.partition("\ncluster:")
    # a line such as `  # queue: normal   # why` loses its first `# `
    rest = re.sub(r"^( *)# (?=[+\w]+:|  - )", r"\1", rest, flags=re.MULTILINE)
    rest = rest.replace("jobs: 4 ", "# jobs: 4 ")
    profile = load(head + marker + rest)
    assert profile.engine("espresso").command == ("/home/me/espresso/build/pypresso",)
    if name != "local":
        assert profile.jobs == Jobs(0, 20)
        assert profile.options["job_script_prologue"][-1] == ". /home/me/venv/bin/activate"


def test_template_without_such_a_file():
    with pytest.raises(InputError, match=r"no template 'nope' in .*; there are: .*slurm\.yaml"):
        template("configs", "nope")


def test_names_of_clusters():
    batch = {"slurm", "htcondor", "pbs", "sge", "lsf", "oar", "moab", "slurm-allocation"}
    assert set(SYSTEMS) >= batch
    assert all(system_of(name).name == name for name in SYSTEMS)


@pytest.mark.parametrize("cluster", ["local", *SYSTEMS])
def test_every_option_of_the_installed_dask_has_a_kind(cluster):
    system = system_of(cluster) if cluster in SYSTEMS else None
    assert not option_names(cluster) - kinds_of(system).keys()


def test_no_option_of_a_batch_system_alone_has_a_kind_for_all():
    for name in SYSTEMS:
        assert not system_of(name).kinds.keys() & kinds_of(None).keys()
        assert system_of(name).kinds.keys() <= option_names(name)
