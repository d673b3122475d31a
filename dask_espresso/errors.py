"""The errors that a user sees, and the exit status that each stands for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class DaskEspressoError(Exception):
    """Base of the package's own errors; the message says what to do."""

    exit_status = 1


class InputError(DaskEspressoError):
    """A study, a profile, a store or an option cannot be used as it is."""

    exit_status = 2


class ResumableError(DaskEspressoError):
    """The run stopped early; running it again goes on where it stopped."""

    exit_status = 75


class SimulationError(DaskEspressoError):
    """A simulation run through :func:`dask_espresso.dask_espresso_task` failed."""


class BadValueError(ValueError):
    """A value that a validator refuses.

    Parameters
    ----------
    message : str
        What is wrong; what to do.
    *at : str or int
        The key at fault, seen from the value that was validated.
    """

    def __init__(self, message: str, *at: str | int) -> None:
        super().__init__(message)
        self.at = at


class ScriptChangedError(RuntimeError):
    """Script or modules are not those that the run began with; the message says what to do."""


def describe(value: Any) -> str:
    """Say what a value is, as a writer of YAML sees it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    said = repr(value)
    if len(said) > 60:
        said = f"{said[:40]} … {said[-10:]}"
    return f"the text {said}" if isinstance(value, str) else f"the number {said}"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which one is nearest, and which there are."""
    import difflib  # which most need not

    known = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in known}
    swapped = [near for near in folded if sorted(near) == sorted(name.casefold())]
    near = swapped or difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    question = f"did you mean {folded[near[0]]!r}? Known" if near else "known"
    return f"unknown {kind} {name!r}; {question} {kind}s: {', '.join(known) or 'none'}"
