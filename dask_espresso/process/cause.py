"""The line that says why a program has failed, out of all that it printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_TRACEBACK = "Traceback (most recent call last):"
# in front of what is in a group of exceptions, and of what launchers pass on of a rank
_MARGIN = re.compile(r"^\s*[|+]-? ?|^\[\d+(,\d+)?\](<\w+>)?:? ?|^\d+: ")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(:|$)")
_SYNTAX_ERROR = re.compile(r"((Syntax|Indentation|Tab)Error|\w+Error|Exception): \S")
# exceptions that ended nothing are announced so
_HARMLESS = re.compile(r"Exception ignored |--- Logging error ---|Exception in thread |WARNING")

# What ends a process for certain, in any language; the first one that is found is what happened.
_FATAL = (
    r"Fatal Python error: .*",
    r"terminate called .*",
    r"(malloc|free|realloc|calloc|munmap_chunk|mremap_chunk)\(\): .*",
    r"(double free or corruption|corrupted (size|double-linked)|\*\*\* stack smashing).*",
    r".*: Assertion [`'].*' failed\.?.*",
    r"(\[\S+\] )?Signal: .*",
    r"(AddressSanitizer|runtime error): .*",
)
# What other programs say, from what tells most to what tells least.
_SAID = (
    r"ERROR( on proc \d+)?: .*",
    r".*\b(oom[-_ ]?kill|[Oo]ut [Oo]f [Mm]emory|Exceeded job memory).*",
    r"(slurmstepd|srun)[\w-]*: (error|fatal): (?!.*: tasks? [\d,-]+: ).*",
    r"\[\S+\] \*\*\* An error occurred in MPI_.*",
    r".*(error while loading shared libraries|symbol lookup error).*",
    r".*(command not found|cannot execute|Exec format).*",
    r".*There are not enough slots .*",
    r"mp\w+ has detected an attempt to run as root.*",
    r"mp\w+ was unable to (launch|find|start) .*",
    r"Abort\(\d+\).*",
    r"MPI_ABORT was invoked .*",
    r"application called MPI_Abort.*",
    r".* noticed that process rank .*",
    r"YOUR APPLICATION TERMINATED WITH THE EXIT STRING: .*",
    r"srun: error: .*: tasks? [\d,-]+: .*",
    r"(Segmentation fault|Bus error|Illegal instruction|Floating point exception|Killed|Aborted).*",
)
# what launchers break into lines
_SENTENCE = re.compile(r"There are not|mp\w+ (was|has)|MPI_ABORT|.* noticed that")
_FATAL_PATTERNS = tuple(map(re.compile, _FATAL))
_SAID_PATTERNS = tuple(map(re.compile, _SAID))

# what stands around a reason, and is none
_DECORATION = re.compile(
    r"""\W*$ | Extension\ modules: | <no\ Python\ frame> | (Current\ )?[Tt]hread\ 0x | File\ "
    | \[\S+\]\ (\[|\*\*\*|Signal\ code|Failing\ at|/) | =\s+ | YOU\ CAN\ IGNORE | Last\ command:
    | This\ typically\ refers | Please\ see\ the\ FAQ | Primary\ job | a\ non-zero\ exit\ code
    | mp\w+\ detected\ that\ one | the\ job\ to\ be\ | Process\ name: | Exit\ code:
    | srun:\ (Job|Term)
    | The\ above\ exception | During\ handling\ of | .*more\ processes?\ (has|have)\ sent\ help
    | Set\ MCA\ parameter | \^C""",
    re.VERBOSE,
)
# what ends a program in the middle of anything: its last line is of what it was doing
_FROM_OUTSIDE = re.compile(r"ended by (?!SIGABRT)|stopped at its time limit")
_MOST = 300  # characters


def cause(text: str) -> str:
    r"""Give the line of a program's output that says why it failed; empty if there is none.

    Parameters
    ----------
    text : str
        What it printed to standard error.

    Examples
    --------
    >>> cause("Traceback (most recent call last):\n  File 'x.py'\nValueError: no box\n----\n")
    'ValueError: no box'
    """
    lines = _lines(text)
    said = _telling(lines) or next(
        (s for line in reversed(lines) if not _DECORATION.match(s := line.strip())), ""
    )
    return _shortened(said)


def certain_cause(text: str) -> str:
    """Give such a line only where it is known to say why; else it may be the last one of many."""
    return _shortened(_telling(_lines(text)))


def _lines(text: str) -> list[str]:
    return [_MARGIN.sub("", line.rstrip()) for line in text.splitlines()]


def _telling(lines: list[str]) -> str:
    return _first(lines, _FATAL_PATTERNS) or _exception(lines) or _first(lines, _SAID_PATTERNS)


def _shortened(said: str) -> str:
    return said if len(said) <= _MOST else said[:_MOST] + " […]"


def _first(lines: list[str], patterns: tuple[re.Pattern[str], ...]) -> str:
    """Give the first line of the first pattern that there is, with what belongs to it."""
    for pattern in patterns:
        for i, line in enumerate(lines):
            if pattern.match(line.strip()):
                return _whole(lines, i)
    return ""


def _whole(lines: list[str], at: int) -> str:
    """Give a line, and that behind it which tells what the first one only announces."""
    line = lines[at].strip()
    following = [found.strip() for found in lines[at + 1 :]]
    if line.startswith("terminate called"):
        thrown = re.search("'(.*)'", line)
        what = next((f[7:].strip() for f in following if f.startswith("what():")), "")
        return f"{thrown[1] if thrown else line}: {what}".removesuffix(": ")
    if " *** An error occurred in " in line:
        said, errors = line.partition(" *** ")[2], (f.partition(" *** MPI_ERR_") for f in following)
        return ": MPI_ERR_".join([said, *(kind for _, sign, kind in errors if sign)][:2])
    if line.startswith("Abort("):
        stack = [f for f in following if re.match(r"\w+\(\d+\)\.*:", f)]
        return f"{line.partition(', error stack')[0]}: {stack[-1]}" if stack else line
    while _SENTENCE.match(line) and not line.endswith((".", ":")) and following and following[0]:
        line += f" {following.pop(0)}"
    return re.sub(r"^\[\S+\] (?=Signal: )", "", line)


def _exception(lines: list[str]) -> str:
    """Give the exception that ended a Python program; empty if there is none."""
    found = list(_exceptions(lines))
    ended = [said for said, is_harmless in found if not is_harmless]
    if ended or found:
        return (ended or [said for said, _ in found])[-1]
    return next((s for line in reversed(lines) if _SYNTAX_ERROR.match(s := line.strip())), "")


def _exceptions(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Give what stands below each traceback, and whether it was announced as harmless."""
    for i, line in enumerate(lines):
        if not line.lstrip().endswith(_TRACEBACK):
            continue
        margin = len(line) - len(line.lstrip())
        below = (j for j in range(i + 1, len(lines)) if lines[j][margin : margin + 1].strip())
        at = next((j for j in below if _EXCEPTION.match(lines[j][margin:])), None)
        if at is not None:
            before = " ".join(lines[max(0, i - 1) : i])
            yield _with_message(lines, at), bool(_HARMLESS.search(before))


def _with_message(lines: list[str], at: int) -> str:
    said = lines[at].strip()
    below = next((line.strip() for line in lines[at + 1 : at + 3] if line.strip()), "")
    if said.endswith(":") or (said.startswith(("ExceptionGroup", "BaseExceptionGroup")) and below):
        rest = (line.strip() for line in lines[at + 1 :])
        more = next((line for line in rest if re.search(r"[A-Za-z]", line)), "")
        return f"{said.removesuffix(':')}: {more}".removesuffix(": ")
    return said


def brief(failure: str) -> str:
    """Give a failure's reason, and the line of what was printed that says why."""
    reason, _, printed = failure.strip().partition("\n")
    why = certain_cause if _FROM_OUTSIDE.match(reason) else cause
    return ": ".join(filter(None, (reason.strip(), why(printed))))


_HEXADECIMAL = re.compile(r"\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{12,}\b")
_DIRECTORY = re.compile(r"(?<![\w/.])/(?:[^\s/:'\"`,;()]+/)+")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")  # with or without a unit
_EXIT_CODE = re.compile(r"exit code \d+")


def pattern(said: str, hosts: re.Pattern[str] | None = None) -> str:
    """Write … for what differs between two failures of one cause: numbers, places, nodes.

    An exit code, the last part of a path and the names of signals stay.

    Parameters
    ----------
    said : str
        As :func:`brief` gives it.
    hosts : pattern, optional
        Of the names of nodes.

    Examples
    --------
    >>> pattern("exit code 1: ValueError: phi = 0.46 in /tmp/run-7/box.py at 0x7f3a")
    'exit code 1: ValueError: phi = … in …/box.py at …'
    """
    kept = found[0] if (found := _EXIT_CODE.match(said)) else ""
    rest = said[len(kept) :]
    rest = hosts.sub("…", rest) if hosts else rest
    rest = _DIRECTORY.sub("…/", rest)
    return kept + _NUMBER.sub("…", _HEXADECIMAL.sub("…", rest))


def pattern_of_names(names: Iterable[str]) -> re.Pattern[str] | None:
    """Give a pattern of the names of nodes, with and without their domains; None without any."""
    all_names = {part for name in names for part in (name, name.partition(".")[0]) if len(part) > 1}
    if not all_names:
        return None
    longest_first = sorted(all_names, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])")
