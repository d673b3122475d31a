import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dask_espresso.process.memo import Memo


class World:
    """What there is to find out, and the time that it takes."""

    def __init__(self, *answers, takes=1.0):
        self.answers = list(answers)
        self.takes = takes
        self.now = 0.0

    def find(self, _):
        self.now += self.takes
        return self.answers.pop(0)

    def memo(self):
        return Memo(self.find, is_lasting=lambda found: found != "failure", clock=lambda: self.now)


def test_what_lasts_is_found_once():
    memo = World("found", "found again").memo()
    assert [memo("engine") for _ in range(3)] == ["found"] * 3
    assert memo("another engine") == "found again"


def test_a_failure_is_found_once_more_after_a_while():
    world = World("failure", "failure", "found")
    memo = world.memo()
    assert [memo("engine") for _ in range(3)] == ["failure"] * 3
    assert len(world.answers) == 2
    world.now += 20
    assert memo("engine") == "failure"
    world.now += 19.9
    assert memo("engine") == "failure"
    world.now += 0.1
    assert memo("engine") == "found"


def test_an_error_is_not_kept():
    memo = Memo([ValueError("not yet"), "found"].pop)
    assert memo(-1) == "found"
    errors = iter([OSError("not yet")])

    def find(_):
        for error in errors:
            raise error
        return "found"

    memo = Memo(find)
    with pytest.raises(OSError, match="not yet"):
        memo("engine")
    assert memo("engine") == "found"


def test_many_who_ask_wait_for_one():
    may_end, calls = threading.Event(), []

    def find(asked):
        calls.append(asked)
        may_end.wait(30)
        return asked

    memo = Memo(find)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(memo, "slow") for _ in range(3)]
        may_end.set()
        assert [answer.result() for answer in answers] == ["slow"] * 3
    assert calls == ["slow"]
    assert memo.found() == ["slow"]
