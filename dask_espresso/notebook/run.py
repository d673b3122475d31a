"""A run that goes on while a notebook, or a program, does something else."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from rich.console import Console

from ..errors import InputError, ResumableError
from ..tally import Summary
from ..views.progress import Counts, Display, display_for
from .begun import BegunDriver, Order
from .card import Lines, as_html, as_text
from .live import LiveCell, in_notebook
from .store import OpenStore

_TICK = 0.1  # seconds between looks while somebody waits
_MOST_SAID = 3  # messages that are shown, the last ones


class Run:
    """A run that goes on in a process of its own.

    :meth:`wait` waits for it, and so does ``await run`` where there is an event loop, as in a
    notebook, without stopping it. In a notebook it shows how far it is, as long as it lasts. Who
    ends the program that began it, or restarts the notebook's kernel, stops the run as at a closed
    terminal; running the study again goes on.

    Parameters
    ----------
    order : Order
        What is to be run.
    show : bool
        Whether those who wait are shown how far it is.
    """

    def __init__(self, order: Order, *, show: bool = True) -> None:
        self._store, self._show = Path(order.store), show
        self._cell = LiveCell(self)
        self._driver = BegunDriver(order, self._note)

    def _note(self) -> None:
        self._cell.update(is_last=self.done)

    # ---- what it has come to ----

    @property
    def done(self) -> bool:
        """Whether it has ended, however that was."""
        return self._driver.ended.is_set()

    @property
    def store(self) -> OpenStore:
        """Its store, to look at, also while it runs."""
        return OpenStore(self._store)

    @property
    def progress(self) -> Counts:
        """How far it is: ``total`` simulations, those ``recorded`` by status, ``running`` ones."""
        return self._driver.counts or Counts()

    @property
    def messages(self) -> list[str]:
        """What it had to say, the last hundred."""
        return [*self._driver.said]

    def wait(self, timeout: float | None = None) -> Summary:
        """Wait until it has ended, and say what it has come to.

        Parameters
        ----------
        timeout : float, optional
            How long to wait, in seconds; the run goes on after that.

        Returns
        -------
        Summary
            Also where simulations failed: ``exit_status`` is 1 then, and ``run.store.failures``
            says why; and where :meth:`cancel` stopped it.

        Raises
        ------
        KeyboardInterrupt
            At Ctrl-C, or where a notebook's kernel is interrupted: the run is stopped first, in
            order, and running the study again goes on.
        TimeoutError
            If it has not ended by then.
        InputError, ResumableError
            As :func:`dask_espresso.run_study`.
        """
        end = None if timeout is None else time.monotonic() + timeout
        try:
            with self._display() as display:
                told = 0
                while not self._driver.ended.wait(_TICK):
                    told = self._tell(display, told)
                    if end is not None and time.monotonic() > end:
                        raise TimeoutError(f"{self._store}: runs still, after {timeout:g} s")
                self._tell(display, told)
                self._cell.update(is_last=True)
        except KeyboardInterrupt:
            self.cancel()
            raise
        return self._driver.result()

    def _display(self) -> Display:
        if not self._show:
            return Display()
        if in_notebook():
            self._cell.show()
            return Display()
        return display_for(Console(stderr=True))

    def _tell(self, display: Display, told: int) -> int:
        """Tell a display what is new of the messages, and how far it is."""
        said = self.messages
        for message in said[told:]:
            display.say(message)
        if self._driver.counts:
            display.update(self._driver.counts)
        return len(said)

    def __await__(self) -> Generator[Any, None, Summary]:
        return self._wait().__await__()

    async def _wait(self) -> Summary:
        """Wait as :meth:`wait`, while the loop does other things."""
        if self._show and in_notebook():
            self._cell.show()
        try:
            while not self.done:
                await asyncio.sleep(_TICK)
        except asyncio.CancelledError:  # the interrupt of a notebook comes as that
            self._driver.ask_to_stop()
            while not self.done:
                await asyncio.sleep(_TICK)
            raise
        self._cell.update(is_last=True)
        return self._driver.result()

    def cancel(self) -> None:
        """Stop it in order, as Ctrl-C does on the command line; returns when it has ended.

        What is recorded stays, and running the study again goes on. Interrupting this, too, stops
        it at once.
        """
        try:
            self._driver.ask_to_stop()
            self._driver.ended.wait()
        except KeyboardInterrupt:
            self._driver.send(signal.SIGINT)
            raise

    # ---- what it shows ----

    def __repr__(self) -> str:
        return as_text(self._title, self._lines())

    def _repr_html_(self) -> str:
        total, n_recorded = self.progress.total, self.progress.n_recorded
        bar = f'<progress max="{total}" value="{n_recorded}"></progress>' if total else ""
        return bar + as_html(self._title, self._lines())

    def _ipython_display_(self) -> None:
        """Show it in a notebook, where it follows the run."""
        if in_notebook():
            self._cell.show(again=True)
        else:
            print(repr(self))

    @property
    def _title(self) -> str:
        return f"Run into {self._store.name}"

    def _lines(self) -> Lines:
        counts = self.progress
        lines = [("state", self._state())]
        if counts.total:
            lines.append(("simulations", f"{counts.n_recorded} of {counts.total}"))
        return [*lines, *(("", said) for said in self.messages[-_MOST_SAID:])]

    def _state(self) -> str:
        if not self.done:
            return self._driver.counts.describe() if self._driver.counts else "starts"
        try:
            summary = self._driver.result()
        except (InputError, ResumableError) as error:
            return str(error).partition("\n")[0]
        counts = ", ".join(f"{n} {status.label}" for status, n in sorted(summary.recorded.items()))
        ended = f"stopped by {summary.interrupted}" if summary.exit_status == 75 else "ended"
        return f"{ended}: {counts or 'nothing recorded'}"
