"""What became of one simulation process, and in words what went wrong."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..script.transport import TransportError
from .cause import cause, certain_cause
from .payload import PayloadScanner

if TYPE_CHECKING:
    from .collector import Collected

_ERROR_TAIL = 4000  # characters of standard error in the text of a failure


@dataclass
class ProcessReport:
    """What the kernel and the pipes say of one finished simulation process.

    Attributes
    ----------
    exit_code : int or None
        Exit code, minus the number of a signal, or None where it never started.
    timed_out : bool
        Whether it was stopped at its time limit.
    time_limit : float or None
        In seconds.
    elapsed_time, cpu_time : float
        In seconds; NaN where it is not known.
    peak_memory : int or None
        In bytes; None where it is not known.
    error : str
        Why the process did not start, or empty.
    stderr, log : str
        Standard error, and both streams without the payload; each shortened in the middle.
    output : PayloadScanner or Collected
        Holds the payload, or what was collected in place of one.
    start_method : str
        How it was started, as an outcome has it.
    kept, not_kept : str
        The files that stay of it, as an outcome has them; why they do not.
    """

    exit_code: int | None = None
    timed_out: bool = False
    time_limit: float | None = None
    elapsed_time: float = 0.0
    cpu_time: float = 0.0
    peak_memory: int | None = None
    error: str = ""
    stderr: str = ""
    log: str = ""
    output: PayloadScanner | Collected = field(
        default_factory=lambda: PayloadScanner(lambda noise: None)
    )
    start_method: str = ""
    kept: str = ""
    not_kept: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the process ran, and its end was seen."""
        return not self.error and (self.timed_out or self.exit_code is not None)

    def failure(self) -> str:
        """Say what went wrong, with the end of what it printed; empty if nothing did."""
        reason = self.reason()
        if not reason:
            return ""
        printed = self.stderr.strip()
        if not printed and self.exit_code and not self.timed_out:
            printed = self.log.strip()  # where some launchers complain
            if self.exit_code < 0 and not certain_cause(printed):
                printed = ""
        why, last = cause(printed), printed[-_ERROR_TAIL:]
        # what says why may stand further up
        shown = [reason, *([why] if why and why.split()[0] not in last else []), last]
        shown += [self.not_kept] if self.not_kept != reason else []
        return "\n".join(filter(None, shown))

    def reason(self) -> str:
        """Say what went wrong; empty if nothing did."""
        return self._end() or self.not_kept

    def _end(self) -> str:
        """Say how the process ended, if not well."""
        if self.error:
            return self.error
        if self.timed_out:
            return f"stopped at its time limit of {self.time_limit:g} s"
        if self.exit_code is None:
            return "its supervisor process died"
        if self.exit_code == -signal.SIGKILL:
            return (
                "ended by SIGKILL, as the kernel does where memory runs out; "
                f"it had used up to {(self.peak_memory or 0) / 2**20:.0f} MiB"
            )
        if self.exit_code < 0:
            return f"ended by {signal_name(-self.exit_code)}"
        if self.exit_code > 0:
            return f"exit code {self.exit_code}"
        try:
            self.output.payload()
        except TransportError as error:
            is_collected = not isinstance(self.output, PayloadScanner)
            return str(error) if is_collected else f"{error}{self._printed()}"
        return ""

    def _printed(self) -> str:
        return f"; it printed: {self.log[-1000:]!r}" if self.log else "; it printed nothing"


def signal_name(number: int) -> str:
    """Name a signal, such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
