"""Results of a script that does not hand them over: out of what it has written and printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import unknown
from ..files import open_file
from ..inputs.collect import Source
from ..script.transport import TransportError, excerpt
from .payload import PayloadScanner
from .result_files import LineSplitter, check_texts, groups_of, parse_json, read_results
from .text_table import number

if TYPE_CHECKING:
    from .report import ProcessReport

_LONGEST_RESULT = 64 << 20  # bytes of a line that is a result
_MOST_LISTED = 10  # files


class Collector:
    """Hears what one process prints, and reads what it has written before that is removed.

    Parameters
    ----------
    sources : tuple of Source
        Where results come from; none if the process hands them over itself.
    """

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._sources = sources
        self._searches = [_Search(source) for source in sources if source.kind == "log"]
        self._wants_last = any(source.kind == "stdout" for source in sources)
        self._last = _LastLine()

    def hear(self, data: bytes, *, is_stdout: bool) -> None:
        """Take the next piece of output."""
        for search in self._searches:
            search.feed(data, is_stdout)
        if is_stdout and self._wants_last:
            self._last.feed(data)

    def finish(self, report: ProcessReport, directory: str) -> None:
        """Put results into the report on a process that has ended well."""
        if not self._sources or report.error or report.timed_out or report.exit_code != 0:
            return
        if isinstance(report.output, PayloadScanner) and report.output.payloads:
            collected = Collected(
                error="it hands over a result itself, and the study says `collect`; remove either"
            )
        else:
            collected = self._collected(Path(directory))
        collected.unread = report.output.unread  # of one that asks for its parameters
        report.output = collected

    def _collected(self, directory: Path) -> Collected:
        results: dict[str, Any] = {}
        origins: dict[str, Source] = {}
        searches = iter(self._searches)
        for source in self._sources:
            try:
                found = self._found(source, directory, searches)
                found = _by_name(source, found)
                if absent := [name for name in source.texts if name not in found]:
                    raise ValueError(unknown("result", absent[0], found))
                for name, value in found.items():
                    if name in results:
                        raise ValueError(f"has the result {name!r}, as has {origins[name]}")
                    if name not in source.texts:
                        check_texts(value, name)
                    results[name], origins[name] = value, source
            except FileNotFoundError:
                return Collected(error=f"collect: {source} was not written; {_listed(directory)}")
            except OSError as error:
                return Collected(error=f"collect: {source}: cannot be read ({error.strerror})")
            except Exception as error:  # reading garbage raises nearly anything
                said = str(error) if isinstance(error, ValueError) else repr(error)
                return Collected(error=f"collect: {source}: {said}")
        return Collected(results)

    def _found(self, source: Source, directory: Path, searches: Iterator[_Search]) -> Any:
        if source.kind == "log":
            return next(searches).result()
        if source.kind == "stdout":
            return self._last.result()
        with open_file(directory / source.file) as file:
            return read_results(source, file)


class Collected:
    """What was collected, in the place of a payload.

    Parameters
    ----------
    results : dict
        By their names.
    error : str
        Why there are none, or empty.

    Attributes
    ----------
    unread : list of str or None
        The parameters that the script never asked for; None if that is not known.
    """

    def __init__(self, results: dict[str, Any] | None = None, error: str = "") -> None:
        self.unread: list[str] | None = None
        self._results = results
        self._error = error

    def payload(self) -> Any:
        """Give the results.

        Raises
        ------
        TransportError
            If there are none.
        """
        if self._results is None:
            raise TransportError(self._error)
        return self._results


def _by_name(source: Source, found: Any) -> dict[str, Any]:
    if isinstance(found, dict):
        return found
    if not source.name:
        raise ValueError(
            f"holds one value without a name; name it, as in `collect: {{energy: {source.file}}}`"
            if source.file
            else "is a value without a name; name it, as in `collect: {energy: {stdout: last}}`"
        )
    return {source.name: found}


def _listed(directory: Path) -> str:
    """Say what is in a directory."""
    try:
        names = sorted(path.name + "/" * path.is_dir() for path in directory.iterdir())
    except OSError as error:
        return f"its directory cannot be read ({error.strerror})"
    if not names:
        return "its directory is empty"
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"its directory has {', '.join(names[:_MOST_LISTED])}{more}"


class _LastLine:
    """The last line that is not empty, however much comes before it."""

    def __init__(self) -> None:
        self._last = b""
        self._begun = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        first, *others = data.split(b"\n")
        self._begin(first)
        if not others:
            return
        *ended, rest = others
        lines = (*reversed(ended), bytes(self._begun))
        self._last = next((line for line in lines if line.strip()), self._last)
        self._begun.clear()
        self._begin(rest)

    def _begin(self, piece: bytes) -> None:
        self._begun += piece[: max(0, _LONGEST_RESULT + 1 - len(self._begun))]

    def result(self) -> Any:
        """Give what the line says, in JSON or as a number."""
        line = (bytes(self._begun).strip() or self._last.strip()).rpartition(b"\r")[2]
        if not line:
            raise ValueError("nothing was printed")
        if len(line) > _LONGEST_RESULT:
            raise ValueError(f"the last line has more than {_LONGEST_RESULT >> 20} MiB")
        text = line.decode("utf-8", "replace")
        value = number(text)
        if value is not None:
            return value
        try:
            return parse_json(text)
        except ValueError as error:
            raise ValueError(
                f"the last line is neither JSON nor a number ({error}): {excerpt(line)}"
            ) from None


class _Search:
    """Looks for a pattern in each line that is printed, and keeps what it found last.

    Nobody knows in which order lines of two streams were printed: what is on both has to be equal.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._search = re.compile(source.pattern).search
        self._found: dict[bool, re.Match[str]] = {}
        self._streams = {True: LineSplitter(), False: LineSplitter()}  # stdout and stderr

    def feed(self, data: bytes, is_stdout: bool) -> None:
        """Take the next piece of one of the two."""
        self._look(self._streams[is_stdout].feed(data), is_stdout)

    def _look(self, lines: Iterable[str], is_stdout: bool) -> None:
        for line in lines:
            if found := self._search(line):
                self._found[is_stdout] = found

    def result(self) -> dict[str, Any]:
        """Give what was found."""
        for is_stdout, splitter in self._streams.items():
            self._look(splitter.rest(), is_stdout)
        if not self._found:
            raise ValueError("is in no line that was printed")
        results = [groups_of(self._source, found) for found in self._found.values()]
        if results[0] != results[-1]:
            both = " and ".join(
                excerpt(self._found[is_stdout][0].encode()) for is_stdout in (True, False)
            )
            raise ValueError(
                f"is on standard output and on standard error ({both}), and nobody knows which was "
                "printed last; make it a pattern of one of them"
            )
        return results[0]
