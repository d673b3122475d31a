import errno
import logging
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from dask_espresso.errors import InputError
from dask_espresso.store import journal as journal_module
from dask_espresso.store.journal import Journal, read_journal

RECORDS = [b"one", b"two" * 100, b"\xc1REC", b"\0"]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "a.journal", b"description")
    journal.append([(record,) for record in RECORDS])
    journal.close()
    return journal


def test_records_come_back(journal):
    assert list(read_journal(journal.path)) == [b"description", *RECORDS]


def test_reopening_goes_on(journal, caplog):
    with caplog.at_level(logging.WARNING):
        again = Journal(journal.path, b"second")
    again.append([(b"three",)])
    again.close()
    assert caplog.text == ""
    assert list(read_journal(journal.path)) == [b"description", *RECORDS, b"second", b"three"]


def test_torn_tail_is_cut_at_every_length(journal, caplog):
    whole = journal.path.read_bytes()
    kept = list(read_journal(journal.path))
    journal.path.write_bytes(whole + whole[-20:])
    for length in range(len(whole)):
        journal.path.write_bytes(whole[:length])
        records = list(read_journal(journal.path))
        assert records == kept[: len(records)]
        again = Journal(journal.path, b"again")
        again.close()
        assert list(read_journal(journal.path)) == [*records, b"again"]
    assert "torn record" in caplog.text


def test_damage_in_the_middle_costs_one_record(journal, caplog):
    data = bytearray(journal.path.read_bytes())
    at = data.index(b"twotwo") + 3
    data[at] ^= 1
    journal.path.write_bytes(data)
    records = list(read_journal(journal.path))
    assert records == [b"description", RECORDS[0], *RECORDS[2:]]
    assert "damaged bytes" in caplog.text


def test_forgetting_empties(journal):
    again = Journal(journal.path, b"new")
    again.forget(again.end)
    again.append([(b"x",)])
    again.close()
    assert list(read_journal(journal.path)) == [b"new", b"x"]
    assert list(journal.path.parent.iterdir()) == [journal.path]


def test_what_comes_after_what_is_forgotten_stays(tmp_path):
    journal = Journal(tmp_path / "a.journal", b"d")
    journal.append([(b"one",), (b"two",)])
    end = journal.end
    journal.append([(b"three",)])
    assert list(read_journal(journal.path, end)) == [b"d", b"one", b"two"]
    journal.forget(end)
    assert list(read_journal(journal.path)) == [b"d", b"three"]
    journal.append([(b"four",)])
    journal.close()
    assert list(read_journal(journal.path)) == [b"d", b"three", b"four"]


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
    assert list(read_journal(tmp_path / "a.journal")) == []


def test_driver_before_can_tell_that_it_has_lost_the_journal(tmp_path):
    """It has stood still for so long that another one took the store over."""
    path = tmp_path / "a.journal"
    first = Journal(path, b"first", may_replace=lambda: not path.exists())
    first.append([(b"one",)])
    second = Journal(path, b"second")
    with pytest.raises(OSError, match="taken the store over"):
        first.append([(b"late",)])
    first.remove()
    second.append([(b"two",)])
    second.close()
    assert list(read_journal(path)) == [b"first", b"one", b"second", b"two"]


def test_what_is_appended_during_the_copying_is_taken_along(tmp_path, monkeypatch):
    path = tmp_path / "a.journal"
    first = Journal(path, b"first")
    replace = journal_module.replace_file

    def interrupted(*arguments, **options):
        first.append([(b"late",)])
        return replace(*arguments, **options)

    monkeypatch.setattr(journal_module, "replace_file", interrupted)
    second = Journal(path, b"second")
    assert b"late" in list(read_journal(path))
    assert list(read_journal(path))[-1] == b"second"
    first.close()
    second.close()


@pytest.mark.parametrize("how", ["unlink", "move"])
def test_journal_taken_away_is_put_back(tmp_path, caplog, how):
    path = tmp_path / "a.journal"
    journal = Journal(path, b"d")
    journal.append([(b"one",)])
    if how == "move":
        path.rename(tmp_path / "moved")
    else:
        path.unlink()
    journal.append([(b"two",)])
    assert list(read_journal(path)) == [b"d", b"one", b"two"]
    assert "moved or deleted, and has been written again" in caplog.text
    path.unlink()
    journal.forget(journal.end)
    assert list(read_journal(path)) == [b"d"]
    journal.close()


@pytest.mark.parametrize("at", [0, 10, 22])
def test_damage_of_the_first_line_costs_nothing(journal, at):
    data = bytearray(journal.path.read_bytes())
    data[at] ^= 1
    journal.path.write_bytes(data)
    assert list(read_journal(journal.path)) == [b"description", *RECORDS]


def test_lost_blocks_are_no_records(journal):
    """A file system may leave zeros where it has not written yet."""
    data = journal.path.read_bytes()
    journal.path.write_bytes(data + b"\xc1REC" + bytes(4096))
    assert list(read_journal(journal.path)) == [b"description", *RECORDS]
    journal.path.write_bytes(bytes(len(data)))
    assert list(read_journal(journal.path)) == []
    Journal(journal.path, b"again").close()
    assert list(read_journal(journal.path)) == [b"again"]


def test_what_cannot_be_appended_leaves_no_trace(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "a.journal", b"d")
    write = os.write

    def full(fd, data):
        if len(data) > 50:
            return write(fd, data[:50])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            journal.append([(b"x" * 80,)])
    journal.append([(b"y",)])
    journal.close()
    assert list(read_journal(journal.path)) == [b"d", b"y"]


def test_file_systems_that_cannot_sync_a_directory(tmp_path, monkeypatch):
    fsync = os.fsync

    def refuse(fd):
        if Path(f"/proc/self/fd/{fd}").is_dir():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", refuse)
    Journal(tmp_path / "a.journal", b"d").close()
    assert list(read_journal(tmp_path / "a.journal")) == [b"d"]


# ---- large records -------------------------------------------------------------------------------

MANY = np.arange(1 << 20, dtype=np.int64)


@pytest.mark.parametrize("made", [lambda a: a, memoryview, lambda a: a.view(np.uint8), bytes])
def test_records_in_pieces_come_back(tmp_path, made):
    journal = Journal(tmp_path / "a.journal", b"d")
    tracemalloc.start()
    try:
        large = made(MANY)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        journal.append([(b"one",), (b"<", large, b"|", large, b">"), (b"two", b"three")])
        assert tracemalloc.get_traced_memory()[1] - before < MANY.nbytes / 8
    finally:
        tracemalloc.stop()
    journal.close()
    whole = MANY.tobytes()
    expected = [b"d", b"one", b"<" + whole + b"|" + whole + b">", b"twothree"]
    assert list(read_journal(journal.path)) == expected
    Journal(journal.path, b"again").close()
    assert list(read_journal(journal.path)) == [*expected, b"again"]


def test_journal_with_large_records_that_is_taken_away_is_put_back(tmp_path):
    journal = Journal(tmp_path / "a.journal", b"d")
    journal.append([(b"<", MANY, b">")])
    journal.path.unlink()
    journal.append([(b"one",)])
    expected = [b"d", b"<" + MANY.tobytes() + b">", b"one"]
    assert list(read_journal(journal.path)) == expected
    journal.forget(journal.end, lambda: False)
    journal.close()
    assert list(read_journal(journal.path)) == expected


def test_damage_between_large_records_costs_one(tmp_path, caplog):
    records = [bytes([i]) * (3 << 20) for i in range(3)]
    journal = Journal(tmp_path / "a.journal", b"d")
    journal.append([(record,) for record in records])
    journal.close()
    data = bytearray(journal.path.read_bytes())
    data[data.index(records[1])] ^= 1
    journal.path.write_bytes(data)
    assert list(read_journal(journal.path)) == [b"d", records[0], records[2]]
    assert "damaged bytes" in caplog.text


def test_small_records_are_written_at_once(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "a.journal", b"d")
    calls = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: calls.append(fd) or write(fd, data))
    journal.append([(b"x" * 1000, b"y")] * 100)
    assert len(calls) == 1
    journal.close()


def test_a_record_too_large_leaves_no_trace(tmp_path):
    journal = Journal(tmp_path / "a.journal", b"d")
    with pytest.raises(ValueError, match="less than 4 GiB"):
        journal.append([(b"one", MANY), (MANY,) * 513])
    journal.append([(b"two",)])
    journal.close()
    assert list(read_journal(journal.path)) == [b"d", b"two"]
