"""Values that look like something else than what they are read as."""

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.misreadings import misreading
from dask_espresso.profile import load_profile
from dask_espresso.study import load_study

STUDY = "name: s\nengine: python\nscript: echo\nparameters:\n"


@pytest.mark.parametrize(
    ("text", "read", "write"),
    [
        ("no", "the text 'no'", "false for"),
        ("Off", "the text 'Off'", "false for"),
        ("YES", "the text 'YES'", "true for"),
        ("none", "the text 'none'", "null for"),
        ("~", "nothing", "null if"),
        ("", "nothing", "null if"),
        ("1_000", "the text '1_000'", "1000 for"),
        ("0,5", "the text '0,5'", "0.5 for"),
        ("0.1,0.3", "the text '0.1,0.3'", "[0.1, 0.3] for the list"),
        ("1, 2, 3", "the text '1, 2, 3'", "[1, 2, 3] for the list"),
        ("1,000", "the text '1,000'", "1000 or 1.000 for"),
        ("1,000,000.5", "the text '1,000,000.5'", "1000000.5 for"),
        ("1 000", "the text '1 000'", "1000 for"),
        ("1.0d-3", "the text '1.0d-3'", "1.0e-3 for"),
        ("\u22121.5", "the text '\u22121.5'", "-1.5 for"),
        ("12:30:00", "the text '12:30:00'", "a decimal one for"),
        ("1/3", "the text '1/3'", "a decimal one for"),
        ("0b101", "the text '0b101'", "a decimal one for"),
        ("-inf", "the text '-inf'", ".inf or .nan for"),
        ("010", "the number 10", "10 for"),
    ],
)
def test_a_note_on_what_was_read(study_file, caplog, text, read, write):
    path = study_file(f"{STUDY}  a: 1\n  b: {text}\n")
    load_study(path)
    (record,) = caplog.records
    place, key, said = record.getMessage().split(": ", 2)
    assert (place, key) == (f"{path}:6", "parameters.b")
    assert said.startswith(f"is read as {read}; write {write}")
    caplog.clear()
    load_study(study_file(f"{STUDY}  a: 1\n  b: '{text}'\n"))
    assert not caplog.records


@pytest.mark.parametrize(
    "text",
    [
        *("1e5", "1.5e-3", "+1", ".5", "5.", "0x10", "0o10", "0", "-0.0", "true", "null"),
        *("y", "abc", "2024-01-01", "1.2.3", "5 nm", "a,b", "x1", "north", "e5", "1-2"),
    ],
)
def test_what_surprises_nobody(study_file, caplog, text):
    load_study(study_file(f"{STUDY}  a: {text}\n"))
    assert not caplog.records


def test_notes_in_lists_and_on_the_command_line(study_file, caplog):
    path = study_file(f"{STUDY}  a: [1, 0,5, no]\n  b: {{value: [1_0]}}\n  c: 2,5\n")
    result = CliRunner().invoke(main, ["try", str(path), "--set", "c=3,5", "--set", "b=on"])
    assert result.exit_code == 0
    notes = [message for message in caplog.messages if "is read as" in message]
    assert [note.partition(" is read")[0] for note in notes] == [
        f"{path}:5: parameters.a[3]:", "--set c=3,5: parameters.c:", "--set b=on: parameters.b:",
    ]  # fmt: skip


def test_texts_of_a_profile_are_as_they_are_written(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(
        "cluster: slurm\nengines:\n  python: {environment: {A: 010, B: 1.10, C: no, D: 0x10}}\n"
        "options: {cores: 1, memory: 1 GB, account: 0123, queue: 007}\n"
    )
    profile = load_profile(path)
    assert dict(profile.engine("python").environment) == {
        "A": "010", "B": "1.10", "C": "no", "D": "0x10",
    }  # fmt: skip
    assert (profile.option("account"), profile.option("queue")) == ("0123", "007")


def test_a_number_has_one_reading():
    assert misreading("1_000", 1000) == ""
