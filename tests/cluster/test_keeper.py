import asyncio
import time
from types import SimpleNamespace

import dask
import pytest
from distributed.core import Status

from dask_espresso.cluster.demand import Demand
from dask_espresso.cluster.keeper import Keeper
from dask_espresso.cluster.roster import Roster
from dask_espresso.inputs.profile import Jobs
from dask_espresso.systems.batch import BatchError
from dask_espresso.systems.queue import ListedQueue, QueuedJob


class FakeScheduler(SimpleNamespace):
    """Has workers, of which the names are the addresses."""

    @property
    def aliases(self):
        return {name: name for name in self.workers}


class FakeBatch:
    """A batch system, its queue, and the scheduler that its jobs' workers register with."""

    def __init__(self, processes=1, cores=1):
        batch = self

        class FakeJob:
            cancel_command = None

            def __init__(self, scheduler, name, **options):
                self.name = name
                self.job_id = None

            def __await__(self):
                return self.start().__await__()

            async def start(self):
                await asyncio.sleep(batch.submission_takes)
                if batch.refusal:
                    raise RuntimeError(f"Command exited\nstderr:\n{batch.refusal}\n")
                self.job_id = str(len(batch.submitted) + 1)
                batch.submitted.append(self)
                batch.queue[self.job_id] = QueuedJob(self.name, "waiting", "Priority")
                return self

            async def close(self):
                batch.cancelled.append(self.job_id)
                if not batch.cannot_cancel:
                    batch.end(self.job_id)

        self.new_spec = {"cls": FakeJob, "options": {"processes": processes, "cores": cores}}
        self.scheduler = FakeScheduler(
            workers={},
            address="tls://127.0.0.1:1",
            remove_worker=self.remove_worker,
            retire_workers=self.retire_workers,
            add_plugin=lambda plugin, **_: self.plugins.append(plugin),
        )
        self.processes = processes
        self.submitted, self.cancelled, self.retired, self.plugins = [], [], [], []
        self.queue = {}
        self.refusal = ""
        self.submission_takes = 0.0
        self.cannot_cancel = self.does_not_answer = False
        self.now = 1000.0

    async def look(self):
        if self.does_not_answer:
            raise BatchError("squeue: Connection refused")
        return dict(self.queue)

    async def remove_worker(self, address, **_):
        self.scheduler.workers.pop(address)

    async def retire_workers(self, workers, **_):
        self.retired += workers
        for address in workers:
            self.scheduler.workers.pop(address)

    def state(self, job_id, state, reason=""):
        self.queue[job_id] = QueuedJob(self.queue[job_id].name, state, reason)

    def start(self, job_id):
        """Let a job run and its workers register."""
        self.state(job_id, "running")
        name = self.queue[job_id].name
        for i in range(self.processes):
            worker = name if self.processes == 1 else f"{name}-{i}"
            self.scheduler.workers[worker] = SimpleNamespace(
                name=worker,
                address=worker,
                status=Status.running,
                processing={"task"},
                executing={"task": 1.0},
                last_seen=time.time(),
            )

    def end(self, job_id):
        """Let a job vanish with its workers."""
        job = self.queue.pop(job_id, None)
        if job:
            for address in [a for a in self.scheduler.workers if a.startswith(job.name)]:
                del self.scheduler.workers[address]


@pytest.fixture
def batch():
    return FakeBatch()


def keeper_of(batch, jobs=2, work_left=100, **options):
    keeper = Keeper(batch, batch, jobs, clock=lambda: batch.now, **options)
    keeper.work_left = work_left
    return keeper


def look(keeper, batch, after=1.0):
    """Look once, some seconds later."""
    batch.now += after
    asyncio.run(keeper.look())
    return [(job.id, job.state) for job in keeper.roster.jobs]


def started(batch, jobs=2, **options):
    """Give a keeper whose jobs work for a while already."""
    keeper = keeper_of(batch, jobs, **options)
    look(keeper, batch)
    for job_id in list(batch.queue):
        batch.start(job_id)
    look(keeper, batch)
    for _ in range(4):
        look(keeper, batch, 20)
    return keeper


def test_submits_as_many_as_wanted_and_says_what_they_wait_for(batch):
    keeper = keeper_of(batch)
    assert look(keeper, batch) == [("1", "waiting"), ("2", "waiting")]
    assert look(keeper, batch) == [("1", "waiting"), ("2", "waiting")]
    assert keeper.roster.describe() == "jobs: 2 waiting (Priority)"
    batch.state("1", "running")
    assert look(keeper, batch) == [("1", "starting"), ("2", "waiting")]
    batch.start("1")
    assert look(keeper, batch) == [("1", "working"), ("2", "waiting")]


def test_names_are_unique_among_keepers(batch):
    keeper, other = keeper_of(batch), keeper_of(batch)
    look(keeper, batch)
    look(other, batch)
    assert len({job.name for job in batch.submitted}) == 4


def test_no_more_jobs_than_simulations(batch):
    keeper = keeper_of(batch, jobs=8, work_left=3)
    assert len(look(keeper, batch)) == 3


def test_a_job_that_vanished_is_replaced_at_once(batch):
    keeper = started(batch)
    batch.end("1")
    assert look(keeper, batch) == [("2", "working"), ("3", "waiting")]


def test_all_jobs_vanished(batch):
    keeper = started(batch)
    batch.end("1")
    batch.end("2")
    assert look(keeper, batch) == [("3", "waiting"), ("4", "waiting")]


def test_a_held_job_is_cancelled_and_replaced(batch):
    keeper = keeper_of(batch, jobs=1)
    look(keeper, batch)
    batch.state("1", "held", "JobHeldAdmin")
    assert look(keeper, batch) == [("1", "ending")]
    assert batch.cancelled == ["1"]
    assert "was held: JobHeldAdmin" in keeper.roster.problem
    assert look(keeper, batch, 3) == [("2", "waiting")]


def test_a_job_that_ended_before_its_worker_registered_is_replaced_with_back_off(batch):
    keeper = keeper_of(batch, jobs=1)
    look(keeper, batch)
    waits = []
    for _ in range(7):
        batch.end(batch.submitted[-1].job_id)
        look(keeper, batch, 0)
        n, before = len(batch.submitted), batch.now
        while len(batch.submitted) == n:
            look(keeper, batch, 0.5)
        waits.append(batch.now - before)
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    assert "ended before its worker registered" in keeper.roster.problem


def test_after_a_failure_one_job_at_a_time_until_one_has_come_up(batch):
    keeper = keeper_of(batch, jobs=5)
    batch.refusal = "sbatch: error: partition is inactive"
    assert look(keeper, batch) == []
    assert keeper.roster.problem.endswith("refused: sbatch: error: partition is inactive")
    batch.refusal = ""
    assert look(keeper, batch, 3) == [("1", "waiting")]
    assert look(keeper, batch, 100) == [("1", "waiting")]
    batch.start("1")
    assert len(look(keeper, batch)) == 5
    assert keeper.roster.problem == ""


def test_a_worker_that_never_registers_is_replaced(batch):
    keeper = keeper_of(batch, jobs=1)
    look(keeper, batch)
    batch.state("1", "running")
    look(keeper, batch)
    for _ in range(14):
        assert look(keeper, batch, 20) == [("1", "starting")]
    for _ in range(2):
        look(keeper, batch, 20)
    assert batch.cancelled == ["1"]
    assert "ran for 300 s without its worker registering" in keeper.roster.problem


def test_waiting_in_the_queue_is_no_failure(batch):
    keeper = keeper_of(batch, jobs=1)
    for _ in range(100):
        assert look(keeper, batch, 20) in ([("1", "waiting")],)


def test_a_worker_that_hangs_is_replaced(batch):
    keeper = started(batch)
    batch.scheduler.workers[batch.queue["1"].name].last_seen -= 61
    assert look(keeper, batch) == [("1", "working"), ("2", "working")]
    assert look(keeper, batch, 2) == [("2", "working"), ("1", "ending")]
    assert look(keeper, batch) == [("2", "working"), ("3", "waiting")]


def test_a_driver_that_was_stopped_itself_blames_no_worker(batch):
    keeper = started(batch)
    for worker in batch.scheduler.workers.values():
        worker.last_seen -= 600
    assert look(keeper, batch, 600) == [("1", "working"), ("2", "working")]
    for worker in batch.scheduler.workers.values():
        worker.last_seen = time.time()
    assert look(keeper, batch) == [("1", "working"), ("2", "working")]


def test_a_clock_that_jumps_blames_no_worker(batch):
    keeper = started(batch)
    for worker in batch.scheduler.workers.values():
        worker.last_seen -= 3600
    look(keeper, batch)
    for worker in batch.scheduler.workers.values():
        worker.last_seen = time.time()
    for _ in range(3):
        assert look(keeper, batch) == [("1", "working"), ("2", "working")]


def test_several_processes_a_job():
    batch = FakeBatch(processes=2, cores=2)
    keeper = started(batch, jobs=1)
    assert len(batch.scheduler.workers) == 2
    del batch.scheduler.workers[f"{batch.queue['1'].name}-1"]
    look(keeper, batch)
    assert look(keeper, batch, 10) == [("1", "working")]  # a nanny may bring it back
    assert look(keeper, batch, 10) == [("1", "ending")]
    assert look(keeper, batch) == [("2", "waiting")]


def test_a_job_that_the_batch_system_requeued_is_waited_for(batch):
    keeper = started(batch)
    name = batch.queue["1"].name
    del batch.scheduler.workers[name]
    batch.state("1", "waiting", "BeginTime")
    assert look(keeper, batch) == [("1", "waiting"), ("2", "working")]
    for _ in range(20):
        look(keeper, batch, 20)
    batch.start("1")
    assert look(keeper, batch) == [("1", "working"), ("2", "working")]
    assert batch.cancelled == []


def test_a_queue_that_does_not_answer_proves_nothing(batch):
    keeper = started(batch)
    batch.does_not_answer = True
    for _ in range(5):
        assert look(keeper, batch) == [("1", "working"), ("2", "working")]
    batch.does_not_answer = False
    assert look(keeper, batch) == [("1", "working"), ("2", "working")]


def test_a_job_counts_until_it_has_left_the_queue(batch):
    keeper = started(batch, jobs=1)
    batch.cannot_cancel = True
    batch.state("1", "held", "JobHeldUser")
    for _ in range(20):
        assert look(keeper, batch, 10) == [("1", "ending")]
    assert batch.cancelled.count("1") >= 3
    batch.end("1")
    assert look(keeper, batch) == [("2", "waiting")]


def test_a_worker_that_leaves_is_retired_when_its_simulations_have_ended(batch):
    keeper = started(batch, jobs=1)
    worker = batch.scheduler.workers[batch.queue["1"].name]
    worker.status = Status.closing_gracefully
    assert look(keeper, batch) == [("1", "leaving")]
    assert look(keeper, batch, 60) == [("1", "leaving")]
    worker.executing = {}
    worker.last_seen = time.time()
    assert look(keeper, batch) == [("1", "ending")]
    assert batch.retired == [worker.address]
    assert look(keeper, batch) == [("2", "waiting")]
    assert keeper.roster.problem == ""


def test_a_range_follows_the_work():
    batch = FakeBatch(cores=4)
    keeper = keeper_of(batch, Jobs(0, 10), work_left=13)
    assert len(look(keeper, batch)) == 4
    several = FakeBatch(cores=4)  # each job runs but one simulation of three ranks
    assert len(look(keeper_of(several, Jobs(0, 10), work_left=7, ranks=3), several)) == 7
    keeper.work_left = 100
    assert len(look(keeper, batch)) == 10
    for job_id in ("1", "2", "3"):
        batch.start(job_id)
    look(keeper, batch)
    keeper.work_left = 8
    look(keeper, batch)
    assert look(keeper, batch) == [("1", "working"), ("2", "working"), ("3", "working")]
    batch.scheduler.workers[batch.queue["2"].name].processing = set()
    look(keeper, batch)
    look(keeper, batch, 6)
    assert look(keeper, batch) == [("1", "working"), ("3", "working")]
    keeper.work_left = 0
    for worker in batch.scheduler.workers.values():
        worker.processing = set()
    look(keeper, batch)
    look(keeper, batch, 6)
    assert look(keeper, batch) == []


def test_at_the_end_everything_is_cancelled_and_only_logs_of_failures_stay(batch, tmp_path):
    keeper = started(batch, log_directory=tmp_path)
    names = [batch.queue[job_id].name for job_id in ("1", "2")]
    for name, job_id in zip(names, ("1", "2"), strict=True):
        (tmp_path / f"{name}-{job_id}.err").write_text("log")
    (tmp_path / "of-another-11.err").write_text("log")
    del batch.scheduler.workers[names[1]]
    look(keeper, batch)
    asyncio.run(keeper.close())
    assert batch.queue == {}
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == sorted([f"{names[1]}-2.err", "of-another-11.err"])


def test_keeps_looking_whatever_happens(batch, caplog):
    keeper = keeper_of(batch, jobs=1)

    async def explode():
        raise KeyError("bug")

    keeper._batch._queue = SimpleNamespace(look=explode)

    async def scenario():
        with dask.config.set({"dask-espresso.keeper.interval": "10ms"}):
            await keeper.start()
            await asyncio.sleep(0.1)
            keeper._batch._queue = batch
            await asyncio.sleep(0.1)
            await keeper.close()

    asyncio.run(scenario())
    assert len(batch.submitted) == 1
    assert "trying again" in caplog.text


@pytest.mark.parametrize("steps", range(6))
def test_a_worker_that_registers_at_the_very_end_does_not_keep_it_open(batch, steps):
    keeper = keeper_of(batch, jobs=1)

    async def scenario():
        await keeper.start()
        await asyncio.sleep(0.01)
        batch.plugins[0].add_worker()
        for _ in range(steps):
            await asyncio.sleep(0)
        closing = asyncio.create_task(keeper.close())
        assert await asyncio.wait([closing], timeout=60) == ({closing}, set())

    asyncio.run(scenario())
    assert batch.queue == {}


def test_an_id_that_was_read_wrongly_is_set_right_by_the_name(batch):
    keeper = keeper_of(batch, jobs=1)
    batch.queue["12"] = QueuedJob("a stranger's", "held", "JobHeldUser")
    look(keeper, batch)
    batch.submitted[0].job_id = "12"
    assert look(keeper, batch) == [("1", "waiting")]
    assert batch.cancelled == []


@pytest.mark.parametrize("comes", [True, False])
def test_a_job_whose_submission_did_not_tell_its_id(batch, comes):
    keeper = keeper_of(batch, jobs=1)
    look(keeper, batch)
    job, queued = batch.submitted[0], batch.queue.pop("1")
    job.job_id, job.said = "", "Have a nice day\n"
    assert look(keeper, batch, 10) == [(job.name, "waiting")]
    if comes:
        batch.queue["1"] = queued
        assert look(keeper, batch, 10) == [("1", "waiting")]
    else:
        look(keeper, batch, 30)
        assert "its submission said: Have a nice day" in keeper.roster.problem


def test_the_names_of_jobs_are_known_before_there_are_any(batch):
    recorded = []
    keeper = keeper_of(batch, record=recorded.append)

    async def scenario():
        await keeper.start({}, "of-a-killed-driver-")
        (beginning, earlier) = recorded[0].names
        assert batch.submitted == []
        await asyncio.sleep(0.01)
        assert all(job.name.startswith(beginning) for job in batch.submitted)
        assert earlier == "of-a-killed-driver-"
        await keeper.close()

    asyncio.run(scenario())
    assert recorded[-1] == Roster()


def test_a_job_that_is_being_submitted_at_the_end_is_cancelled_too(batch):
    keeper = keeper_of(batch, jobs=20)
    batch.submission_takes = 0.1

    async def scenario():
        await keeper.start()
        await asyncio.sleep(0.15)
        await keeper.close()

    asyncio.run(scenario())
    assert len(batch.submitted) == 2
    assert batch.queue == {}


# ---- refusals ------------------------------------------------------------------------------------


def test_a_refusal_for_ever_is_a_dead_end_only_before_any_job_has_come_up(batch):
    batch.refusal = "sbatch: error: Batch job submission failed: Invalid qos specification"
    keeper = keeper_of(batch)
    look(keeper, batch)
    assert keeper.dead_end.startswith("a worker job was refused: sbatch: error: Batch job")
    batch.refusal = ""
    keeper = started(batch)
    batch.refusal = "sbatch: error: Batch job submission failed: Invalid qos specification"
    for job_id in list(batch.queue):
        batch.end(job_id)
    look(keeper, batch, 20)
    look(keeper, batch, 20)
    assert not keeper.dead_end
    assert "Invalid qos" in keeper.roster.problem


@pytest.mark.parametrize("taken", [0, 1])
def test_a_dead_end_leaves_nothing_to_look_for_where_no_job_was_taken(batch, taken, monkeypatch):
    monkeypatch.setattr("dask_espresso.cluster.keeper._END_TIMEOUT", 0.1)
    keeper = keeper_of(batch, taken or 2)
    if taken:
        look(keeper, batch)
        keeper._demand = Demand(2, 2, slots=1)
    batch.refusal = "sbatch: error: Batch job submission failed: Invalid qos specification"
    look(keeper, batch)
    assert keeper.dead_end
    batch.does_not_answer = True
    asyncio.run(keeper.close())
    assert bool(keeper.roster.names) == bool(taken)


@pytest.mark.parametrize(
    ("refusal", "may_be_left"),
    [
        ("sbatch: error: 'far' can't be reached now, or it is an invalid entry", False),
        ("sbatch: error: Unable to allocate resources: Socket timed out", True),
    ],
)
def test_no_job_is_left_where_none_was_taken(batch, refusal, may_be_left, monkeypatch, caplog):
    """Though the batch system does not answer, either, when a run that has none is stopped."""
    monkeypatch.setattr("dask_espresso.cluster.keeper._END_TIMEOUT", 0.1)
    keeper = keeper_of(batch)
    batch.refusal, batch.does_not_answer = refusal, True
    for _ in range(3):
        look(keeper, batch, 100)
    assert not keeper.dead_end
    asyncio.run(keeper.close())
    assert ("worker jobs may be left" in caplog.text) == may_be_left
    assert bool(keeper.roster.names) == may_be_left


@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: Batch job submission failed: Job dependency problem",
        "sbatch: error: Batch job submission failed: Invalid preferred feature specification",
        'sbatch: error: unrecognized --hint argument "foo", see --hint=help',
        'sbatch: error: Invalid numeric value "x" for --switches.',
        "sbatch: error: Bad rlimit name: foo sbatch: error: --propagate=foo is not valid.",
        "sbatch: error: invalid --profile=x option",
        "sbatch: option '--requeue' doesn't allow an argument",
        "sbatch: error: No cluster 'nowhere' known by database. sbatch: error: 'nowhere' can't be "
        "reached now, or it is an invalid entry for --cluster.",
        "sbatch: fatal: Unable to process configuration file",
    ],
)
def test_refusals_for_ever(batch, said):
    batch.refusal = said
    keeper = keeper_of(batch)
    look(keeper, batch)
    assert said in keeper.dead_end


@pytest.mark.parametrize(
    "said",
    [
        "failed: Required partition not available (inactive or drain)",
        "failed: Job violates accounting/QOS policy (job submit limit, size and/or time limits)",
        "failed: Unable to contact slurm controller (connect failure)",
        "failed: Socket timed out on send/recv operation",
        "failed: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Problem talking to database sbatch: error: 'far' can't be reached now, or",
        "ERROR: Can't find address of local schedd",
        "ERROR: Failed to commit job submission into the queue. ERROR: Number of jobs exceeds",
    ],
)
def test_refusals_that_may_be_over_soon(batch, said):
    batch.refusal = said
    keeper = keeper_of(batch)
    look(keeper, batch)
    assert not keeper.dead_end
    batch.refusal = ""
    assert look(keeper, batch, 10)


# ---- many of them --------------------------------------------------------------------------------


class CountingBatch(FakeBatch):
    """Has a program that cancels, and counts the calls of both programs."""

    at_once = ListedQueue.at_once

    def __init__(self):
        super().__init__()
        self.new_spec["cls"].cancel_command = "scancel"
        self.calls = []

    async def look(self):
        self.calls.append("squeue")
        return await super().look()

    async def names(self, _):
        return {job_id: job.name for job_id, job in (await self.look()).items()}

    async def cancel(self, ids):
        self.calls.append("scancel")
        for job_id in ids:
            self.end(job_id)


def test_what_befalls_many_jobs_is_said_once_and_takes_few_commands(caplog):
    batch = CountingBatch()
    keeper = started(batch, 200, work_left=1000)
    for number in range(1, 101):
        batch.state(str(number), "held", "JobHeldAdmin")
    batch.calls.clear()
    look(keeper, batch)
    assert batch.calls == ["squeue", "squeue", "scancel"]
    (said,) = caplog.messages
    assert said == "each of 100 worker jobs (1, 2, 3, 4, 5 and 95 more) was held: JobHeldAdmin"
    look(keeper, batch, 3)
    assert len(batch.submitted) == 201
    batch.start("201")
    assert len(look(keeper, batch)) == 200
    assert len(batch.submitted) == 300


def test_many_workers_that_leave_are_retired_together():
    batch = CountingBatch()
    keeper = started(batch, 100)
    for worker in batch.scheduler.workers.values():
        worker.status, worker.executing = Status.closing_gracefully, {}
        worker.last_seen = time.time()
    look(keeper, batch)
    batch.calls.clear()
    look(keeper, batch, 6)
    assert batch.calls == ["squeue", "squeue", "scancel"]
    assert len(batch.retired) == 100
    assert len(look(keeper, batch)) == 100


def test_many_submissions_leave_time_for_looks_and_are_told_meanwhile(batch):
    keeper = keeper_of(batch, jobs=20)
    told = []

    class SlowJob(batch.new_spec["cls"]):
        async def start(self):
            batch.now += 1.1
            told.append(len(keeper.roster.jobs))
            return await super().start()

    batch.new_spec["cls"] = SlowJob
    keeper.roster = Roster()
    assert len(look(keeper, batch)) == len(batch.submitted) == 5
    assert told == [0, 1, 2, 3, 4]
    assert keeper._pause() == 0  # the next look is due already
    batch.end("1")
    assert look(keeper, batch)[0] == ("2", "waiting")
    batch.refusal = "sbatch: error: partition is inactive"
    look(keeper, batch, 100)
    assert keeper._pause() > 0  # not again and again


def test_workers_that_keep_coming_leave_the_queue_in_peace():
    batch = CountingBatch()
    keeper = Keeper(batch, batch, 1)
    keeper.work_left = 1

    async def scenario():
        with dask.config.set({"dask-espresso.keeper.interval": "2s"}):
            await keeper.start()
            for _ in range(15):
                batch.plugins[0].add_worker()
                await asyncio.sleep(0.1)
            looks = batch.calls.count("squeue")
            began = time.monotonic()
            await keeper.close()
            return looks, time.monotonic() - began

    looks, took = asyncio.run(scenario())
    assert looks == 2
    assert took < 0.5  # it does not wait for more news


def test_failures_for_days_are_no_failure_of_the_keeper(batch):
    keeper = keeper_of(batch, jobs=1)
    batch.refusal = "sbatch: error: partition is inactive"
    for _ in range(1100):
        look(keeper, batch, 60)
    batch.refusal = ""
    assert look(keeper, batch, 60)
