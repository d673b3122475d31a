"""When simulations are forked from a warm process, and when not."""

from __future__ import annotations

import logging
from collections.abc import Callable

from .process_order import ProcessOrder
from .report import ProcessReport
from .warm import WarmEngine
from .warm_server import NoForkError, NoWarmStartError

logger = logging.getLogger(__name__)

_Code = tuple[str, str]  # path of a script, and version of it and its modules
_ALL: _Code = ("", "")


class WarmStart:
    """Simulations of one engine on this worker, forked where that comes to the same.

    Parameters
    ----------
    server : WarmEngine
        Forks them.
    spawn : callable
        Runs one as a fresh process.
    insists : bool
        Whether they are forked in any case.

    Notes
    -----
    The first simulation of a script that fails when it is forked is run once more as a fresh
    process: if that ends otherwise, the script is not forked any more.
    """

    def __init__(
        self,
        server: WarmEngine,
        spawn: Callable[[ProcessOrder], ProcessReport],
        *,
        insists: bool,
    ) -> None:
        self._server = server
        self._spawn = spawn
        self._insists = insists
        self._reasons: dict[_Code, str] = {}  # not to fork it
        self._trusted: set[_Code] = set()

    def reason(self, script: str = "", version: str = "") -> str:
        """Say why simulations are not forked; empty if they are, or none was tried yet."""
        return self._reasons.get(_ALL) or self._reasons.get((script, version), "")

    def give_up(self, reason: str, script: str = "", version: str = "") -> None:
        """Fork no simulation any more, or none of this version of a script."""
        code = (script, version)
        if code not in self._reasons:
            logger.info("%s: a fresh process each: %s", script or "all simulations", reason)
            self._reasons[code] = reason
            if code == _ALL:
                self._server.close()

    def close(self) -> None:
        """End the warm process."""
        self._server.close()

    def fork(self, order: ProcessOrder) -> ProcessReport:
        """Run a simulation as a forked process.

        Raises
        ------
        NoWarmStartError
            If that is not possible.
        StartAbandonedError
            If this was closed meanwhile.
        """
        report = self._server.run(order)
        report.start_method = "forked"
        return report

    def run(self, order: ProcessOrder, version: str = "") -> ProcessReport:
        """Run a simulation, whose script and modules are of this version."""
        code = order.script, version
        if self.reason(*code) and not self._insists:
            return self._spawn(order)
        try:
            report = self.fork(order)
        except NoWarmStartError as error:
            if self._insists:
                return ProcessReport(error=f"the engine did not start: {error}")
            if not isinstance(error, NoForkError):
                self.give_up(str(error), *code)
            return self._spawn(order)
        if self._insists or code in self._trusted:
            return report
        return self._checked(order, code, report)

    def _checked(self, order: ProcessOrder, code: _Code, report: ProcessReport) -> ProcessReport:
        """See whether a forked process failed because it was forked."""
        if report.failure():
            fresh = self._spawn(order)
            if report.exit_code is None and not report.timed_out:  # it was struck from outside
                return fresh
            ended = (report.exit_code, report.timed_out)
            if (fresh.exit_code, fresh.timed_out) != ended or not fresh.failure():
                reason = f"forked it fails ({report.reason()}), as a fresh process it does not"
                self.give_up(reason, *code)
            report = fresh
        self._trusted.add(code)
        return report
