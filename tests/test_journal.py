import logging

import pytest

from dask_espresso.errors import InputError
from dask_espresso.journal import Journal, read_journal

RECORDS = [b"one", b"two" * 100, b"\xc1REC", b""]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "a.journal", b"description")
    journal.append(RECORDS)
    journal.close()
    return journal


def test_records_come_back(journal):
    records, end = read_journal(journal.path)
    assert records == [b"description", *RECORDS]
    assert end == journal.path.stat().st_size


def test_reopening_goes_on(journal, caplog):
    with caplog.at_level(logging.WARNING):
        again = Journal(journal.path, b"second")
    again.append([b"three"])
    again.close()
    assert caplog.text == ""
    assert read_journal(journal.path)[0] == [b"description", *RECORDS, b"second", b"three"]


def test_torn_tail_is_cut_at_every_length(journal, caplog):
    whole = journal.path.read_bytes()
    kept, _ = read_journal(journal.path)
    journal.path.write_bytes(whole + whole[-20:])
    for length in range(len(whole)):
        journal.path.write_bytes(whole[:length])
        records, _ = read_journal(journal.path)
        assert records == kept[: len(records)]
        again = Journal(journal.path, b"again")
        again.close()
        assert read_journal(journal.path)[0] == [*records, b"again"]
    assert "torn record" in caplog.text


def test_damage_in_the_middle_costs_one_record(journal, caplog):
    data = bytearray(journal.path.read_bytes())
    at = data.index(b"twotwo") + 3
    data[at] ^= 1
    journal.path.write_bytes(data)
    records, _ = read_journal(journal.path)
    assert records == [b"description", RECORDS[0], *RECORDS[2:]]
    assert "damaged bytes" in caplog.text


def test_restart_empties(journal):
    again = Journal(journal.path, b"new")
    again.restart()
    again.append([b"x"])
    again.close()
    assert read_journal(journal.path)[0] == [b"new", b"x"]
    assert list(journal.path.parent.iterdir()) == [journal.path]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"hello", "not a journal"), (b"dask_espresso journal 2\n", "newer dask_espresso")],
)
def test_not_a_journal(tmp_path, content, message):
    path = tmp_path / "a.journal"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Journal(path, b"")
    assert path.read_bytes() == content


def test_no_journal(tmp_path):
    assert read_journal(tmp_path / "a.journal") == ([], 0)
