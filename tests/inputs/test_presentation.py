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
