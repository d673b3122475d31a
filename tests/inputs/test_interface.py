"""How a study says that a script takes its parameters."""

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso import load_study
from dask_espresso.errors import BadValueError, InputError
from dask_espresso.files import file_hash
from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.inputs.program import command_files, engine_of
from dask_espresso.inputs.script_file import with_program
from dask_espresso.inputs.stored_study import stored_study
from dask_espresso.inputs.study import Study
from dask_espresso.inputs.templates import check_names, filled

VALUES = st.one_of(
    st.text(), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False),
    st.lists(st.integers() | st.floats(allow_nan=False)),
)  # fmt: skip


@pytest.fixture
def load(study_file, script):
    script("", "sim.py")

    def load(text, parameters="{pH: [2, 7.5], box: 10}"):
        return load_study(
            study_file(f"name: s\nengine: python\nscript: sim.py\nparameters: {parameters}\n{text}")
        )

    return load


@given(VALUES)
def test_a_value_reads_back_equal(value):
    text = filled("{{{x}}}", {"x": value})
    assert text[0] + text[-1] == "{}"
    assert value == (text[1:-1] if isinstance(value, str) else json.loads(text[1:-1]))


@given(st.text())
def test_no_text_is_a_template_by_accident(text):
    """What is no text with names is refused; everything else is filled in without a fault."""
    try:
        names = check_names(text, ("a", "b"))
    except BadValueError:
        assert "{" in text or "}" in text
    else:
        assert filled(text, dict.fromkeys(names, "")).count("{") == text.count("{{")


def test_arguments(load):
    study = load('arguments: [--pH, "{pH}", 7, 0.5, "--box={box}", "{{}}", "{seed}{replica}{id}"]')
    assert study.arguments == [
        "--pH", "{pH}", "7", "0.5", "--box={box}", "{{}}", "{seed}{replica}{id}"
    ]  # fmt: skip
    same = load("arguments: --pH {pH} 7 '0.5' --box={box} {{}} {seed}{replica}{id}")
    assert same.arguments == study.arguments


def test_a_study_without_the_new_keys_is_stored_as_before(load):
    before = load("").snapshot()
    assert "arguments" not in before
    assert list(before)[:4] == ["name", "engine", "script", "parameters"]
    study = load('arguments: ["{pH}", "{box}"]')
    assert study.snapshot() == {**before, "arguments": ["{pH}", "{box}"]}
    assert Study.from_snapshot(study.snapshot()).snapshot() == study.snapshot()
    assert [*stored_study(study.snapshot()).ids()] == [*study.ids()] == [*load("").ids()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arguments: [--pH, '{ph}', '{box}']",
         "study.yaml:5: arguments[1]: unknown name 'ph'; did you mean 'pH'?"),
        ("arguments:\n- '{pH}'\n- '{box}'\n- '{directry}'",
         "study.yaml:8: arguments[2]: unknown name 'directry'; did you mean 'directory'?"),
        ("arguments: ['{pH}']", "study.yaml:4: parameters.box: never reaches the script; write "
         "\"{box}\" into `arguments`"),
        ("arguments: []", "parameters.pH: never reaches the script"),
        ("arguments: ['{pH}', '{box']", "study.yaml:5: arguments[1]: has '{', which names nothing"),
        ("arguments: ['{pH}', '{box}', '{}']", "has '{}', which names nothing"),
        ("arguments: ['{pH:.2f}', '{box}']", "has {pH:.2f}; write {pH}: values are written so"),
        ("arguments: ['{pH}', '{box}', '{seed:31}']", "write {seed}: .* seeds are below 2"),
        ("arguments: [{pH}]", 'arguments[0]: is a mapping; write "{pH}", in quotes'),
        ("arguments: [true]", "arguments[0]: is true; write its words in quotes"),
        ("arguments: {a: 1}", "arguments: is a mapping; write a list"),
        ("arguments: --pH '{pH}", "arguments: cannot be split into words (No closing quotation)"),
        ("environment: {PH: '{ph}'}", "study.yaml:5: environment.PH: unknown name 'ph'; did you"),
        ("environment: {PH: '{pH}'}", "parameters.box: never reaches the script"),
        ("environment: {TMPDIR: '{pH}'}", "environment.TMPDIR: is set for every simulation"),
        ("environment: {A: true}", "environment.A: is true but must be text"),
        ("parameters_file: a.xml", "parameters_file: is the text 'a.xml'; write a name such as pa"),
        ("parameters_file: a/b.json", "is the text 'a/b.json'; write a name such as params.json"),
        ("arguments: ['{parameters_file}']", "arguments[0]: unknown name 'parameters_file'"),
        ("program: sh\narguments: ['{pH}{box}']", "program: hands over no result by itself; write"),
        ("program: []", "program: is empty; write a program"),
        ("program: sh\narguments: ['{pH}{box}']\ncollect: a.json",
         "engine: is python, which runs scripts itself; remove it, or `program`"),
        ("argument: [x]", "unknown key 'argument'; did you mean 'arguments'?"),
    ],
)  # fmt: skip
def test_messages(load, text, message):
    with pytest.raises(InputError) as error:
        load(text)
    parts = message.split(" .* ")
    assert all(part in str(error.value) for part in parts), error.value


@pytest.mark.parametrize("name", ["id", "directory"])
def test_a_name_means_one_thing(load, name):
    load("", f"{{{name}: 1}}")  # a script that asks for its parameters has no other
    with pytest.raises(
        InputError, match=f"parameters.{name}: is what {{{name}}} stands for already"
    ):
        load(f"arguments: ['{{{name}}}']", f"{{{name}: 1}}")


def test_replicas_that_would_all_be_the_same(load, caplog):
    caplog.set_level(logging.WARNING)
    words = "arguments: ['{pH}', '{box}'"
    load(f"{words}]")
    load(f"{words}, '{{seed}}']\nreplicas: 2")
    load(f"{words}, 'x-{{replica}}']\nreplicas: 2")
    assert not caplog.messages
    load(f"{words}]\nreplicas: 2")
    load("parameters_file: p.json\nreplicas: 2")
    (said,) = caplog.messages
    assert "study.yaml:5: arguments: names no {seed}" in said


HEAD = "name: s\nparameters: {x: 1}\narguments: ['{x}']\ncollect: {log: '(?P<y>.*)'}\n"


def test_a_program_in_place_of_an_engine(study_file, tmp_path):
    (tmp_path / "in.lj").touch()
    study = load_study(study_file(HEAD + "program: sh -c\nscript: in.lj"))
    assert (study.engine, study.program, study.script) == ("sh", ["sh", "-c"], "in.lj")
    assert (study.snapshot()["engine"], study.snapshot()["program"]) == ("sh", ["sh", "-c"])
    assert Study.from_snapshot(study.snapshot()).snapshot() == study.snapshot()
    alone = load_study(study_file(HEAD + "program: [sh]\nengine: shell"))
    assert (alone.engine, alone.script, alone.script_path.name) == ("shell", "", "sh")
    assert alone.script_hash == file_hash(alone.script_path)
    assert stored_study(alone.snapshot()).count == 1


def test_files_of_the_same_name_in_a_command_are_told_apart(tmp_path):
    names = ["md", "in.lj", "a/in.lj", "b/a/in.lj", "c/x.dat", "run/in.lj"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    *command, script = [tmp_path / name for name in names]
    words = [*map(str, command), str(command[1]), str(script), "-in", "/no/in.lj"]
    assert command_files(words, script) == {
        "md": command[0], f"{tmp_path.name}/in.lj": command[1], "x.dat": command[4],
        f"{tmp_path.name}/a/in.lj": command[2], "b/a/in.lj": command[3],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("program: no-such-program", "5: program: 'no-such-program' cannot be found here"),
        ("program: ./md", "5: program: 'md' cannot be found here; write its path"),
        ("program: sh\nscript: in.lj", "6: script: 'in.lj' cannot be read"),
        ("engine: python", "script: is missing; add a line `script: …`"),
    ],
)
def test_programs_that_are_not_there(study_file, text, message):
    with pytest.raises(InputError) as error:
        engine_of(load_study(study_file(HEAD + text)), Profile())
    assert message in str(error.value)


def test_a_program_that_only_the_profile_has(study_file, tmp_path):
    study = load_study(study_file(HEAD + "program: no-such-program"))
    program = tmp_path / "elsewhere"
    program.write_text("#!/bin/sh")
    program.chmod(0o755)
    settings = {"no-such-program": EngineSettings(command=[str(program), "-x"])}
    found = with_program(study, Profile(engines=settings))
    assert engine_of(found, Profile(engines=settings)).command == (str(program), "-x")
    assert (found.script_path, found.script_hash) == (program, file_hash(program))
    assert found.snapshot() == study.snapshot()
    for command in (["not-here-either"], ["/opt/md"]):  # the workers may have it
        settings = {"no-such-program": EngineSettings(command=command)}
        found = with_program(study, Profile(engines=settings))
        assert str(found.script_path) == Path(command[0]).name
        assert engine_of(found, Profile(engines=settings)).command == (*command,)
    with pytest.raises(InputError, match="under `engines`, 'no-such-program' into the profile"):
        engine_of(with_program(study, Profile()), Profile())


def test_what_a_profile_says_of_a_program(study_file, tmp_path):
    (tmp_path / "in.lj").touch()
    (tmp_path / "md").touch()
    study = load_study(study_file(HEAD + "program: [./md, -in, in.lj]"))
    engine = engine_of(study, Profile())
    here = [str(tmp_path / name) for name in ("md", "in.lj")]
    assert (engine.name, engine.command) == ("md", (here[0], "-in", here[1]))
    assert (engine.is_program, engine.takes_script, engine.may_fork) == (True, False, False)
    settings = EngineSettings(command=["/opt/md", "-x"], ranks=4, environment={"A": "1"})
    engine = engine_of(study, Profile(engines={"md": settings}))
    assert (engine.command, engine.ranks, engine.is_program) == (("/opt/md", "-x"), 4, True)
    assert engine.environment == (("A", "1"),)
    for wrong in ({"start": "fork"}, {"preload": ["numpy"]}):
        profile = Profile(engines={"md": EngineSettings(command=["/opt/md"], **wrong)})
        with pytest.raises(InputError, match=r"engines\.md\.\w+: is for Python; 'md' is a program"):
            engine_of(study, profile)


def test_variables_are_for_fresh_processes(load):
    study = load("environment: {PH: '{pH}', BOX: '{box}'}")
    assert engine_of(study, Profile()).start == "spawn"
    assert engine_of(load(""), Profile()).start == "auto"
    profile = Profile(engines={"python": EngineSettings(start="fork")})
    with pytest.raises(InputError, match=r"engines\.python\.start: is fork, but `environment`"):
        engine_of(study, profile)
