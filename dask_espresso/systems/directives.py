"""Options of the batch systems themselves, as they stand in the directives of a profile.

Some of them mean what an option of the profile means, too. They are taken for that option, or
refused in its favour: a worker whose driver believes in another walltime, or another number of
cores, than its job has, ends in the middle of simulations.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadValueError

if TYPE_CHECKING:
    from .system import System

# why an option has no place there
JOBS = "how many jobs there are; write `jobs: N` in the profile, and remove it"
LOGS = "where the output goes; write `log_directory: DIRECTORY` instead"
TASKS = "the size of a worker job, which is one process on one node; write `cores: N` instead"
NEVER = "with which no worker ever comes; remove it"
ALL_MEMORY = "the memory of a worker job; write `memory`, of the whole job, instead"


def for_option(at: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function, and say of which option of a profile it is what it refuses."""
    try:
        return function(*arguments)
    except BadValueError as error:
        where = at if isinstance(at, tuple) else (at,)
        raise BadValueError(str(error), "options", *where, *error.at) from None


class Setting(NamedTuple):
    """One option of a batch system in a directive.

    Attributes
    ----------
    name : str
        In its long form, such as ``--time``, or with what it sets, such as ``-l walltime``.
    value : str
        What it is set to, or empty.
    """

    name: str
    value: str


def parse(directive: str) -> list[Setting]:
    """Take a directive apart.

    Raises
    ------
    ValueError
        If a quote is left open, or a word belongs to no option.
    """
    try:
        words = shlex.split(directive)
    except ValueError as error:
        raise BadValueError(f"is {directive!r} ({error}); balance its quotes") from None
    return list(_settings(words))


def _settings(words: Sequence[str]) -> Iterator[Setting]:
    """Put options and their values together."""
    at = 0
    while at < len(words):
        word, at = words[at], at + 1
        values = []
        while at < len(words) and not re.match(r"--?[A-Za-z]", words[at]):
            values.append(words[at])
            at += 1
        if word.startswith("--") and "=" in word:
            name, _, value = word.partition("=")
            yield Setting(name, " ".join([value, *values]))
        elif re.match(r"-[A-Za-z].", word):
            yield Setting(word[:2], " ".join([word[2:], *values]))
        else:
            yield Setting(word, " ".join(values))


def resources(setting: Setting) -> Iterator[Setting]:
    """Take apart what one ``-l`` asks for."""
    if setting.name != "-l":
        yield setting
        return
    for part in setting.value.split(","):
        name, _, value = part.strip().partition("=")
        yield Setting(f"-l {name}", value)


def take_up(
    system: System, directives: Sequence[str], skips: Sequence[str]
) -> tuple[list[str], dict[str, tuple[int, str]]]:
    """Take out of directives what options of the profile say, too.

    Parameters
    ----------
    system : System
        The batch system that reads them.
    directives, skips : sequence of str
        ``job_extra_directives`` and ``job_directives_skip``.

    Returns
    -------
    tuple
        What is left of the directives; and, for each option of the profile that they set, the
        place of the directive and the value. What is skipped as the profile's own is left there.

    Raises
    ------
    ValueError
        If something has no place in directives.
    """
    left, taken = [], {}
    for i, directive in enumerate(directives):
        try:
            found = system.settings(directive)
        except BadValueError as error:
            raise BadValueError(str(error), i) from None
        rest = []
        for setting in found:
            option = system.meanings.get(setting.name, "")
            skipped = system.is_skipped(setting.name, skips)
            if " " in option and not skipped and not (option is TASKS and setting.value == "1"):
                raise BadValueError(f"sets {setting.name}, {option}", i)
            if option and " " not in option:
                taken[option] = i, setting.value
            if not option or " " in option or skipped:
                rest.append(setting)
        if rest:
            is_as_read = len(rest) == len(found) and not system.rewrites(rest)
            left.append(directive if is_as_read else written(rest))
    return left, taken


def written(found: Sequence[Setting]) -> str:
    """Write what is left of a directive."""
    words, resources = [], []
    for name, value in found:
        if name.startswith("-l "):
            resources.append(f"{name[3:]}={value}" if value else name[3:])
        elif name.startswith("--"):
            words.append(f"{name}={shlex.quote(value)}" if value else name)
        else:
            words += [name, *shlex.split(value)]
    return " ".join([*words, *(["-l", ",".join(resources)] if resources else [])])
