"""Which results are fetched together, on a scheduler that keeps some of them back."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

from dask_espresso.cluster.transfers import Transfers

SIZES = {"a": 100, "b": 2000, "large": 1 << 20, "larger": 1 << 24}  # bytes


@dataclass(frozen=True)
class Task:
    """What is known of a future."""

    key: str


class Scheduler:
    """Has all results on one worker; those that are kept back do not come until they are let go."""

    def __init__(self, kept_back):
        self.kept_back, self.may_go, self.asked = kept_back, asyncio.Event(), []

    async def who_has(self, keys):
        return {key: ["tcp://w"] for key in keys}

    async def nbytes(self, keys, summary):
        return {key: SIZES[key] for key in keys}

    async def gather(self, keys):
        self.asked.append(keys)
        if self.kept_back & {*keys}:
            await self.may_go.wait()
        return {"status": "OK", "data": {key: key.upper() for key in keys}}


def fetch(kept_back):
    """Give what is asked for, and what comes before and after what is kept back is let go."""

    async def scenario():
        scheduler, news = Scheduler(kept_back), asyncio.Queue()
        loop = SimpleNamespace(asyncio_loop=asyncio.get_running_loop())
        client = SimpleNamespace(scheduler=scheduler, loop=loop)
        transfers = Transfers(client, news.put_nowait)
        transfers.begin([Task(key) for key in SIZES])
        free = len(SIZES) - len(kept_back)
        arrivals = [await asyncio.wait_for(news.get(), 60) for _ in range(free)]
        assert news.empty()
        assert transfers.under_way == ({"tcp://w": len(kept_back)} if kept_back else {})
        scheduler.may_go.set()
        arrivals += [await asyncio.wait_for(news.get(), 60) for _ in kept_back]
        assert all(arrival.result == arrival.future.key.upper() for arrival in arrivals)
        return scheduler.asked, [arrival.future.key for arrival in arrivals]

    return asyncio.run(scenario())


def test_small_ones_come_together_and_large_ones_one_by_one():
    asked, came = fetch(set())
    assert sorted(asked) == [["a", "b"], ["large"], ["larger"]]
    assert sorted(came) == sorted(SIZES)


def test_large_ones_hold_up_no_small_ones():
    _, came = fetch({"large", "larger"})
    assert sorted(came[:2]) == ["a", "b"]


def test_small_ones_hold_up_no_large_ones():
    _, came = fetch({"a", "b"})
    assert came[:2] == ["large", "larger"]
