"""Values that are different, and were perhaps meant to be the same: notes, and no other ids."""

import time

import numpy as np
import pytest

from dask_espresso.inputs.study import load_study

HEAD = "name: s\nengine: python\nscript: s.py\n"
ARGUMENTS = "arguments: ['{x}', '{seed}']\n"


@pytest.fixture
def notes(tmp_path, caplog):
    def notes(text, **files):
        (tmp_path / "s.py").write_text("stdin")
        for name, content in files.items():
            (tmp_path / f"{name}.csv").write_text(content)
        path = tmp_path / "study.yaml"
        path.write_text(HEAD + text)
        caplog.clear()
        load_study(path)
        return [said.removeprefix(f"{path}:") for said in caplog.messages]

    return notes


ODD = 0.1 + 0.2
AGREES = f"`x`: {ODD!r} agrees with 0.3 in 12 digits, and makes other points"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"parameters: {{x: [0.3, {ODD!r}]}}", "4: parameters.x"),
        ("parameters: {}\npoints: runs.csv", "5: points"),
        ("parameters: {y: 1}\nblocks:\n- {x: {start: 0.1, stop: 0.5, step: 0.1}}\n"
         "- {points: runs.csv}", "7: blocks[1].points"),
        ("parameters: {}\nblocks:\n- {points: runs.csv}\n- {x: 0.3}", "6: blocks[0].points"),
        (f"parameters: {{}}\nblocks:\n- {{x: 0.3}}\n- {{x: {ODD!r}}}", "7: blocks[1].x"),
        (f"parameters: {{x: 0.3}}\nblocks: [{{z: 1}}, {{x: {ODD!r}, z: 1}}]", "5: blocks[1].x"),
    ],
)  # fmt: skip
def test_numbers_that_agree(notes, text, place):
    runs = "x\n" + "\n".join(f"{v!r}" for v in np.arange(0.1, 0.5, 0.1).tolist())
    if "blocks" not in text and "csv" in text:
        runs += "\n0.3\n0.3"
    (said,) = notes(text, runs=runs)
    assert said == f"{place}: {AGREES}; write 0.3 in both places, if that is meant"


@pytest.mark.parametrize(
    "text",
    [
        "parameters: {x: [0.3, 0.30000000001, 0.31]}",
        "parameters: {x: [1000000000000001, 1000000000000002, 0, -0.0000001]}",
        "parameters: {x: [0.3, '0.30000000000000004', true]}",
        "parameters: {x: ['1', 1]}",  # the script can tell
        ARGUMENTS + "parameters: {x: ['1', '1.0', 2, a]}",
        "parameters: {}\nblocks:\n- {x: {start: 0, stop: 1, num: 7}}\n"
        "- {x: {start: 0, stop: 2, num: 7}}",
    ],
)
def test_others_are_what_they_are(notes, text):
    assert notes(text) == []


def test_all_pairs_are_counted(notes):
    (said,) = notes(f"parameters: {{x: [0.3, {ODD!r}, 0.6, 0.6000000000000001]}}")
    assert f"{AGREES}, and 1 more such pairs; write" in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("['1', 1.0]", "the text '1' and 1.0 make"),
        ("[1, '1.0', '1']", "the text '1.0' and 1 make"),
        ("['true', true]", "the text 'true' and True make"),
        ("['[1]', {value: [1]}, null]", ""),
    ],
)
def test_a_text_and_a_number_are_the_same_words(notes, values, said):
    found = notes(f"{ARGUMENTS}parameters: {{x: {values}}}")
    assert [said in one for one in found] == [True] * bool(said)
    if found:
        assert found[0].startswith("5: parameters.x: `x`: ")
        assert "two points, and the script is called the same for both" in found[0]


def test_large_studies_cost_nothing(notes):
    study = "parameters: {x: {start: 0, stop: 3000000, step: 1}, y: [0.3, 0.4]}"
    start = time.monotonic()
    assert notes(study) == []
    assert time.monotonic() - start < 2
