"""What a study says of figures."""

import pytest

from dask_espresso.errors import InputError
from dask_espresso.inputs.stored_study import stored_study
from dask_espresso.inputs.study import load_study


@pytest.fixture
def load(tmp_path):
    """Load a study that says this, too."""

    def make(text=""):
        (tmp_path / "s.py").touch()
        path = tmp_path / "study.yaml"
        head = "name: s\nengine: python\nscript: s.py\nparameters: {phi: [0.1, 0.2], kT: 1}\n"
        path.write_text(head + text)
        return load_study(path)

    return make


LABELS = """labels: {phi: 'volume fraction $\\phi$', p: "P σ³/ε"}"""


def test_labels_change_nothing_but_what_is_shown(load):
    plain, labelled = load(), load(LABELS)
    assert labelled.labels == {"phi": r"volume fraction $\phi$", "p": "P σ³/ε"}
    assert stored_study(labelled.snapshot()).labels == labelled.labels
    assert "labels" not in plain.snapshot()  # a store without is as it was before there were any
    assert list(plain.simulations()) == list(labelled.simulations())
    assert plain.script_hash == labelled.script_hash
    assert [*plain.interface()] == [*labelled.interface()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("labels: phi", r":5: labels: is the text .phi.; write what figures"),
        ("labels: {}", r":5: labels: .*mapping; write what figures"),
        ("labels: {phi: 5}", r":5: labels\.phi: is the number 5; write"),
        ("labels:\n  phi: ' '", r":6: labels\.phi: is the text . .; write"),
        ("labels:\n  phi: '" + "x" * 101 + "'", r":6: labels\.phi: has more than 100 characters"),
        ('labels: {p: "$\\nu$"}', r":5: labels\.p: .* in double quotes a backslash begins"),
        ("labels: {5: a}", r":5: labels: the key .5. is not text"),
    ],
)
def test_labels_that_cannot_be_used_are_named(load, text, said):
    with pytest.raises(InputError, match=said):
        load(text)


# ---- references ----------------------------------------------------------------------------------


def test_a_reference_of_a_file_is_in_the_study_with_its_numbers(load, tmp_path):
    (tmp_path / "theory.csv").write_text("p, kT, phi\n2, 1, 0.3\n1.5, 1, 0.1\n")
    given = {"file": "theory.csv", "x": "phi", "y": "p"}
    study = load("reference: {file: theory.csv, x: phi, y: p}")
    assert study.reference == given | {"at": [0.1, 0.3], "values": [1.5, 2.0]}
    assert stored_study(study.snapshot()).reference == study.reference
    assert list(study.ids()) == list(load().ids())


def test_a_reference_of_a_function_is_computed_at_the_values_and_between(load, tmp_path):
    (tmp_path / "constants.py").write_text("TWO = 2")
    (tmp_path / "theory.py").write_text(
        "from constants import TWO\ndef p(phi):\n"
        "    assert type(phi) is float\n    return TWO * phi if phi < 0.2 else float('nan')\n"
    )
    found = load("reference: theory.py:p").reference
    assert (found["x"], found["y"], found["function"]) == ("phi", "p", "theory.py:p")
    assert (found["at"][0], found["at"][-1], len(found["at"])) == (0.1, 0.2, 200)
    assert found["values"][:-1] == [2 * x for x in found["at"][:-1]]
    assert found["values"][-1] is None
    named = load("reference: {function: theory.py:p, x: phi, y: q, label: Theory}").reference
    assert (named["y"], named["label"]) == ("q", "Theory")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reference: wac", r":5: reference: is the text .wac.; write wca, theory"),
        ("reference: {file: t.csv, x: phi}", r":5: reference: says not which columns"),
        ("reference: {x: phi, y: p}", r":5: reference: has to have either `file` or"),
        ("reference: {file: t.csv, x: phi, z: p}", r":5: reference: unknown key 'z'"),
        ("reference: {file: no.csv, x: phi, y: p}", r"reference\.file: 'no.csv' cannot be read"),
        ("reference: {file: t.csv, x: phj, y: p}", r"unknown column 'phj'; did you mean 'phi'"),
        ("reference: {file: t.csv, x: phi, y: q}", r"t\.csv:3: q is 'two', which is no finite"),
        ("reference: {file: t.csv, x: kT, y: p}", r"t\.csv: has to have .* each with another 'kT'"),
        ("reference: no.py:p", r"no\.py is not there; write"),
        ("reference: t.py:q", r":5: reference: 't\.py:q' cannot be imported \(AttributeError"),
        ("reference: t.py:p", r"takes 'x': unknown parameter 'x'; "),
        ("reference: t.py:f", r"cannot be computed at phi = 0\.1 \(ZeroDivisionError"),
        ("reference: {function: t.py:p, x: kT}", r"kT has no numbers to compute"),
    ],
)
def test_references_that_cannot_be_used_are_named(load, tmp_path, text, said):
    (tmp_path / "t.csv").write_text("phi,kT,p,q\n0.1,1,1,1\n0.3,1,2,two\n")
    (tmp_path / "t.py").write_text("def p(x): return x\ndef f(phi): return 1 / 0\n")
    with pytest.raises(InputError, match=said):
        load(text)
