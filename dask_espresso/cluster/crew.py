"""The workers that there are at the moment, and which of them get work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .transfers import Transfers


def unreachable(scheduler: str, worker: str, reason: str) -> str:
    """Say that a worker cannot be reached, and what to do."""
    return (
        f"the scheduler, {scheduler}, does not reach the worker, {worker} ({reason}); open the "
        "ports between them, or name the network that the nodes share as `interface` under "
        "`options`"
    )


class Crew:
    """Who can be given work: not who is cut off, nor who has more results than its line takes.

    Parameters
    ----------
    threads : mapping of str to int, optional
        Simulations that each worker runs at a time, by its address.
    transfers : Transfers, optional
        Knows how results come from them.
    scheduler : str
        Its address.

    Attributes
    ----------
    slots : int
        Simulations that those which answer run at a time.
    running : set of str
        The addresses of all, also of those that do not answer.
    free : dict of str to int
        Simulations that those which get more run at a time, by their addresses.
    troubles : set of str
        What there is to say of workers that do not answer.
    """

    def __init__(
        self,
        threads: Mapping[str, int] | None = None,
        transfers: Transfers | None = None,
        scheduler: str = "",
    ) -> None:
        threads = threads or {}
        under_way = transfers.under_way if transfers else {}
        self._cut_off = {
            name: trouble
            for name, trouble in (transfers.troubles if transfers else {}).items()
            if name in threads
        }
        self.running = set(threads)
        answering = self.running - self._cut_off.keys()
        behind = {name for name in answering if under_way.get(name, 0) > 2 * threads[name] + 2}
        free = (answering - behind) or answering
        self.slots = sum(threads[name] for name in answering)
        self.free = {name: threads[name] for name in sorted(free)}
        self._said = {
            name: unreachable(scheduler, name, trouble.said)
            for name, trouble in self._cut_off.items()
        }
        self.troubles = {
            self._said[name] for name, trouble in self._cut_off.items() if trouble.is_worth_telling
        }

    @property
    def where(self) -> dict[str, Any]:
        """What to tell Dask where anybody may do it: nothing, where all is well."""
        if not self.free or self.free.keys() == self.running:
            return {}
        return self.only(*self.free)

    @staticmethod
    def only(*workers: str) -> dict[str, Any]:
        """Tell Dask that one of these workers is to do it, if any of them is there."""
        return {"workers": [*workers], "allow_other_workers": True}

    def has_lost_since(self, before: Crew) -> bool:
        """Say whether a worker does not answer that did before, while another one does."""
        return bool(self.free and self._cut_off.keys() - before._cut_off.keys())

    @property
    def lasting_trouble(self) -> str:
        """What to say where no worker has answered for a while, though there are some."""
        troubles = self._cut_off.values()
        if not self.running or self.free or not all(trouble.is_lasting for trouble in troubles):
            return ""
        return min(self._said.values())  # which may have become worth telling since
