"""How a study says that a script takes its parameters."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso import load_study
from dask_espresso.errors import BadValueError, InputError
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
    (said,) = caplog.messages
    assert "study.yaml:5: arguments: names no {seed}" in said
