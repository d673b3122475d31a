"""What is seen of a worker job, the state that this means, and what is to be done about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from ..systems.queue import QueuedJob
from .roster import ListedJob

SETTLED = 5.0  # seconds after which a heartbeat has told what a worker does
_SHORT_LIVED = 30.0  # seconds; a job lost sooner than that after its start counts as a failure
_MISSING = 15.0  # seconds in which a nanny brings a worker back
_HEARTBEATS = 1.5  # seconds in which every living worker sends one
_UNSEEN = 30.0  # seconds in which a job whose id was not told appears in the queue


class State(enum.Enum):
    """Where a worker job is between submission and end."""

    WAITING = enum.auto()  # in the queue
    STARTING = enum.auto()  # it runs, and its workers have not all come yet
    WORKING = enum.auto()
    INCOMPLETE = enum.auto()  # a worker that was there is missing
    SILENT = enum.auto()  # a worker sends no heartbeats
    LEAVING = enum.auto()  # its workers take no more work: its walltime ends
    HELD = enum.auto()
    GONE = enum.auto()  # neither in the queue nor at work


@dataclass(frozen=True)
class View:
    """What one look at the queue and at the scheduler shows of a job.

    Attributes
    ----------
    queued : QueuedJob, optional
        The job in the queue, as far as that could be seen.
    is_absent : bool
        Whether it is not in a queue that could be seen.
    n_workers : int
        How many workers it has at the scheduler.
    is_complete : bool
        Whether these are all.
    is_leaving, is_silent, is_executing, is_idle : bool
        Whether all of them take no more work, one sends no heartbeats, one runs something, none
        has anything to do.
    hung_after, start_timeout : float
        Seconds without a heartbeat that mean silence, and in which the workers of a job have come.
    """

    queued: QueuedJob | None = None
    is_absent: bool = False
    n_workers: int = 0
    is_complete: bool = False
    is_leaving: bool = False
    is_silent: bool = False
    is_executing: bool = False
    is_idle: bool = False
    hung_after: float = 60.0
    start_timeout: float = 300.0

    def state(self, has_come_up: bool) -> State:
        """Say what this means for a job of which all workers have, or have not, been there."""
        queued = self.queued.state if self.queued else ""
        if self.is_leaving:
            return State.LEAVING
        if self.is_absent and not self.n_workers:
            return State.GONE
        if queued == "held":
            return State.HELD
        if self.is_silent:
            return State.SILENT
        if self.is_complete:
            return State.WORKING
        if queued == "waiting" and not self.n_workers:
            return State.WAITING
        if has_come_up:
            return State.INCOMPLETE
        return State.STARTING if queued or self.n_workers else State.WAITING


@dataclass
class KeptJob:
    """A job that was submitted and is wanted.

    Times are monotonic, in seconds; None where it has not happened.

    Attributes
    ----------
    name : str
        As it was submitted.
    job : object
        dask-jobqueue's.
    processes : int
        How many workers it has.
    submitted_at, since : float
        When it was submitted, and when it came into its state.
    state : State
        As of the last look.
    came_up_at, idle_since : float or None
        When all its workers had come, and since when they have nothing to do.
    queued : QueuedJob, optional
        As it was last seen in the queue.
    is_well : bool
        Whether it has done its work, and was ended by us.
    """

    name: str
    job: Any
    processes: int
    submitted_at: float
    since: float = 0.0
    state: State = State.WAITING
    came_up_at: float | None = None
    idle_since: float | None = None
    queued: QueuedJob | None = None
    is_well: bool = False

    @property
    def id(self) -> str:
        """The batch system's, or the name."""
        return str(self.job.job_id or self.name)

    @property
    def worker_names(self) -> set[str]:
        """What its workers are called at the scheduler."""
        if self.processes == 1:
            return {self.name}
        return {f"{self.name}-{i}" for i in range(self.processes)}

    def look_up(self, queue: dict[str, QueuedJob]) -> None:
        """Find the job in the queue by its name, whatever its id was read as."""
        queued = queue.get(self.id)
        if queued is None or queued.name != self.name:
            ids = (job_id for job_id, other in queue.items() if other.name == self.name)
            if found := next(ids, None):
                self.job.job_id = found
            queued = queue[found] if found else None
        self.queued = queued

    def update(self, view: View, now: float) -> None:
        """Take note of what is seen."""
        self.queued = view.queued
        if view.is_complete and self.came_up_at is None:
            self.came_up_at = now
        state = view.state(has_come_up=self.came_up_at is not None)
        if state is not self.state:
            self.state, self.since = state, now
        if state is State.WAITING:  # again, if the batch system has put it back into its queue
            self.came_up_at = None
        self.idle_since = (self.idle_since or now) if view.is_idle else None

    def listed(self) -> ListedJob:
        """Say what a user has to know of it."""
        if self.state is State.LEAVING:
            return ListedJob(self.id, self.name, "leaving", "its walltime ends")
        if self.came_up_at is not None:
            return ListedJob(self.id, self.name, "working")
        if self.state in (State.STARTING, State.SILENT):
            return ListedJob(self.id, self.name, "starting")
        reason = self.queued.reason if self.queued else ""
        return ListedJob(self.id, self.name, "waiting", reason)


@dataclass(frozen=True)
class Fault:
    """Why a job is replaced.

    Attributes
    ----------
    reason : str
        What a user reads, after the job's name.
    is_failure : bool
        Whether it puts off the next submission; a loss does not.
    is_regular : bool
        Whether all is well.
    has_log : bool
        Whether the job's log may say more.
    """

    reason: str
    is_failure: bool = False
    is_regular: bool = False
    has_log: bool = False


def diagnose(job: KeptJob, view: View, now: float) -> Fault | None:
    """Say why a job has to be replaced, if it has to be.

    Parameters
    ----------
    job : KeptJob
        Updated with the view.
    view : View
        Of this look.
    now : float
        On the clock of the job's times, in seconds.
    """
    is_short_lived = job.came_up_at is None or now - job.came_up_at < _SHORT_LIVED
    lasts = now - job.since
    match job.state:
        case State.LEAVING if lasts > SETTLED and not view.is_executing:
            return Fault("left before the end of its walltime", is_regular=True)
        case State.GONE:
            return _end_of(job, now, is_short_lived)
        case State.HELD:
            reason = view.queued.reason if view.queued else ""
            return Fault(f"was held: {reason or 'no reason given'}", is_failure=True)
        case State.SILENT if lasts > _HEARTBEATS:
            return Fault(f"did not answer for {view.hung_after:.0f} s")
        case State.INCOMPLETE if lasts > _MISSING:
            return Fault("lost a worker", is_failure=is_short_lived, has_log=True)
        case State.STARTING if lasts > view.start_timeout:
            message = f"ran for {view.start_timeout:.0f} s without its worker registering"
            return Fault(message, is_failure=True, has_log=True)
    return None


def _end_of(job: KeptJob, now: float, is_short_lived: bool) -> Fault | None:
    if not job.job.job_id:  # the batch system may have taken it, or not
        said = " ".join(job.job.said.split()) or "nothing"
        message = f"is not in the queue, and its submission said: {said}"
        return Fault(message, is_failure=True) if now - job.submitted_at > _UNSEEN else None
    if job.came_up_at is None:
        return Fault("ended before its worker registered", is_failure=True, has_log=True)
    return Fault("ended", is_failure=is_short_lived)
