"""Values that look like something else than what they are read as."""

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.errors import InputError
from dask_espresso.inputs.misreadings import misreading
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.study import load_study

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
        ("1 e5", "the text '1 e5'", "1e5 for"),
        ("1.0d-3", "the text '1.0d-3'", "1.0e-3 for"),
        ("\u22121.5", "the text '\u22121.5'", "-1.5 for"),
        ("12:30:00", "the text '12:30:00'", "a decimal one for"),
        ("1/3", "the text '1/3'", "what it comes to for"),
        ("0b101", "the text '0b101'", "a decimal one for"),
        ("-inf", "the text '-inf'", "a finite one for"),
        ("NaN", "the text 'NaN'", "a finite one for"),
        ("1 2 3", "the text '1 2 3'", "[1, 2, 3] for the list"),
        ("1;2;3", "the text '1;2;3'", "[1, 2, 3] for the list"),
        ("(1, 2, 3)", "the text '(1, 2, 3)'", "[1, 2, 3] for the list"),
        ("range(3)", "the text 'range(3)'", "{start: "),
        (
            "np.logspace(0, 1, 5)",
            "the text 'np.logspace(0, 1, 5)'",
            "{start: 0.1, stop: 10, num: 3, scale: log}",
        ),
        ("np.linspace(0, 1, 5)", "the text 'np.linspace(0, 1, 5)'", "{start: "),
        ("0.1:0.5:0.1", "the text '0.1:0.5:0.1'", "{start: "),
        ("0.1..0.5", "the text '0.1..0.5'", "{start: "),
        ("1..5", "the text '1..5'", "{start: "),
        ("2**10", "the text '2**10'", "what it comes to for"),
        ("2^10", "the text '2^10'", "what it comes to for"),
        ("1 / 3", "the text '1 / 3'", "what it comes to for"),
        ("1.5*(2+3)", "the text '1.5*(2+3)'", "what it comes to for"),
        ("0X1F", "the text '0X1F'", "a decimal one for"),
        ("0o8", "the text '0o8'", "a decimal one for"),
        ("\u0663,\u0665", "the text '\u0663,\u0665'", "3.5 for"),
        ("1e-400", "the number 0.0", "0.0 for"),
        ("1e-99999999999999999999", "the number 0.0", "0.0 for"),
        ("9007199254740993.0", "the number 9007199254740992.0", "9007199254740992.0 for"),
        ("0.12345678901234567890", "the number 0.12345678901234568", "0.12345678901234568 for"),
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
        *("[1,2,3]", "[1, 2]", "{value: [[1,2], [3,4]]}", "[1e5, 0.10]", "{value: [a,b, c]}"),
        *(
            "1E+05",
            "1.50",
            "0.10000000000000",
            "100e-2",
            "5e-324",
            "1e23",
            "e-mail",
            "a*b",
            "n/a",
            "v..2",
        ),
        "0e99999999999999999999",
        *("y", "abc", "2024-01-01", "1.2.3", "5 nm", "a,b", "x1", "north", "e5", "1-2"),
    ],
)
def test_what_surprises_nobody(study_file, caplog, text):
    load_study(study_file(f"{STUDY}  a: {text}\n"))
    assert not caplog.records


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[0,5, 1]", "3 values; write [0.5, 1] for decimals, or [0, 5, 1] for these"),
        ("[0.1, 1,5e3]", "3 values; write [0.1, 1.5e3] for decimals, or [0.1, 1, 5000.0] for"),
        ("[0,5, 1e3]", "3 values; write [0.5, 1e3] for decimals, or [0, 5, 1000.0] for these"),
        ("[0,5, 1,6]", "4 values; write [0.5, 1.6] for decimals, or [0, 5, 1, 6] for these"),
        ("{value: [0,5, -1,5]}", "4 values; write [0.5, -1.5] for decimals, or [0, 5, -1, 5]"),
    ],
)
def test_decimal_commas_in_lists(study_file, caplog, text, read):
    load_study(study_file(f"{STUDY}  a: {text}\n"))
    (message,) = caplog.messages
    assert f": is read as {read}" in message


def test_several_notes_on_one_list(study_file, caplog):
    load_study(study_file(f"{STUDY}  a: [0,5, 1_000]\n"))
    assert ["[0.5, 1_000] for decimals" in message for message in caplog.messages] == [True, False]
    assert ["the text '1_000'" in message for message in caplog.messages] == [False, True]


def test_a_note_comes_before_the_error_that_it_explains(study_file, caplog):
    path = study_file(f"{STUDY}  a: [0,5, 1,5]\n")
    with pytest.raises(InputError, match="has the value 5 twice"):
        load_study(path)
    assert "write [0.5, 1.5] for decimals" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{start: 0, stop: 1, step: 0.3}",
            "ends at 0.9, since steps of 0.3 do not meet the stop 1",
        ),
        ("{start: 1, stop: 2, step: 5}", "ends at 1, since steps of 5 do not meet the stop 2"),
        ("{start: 1.0, stop: 0, step: -0.4}", "ends at 0.2, since steps of -0.4 do not meet"),
        ("{start: 0, stop: 1, step: 0.1}", ""),
        ("{start: 0.1, stop: 0.51, step: 0.01}", ""),
        ("{start: 0, stop: 1, num: 4}", ""),
        ("{start: 1, stop: 1, step: 1}", ""),
    ],
)
def test_a_range_that_does_not_meet_its_stop(study_file, caplog, text, said):
    path = study_file(f"{STUDY}  a: {text}\n")
    load_study(path)
    found = [message.startswith(f"{path}:5: parameters.a: {said}") for message in caplog.messages]
    assert found == ([True] if said else [])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("time_limit: 10", "time_limit: is read as 10 seconds; write a unit, as in `10 s`"),
        ("time_limit: 1.5", "time_limit: is read as 1.5 seconds"),
        ("time_limit: '30'", "time_limit: is read as 30 seconds"),
        ("time_limit: 10 min", ""),
        ("time_limit: 01:00:00", ""),
        ("seed: 010", "seed: is read as the number 10"),
        ("replicas: 02", "replicas: is read as the number 2"),
    ],
)
def test_notes_on_other_keys(study_file, caplog, line, said):
    load_study(study_file(f"{STUDY}  a: 1\n{line}\n"))
    assert [said in message for message in caplog.messages] == ([True] if said else [])


def test_notes_on_profiles(tmp_path, caplog):
    (tmp_path / "p.yaml").write_text("cluster: local\nworker_timeout: 24\n")
    load_profile(tmp_path / "p.yaml")
    (message,) = caplog.messages
    assert "p.yaml:2: worker_timeout: is read as 24 seconds; write a unit" in message


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


def test_long_texts_take_no_time():
    for part in ("1..1", "1:", "1*", "1,1", "'"):
        assert misreading(part * 100_000, part * 100_000) == ""
