"""What a cell of a notebook shows, changed in place while something goes on."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

_INTERVAL = 0.5  # seconds between two changes


def in_notebook() -> bool:
    """Say whether this is the kernel of a notebook, which alone can change what it has shown."""
    shell = sys.modules.get("IPython")
    found = shell and shell.get_ipython()
    return hasattr(found, "kernel")


class LiveCell:
    """Shows an object in a notebook, and again where it has changed.

    Parameters
    ----------
    shown : object
        With what notebooks show of it.
    """

    def __init__(self, shown: Any) -> None:
        self._shown = shown
        self._id = ""
        self._last = 0.0

    def show(self, *, again: bool = False) -> None:
        """Show it in the cell that runs now; if it is shown in one already, only `again`."""
        if again or not self._id:
            self._id = self._id or uuid.uuid4().hex
            self._publish(is_new=True)

    def update(self, *, is_last: bool = False) -> None:
        """Show how it is now, wherever it is shown, unless that was just done."""
        if self._id and (is_last or time.monotonic() - self._last >= _INTERVAL):
            self._last = time.monotonic()
            self._publish(is_new=False)

    def _publish(self, *, is_new: bool) -> None:
        from IPython.display import display

        data = {"text/plain": repr(self._shown), "text/html": self._shown._repr_html_()}
        display(data, raw=True, display_id=self._id, update=not is_new)  # type: ignore[no-untyped-call, unused-ignore]
