"""Targets are checked where they are written: file, line, key, what is wrong, what to do."""

import logging

import pytest

from dask_espresso.errors import InputError
from dask_espresso.inputs.stored_study import stored_study
from dask_espresso.inputs.study import Study, load_study
from dask_espresso.inputs.until import Target, Until

HEAD = "name: s\nengine: python\nscript: script.py\nparameters: {x: [1, 2]}\n"


@pytest.fixture
def load(script, study_file):
    """Load a study with this below its other lines."""
    script("")
    return lambda text: load_study(study_file(HEAD + text))


def test_targets_are_read(load):
    study = load("until: {p: {relative: 0.5 %}, e.kin: {absolute: 2}, replicas: {maximum: 16}}")
    targets = Target("p", 0.005, True), Target("e.kin", 2.0, False)
    assert study.targets == Until(targets, 4, 16)
    assert (study.replicas, study.count, study.n_points) == (16, 32, 2)
    assert Study.from_snapshot(study.snapshot()).targets == study.targets
    assert stored_study(study.snapshot()).targets == study.targets
    assert load("until:\n  p: {relative: 5e-3}").targets == Until(targets[:1], 4, 64)
    assert load("until: {p: {relative: 0.005}, replicas: {maximum: 3}}").targets.minimum == 3
    assert load("until: {p: {absolute: 1}}\nreplicas: 64").replicas == 64


def test_a_study_without_targets_is_stored_as_before(load):
    study = load("replicas: 3")
    assert "until" not in study.snapshot()
    assert study.targets is stored_study(study.snapshot()).targets is None


def test_simulations_by_their_places_are_those_in_turn(load):
    study = load("until: {p: {absolute: 1}, replicas: {maximum: 3, minimum: 1}}")
    assert [study.simulation(place) for place in range(study.count)] == list(study.simulations())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("until:", ":5: until: is nothing"),
        ("until: 0.5 %", ":5: until: is the text '0.5 %'"),
        ("until: {replicas: {maximum: 3}}", "until: names no result"),
        ("until: {p: 0.5 %}", "until.p: is the text '0.5 %' but must be a mapping"),
        ("until:\n  p: {relativ: 1 %}", ":6: until.p.relativ: unknown key 'relativ'; did you mean"),
        ("until: {p: {relative: '0,5 %'}}", "must be a number such as 0.5 % or 0.005"),
        ("until: {p: {absolute: 5 %}}", "until.p.absolute: is the text '5 %' but must be a number"),
        ("until: {p: {absolute: 0}}", "is 0 but must be above 0"),
        ("until: {p: {relative: 100 %}}", "is 100 % but must be above 0 and below 100 %"),
        ("until: {p: {relative: 1 %, absolute: 1}}", "until.p: needs one target"),
        ("until: {p: {}}", "until.p: needs one target"),
        ("until: {'': {absolute: 1}}", "until: has the key '', which names no result"),
        ("until: {p: {absolute: 1}, replicas: 4}", "until.replicas: is the number 4"),
        ("until: {p: {absolute: 1}, replicas: {maxmum: 4}}", "did you mean 'maximum'"),
        ("until: {p: {absolute: 1}, replicas: {minimum: 0}}", "is 0 but must be at least 1"),
        ("until: {p: {absolute: 1}, replicas: {minimum: 2.5}}", "must be a whole number"),
        ("until: {p: {absolute: 1}, replicas: {minimum: 80}}", "less than the minimum of 80"),
        ("until: {p: {absolute: 1}}\nreplicas: 4", ":6: replicas: is 4, but `until` says"),
        ("until: {p: {absolute: 1}, replicas: {maximum: 9999999}}", "makes 19,999,998 simulations"),
        ("untill: {p: {absolute: 1}}", "did you mean 'until'"),
    ],
)
def test_what_cannot_be_meant_is_refused(load, text, said):
    with pytest.raises(InputError) as caught:
        load(text)
    assert said in str(caught.value)
    assert "study.yaml:" in str(caught.value)


def test_a_part_that_may_be_meant_in_percent(load, caplog):
    with caplog.at_level(logging.WARNING):
        load("until: {p: {relative: 0.5}}")
    assert "is read as 50 %; write `0.5 %`" in caplog.text
    caplog.clear()
    load("until: {p: {relative: 50 %}, q: {relative: 0.05}}")
    assert not caplog.text
