"""Warm start, seen from the worker: an engine process that is there while it is wanted."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping

from .process_order import ProcessOrder
from .report import ProcessReport
from .warm_server import NoWarmStartError, WarmServer, WarmSlot


class WarmEngine:
    """An engine process that has done its imports, and forks a slot for every thread of a worker.

    Parameters
    ----------
    command : callable
        Gives the program and arguments in front of a script, for an environment.
    environment : callable
        Gives the environment of a process, from its scratch directory and its mark.
    preload : sequence of str
        The modules to import.
    """

    def __init__(
        self,
        command: Callable[[Mapping[str, str]], list[str]],
        environment: Callable[[str, str], dict[str, str]],
        preload: tuple[str, ...],
    ) -> None:
        self._start_server = functools.partial(WarmServer, command, environment)
        self._preload = preload
        self._lock = threading.Lock()
        self._starting: WarmServer | None = None
        self._server: WarmServer | None = None
        self._retired: list[WarmServer] = []  # fork no more, but their slots are busy
        self._idle: list[WarmSlot] = []
        self._busy: set[WarmSlot] = set()
        self._is_wanted = True

    def run(self, order: ProcessOrder) -> ProcessReport:
        """Fork a simulation, and give the report on it.

        Raises
        ------
        NoWarmStartError
            If it cannot be forked.
        StartAbandonedError
            If the engine process was closed while it started.
        """
        self._is_wanted = True
        slot = self._take()
        is_usable = False
        try:
            report = slot.run(order)
            is_usable = slot.is_usable
        finally:
            self._give_back(slot, is_usable=is_usable)
        return report

    def _take(self) -> WarmSlot:
        """Give a slot that has nothing to do."""
        with self._lock:
            slot = self._idle_slot() or self._new_slot()
            self._busy.add(slot)
            return slot

    def _idle_slot(self) -> WarmSlot | None:
        while self._idle:
            slot = self._idle.pop()
            if slot.is_alive():
                return slot
            slot.close()
        return None

    def _new_slot(self) -> WarmSlot:
        if self._server and not self._server.is_alive():
            self._end_server()
        if not self._server:
            self._server = self._warm_server()
        try:
            return self._server.fork()
        except OSError as error:
            self._retire_server()
            raise NoWarmStartError(f"the warm engine process is gone ({error})") from error

    def _warm_server(self) -> WarmServer:
        self._starting = server = self._start_server()
        try:
            if not self._is_wanted:  # whoever closes it has not seen it yet
                server.abandon()
            server.warm_up(self._preload)
        finally:
            self._starting = None
        return server

    def _retire_server(self) -> None:
        """End a server that does not answer, but not before the simulations that it has forked."""
        if self._server and self._busy:
            self._retired.append(self._server)
            self._server = None
        self._end_server()

    def _give_back(self, slot: WarmSlot, *, is_usable: bool) -> None:
        # without the lock, under which a server may start for long
        if is_usable:
            self._idle.append(slot)
        else:
            slot.close()
        self._busy.discard(slot)
        if not self._is_wanted:
            self.close()

    def close(self) -> None:
        """End the engine process and its slots; those that are busy first run to their end."""
        self._is_wanted = False
        if starting := self._starting:  # for which the lock is held
            starting.abandon()
        with self._lock:
            while self._idle:
                self._idle.pop().close()
            if not self._busy:
                self._end_server()
                while self._retired:
                    self._retired.pop().close()

    def _end_server(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
