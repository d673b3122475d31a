"""Results in files that a simulation has written: JSON, YAML, NPZ, tables, lines of a log."""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from ..inputs.collect import Source
from ..inputs.plain_yaml import Reader
from .result_reader import MAX_SIZE
from .text_table import number, read_table

_MOST_TEXT = 64 << 20  # bytes of JSON or a table, which take some twenty times as many to read
_MOST_YAML = 4 << 20
_LONGEST_LINE = 1 << 12  # bytes that a pattern is looked for in: time may grow with the square
_CHUNK = 1 << 20  # bytes


def read_results(source: Source, file: BinaryIO) -> Any:
    """Read what a file has to say.

    Parameters
    ----------
    source : Source
        Says how.
    file : file
        Open for reading, and a regular one.

    Returns
    -------
    object
        A dict of results by their names, or one value that has no name yet.

    Raises
    ------
    ValueError
        If it is not what it should be; the message says why.
    """
    if source.pattern:
        return find_last(source, _lines(file))
    if source.suffix == ".npz":
        return _read_npz(file)
    if source.suffix == ".npy":
        return _read_array(file, os.fstat(file.fileno()).st_size)
    if source.suffix in (".yaml", ".yml"):
        return _read_yaml(_text(file, _MOST_YAML))
    text = _text(file, _MOST_TEXT)
    if source.suffix == ".json":
        return parse_json(text)
    return read_table(io.StringIO(text), source.suffix, source.columns, source.texts)


def _text(file: BinaryIO, most: int) -> str:
    content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"has more than {most >> 20} MiB; write such results as .npz")
    return content.decode("utf-8-sig")


class LineSplitter:
    """Makes lines of what comes piece by piece; a carriage return ends one, too."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, data: bytes) -> Iterator[str]:
        """Take the next piece; give the lines that are whole now, of very long ones the beginning.

        They have to be taken, all of them.
        """
        *ended, rest = data.replace(b"\r", b"\n").split(b"\n")
        for piece in ended:
            self._begin(piece)
            yield from self.rest()
        self._begin(rest)

    def rest(self) -> Iterator[str]:
        """Give the line that has no end yet, if there is one."""
        if self._begun:
            line = self._begun.decode("utf-8", "replace")
            self._begun.clear()
            yield line

    def _begin(self, piece: bytes) -> None:
        self._begun += piece[: max(0, _LONGEST_LINE - len(self._begun))]


def _lines(file: BinaryIO) -> Iterator[str]:
    """Give the lines of a file of any size."""
    splitter = LineSplitter()
    while data := file.read(_CHUNK):
        yield from splitter.feed(data)
    yield from splitter.rest()


def parse_json(text: str) -> Any:
    """Read JSON, in which no name may stand twice."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("is nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, value in pairs:
        if name in names:
            raise ValueError(f"has {name!r} twice")
        names[name] = value
    return names


def _read_yaml(text: str) -> Any:
    try:
        return Reader("line", with_line=True).read(text)
    except InputError as error:
        raise ValueError(str(error)) from None


def _read_npz(file: BinaryIO) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > MAX_SIZE:
                raise ValueError(f"has {size >> 20} MiB, of {MAX_SIZE >> 20} that may be")
            arrays = {}
            for member in members:
                with archive.open(member) as part:
                    arrays[member.filename.removesuffix(".npy")] = _read_array(
                        part, member.file_size
                    )
            return arrays
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"is no whole .npz ({error})") from None


def _read_array(file: Any, size: int) -> Any:
    """Read an array, in no more memory than the file has bytes; a number where it is one."""
    if size > MAX_SIZE:
        raise ValueError(f"has {size >> 20} MiB, of {MAX_SIZE >> 20} that may be")
    head = np.lib.format.read_magic(file)
    if head not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"is an array of format {head}, which is not known")
    is_first = head == (1, 0)
    read = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("holds Python objects; write arrays of numbers or texts")
    count = math.prod(shape)
    if count * max(1, dtype.itemsize) > size:
        raise ValueError("is not there to its end")
    data = file.read(count * dtype.itemsize)
    array = np.frombuffer(bytearray(data), dtype, count)
    array = array.reshape(shape[::-1]).transpose() if is_fortran else array.reshape(shape)
    return array if shape else array.item()


def find_last(source: Source, lines: Iterable[str]) -> dict[str, Any]:
    """Give the groups of a pattern in the last line that it is found in."""
    search, found = re.compile(source.pattern).search, None
    for line in lines:
        found = search(line) or found
    if found is None:
        raise ValueError(f"has no line with {source.pattern!r}")
    return groups_of(source, found)


def groups_of(source: Source, found: re.Match[str]) -> dict[str, Any]:
    """Give what a pattern has found: numbers, and texts where they are meant."""
    results: dict[str, Any] = {}
    for name, text in found.groupdict().items():
        text = text.strip() if text else text
        value = text if name in source.texts else number(text or "")
        if value is None:
            raise ValueError(
                f"{name!r} is {text!r} there, which is no number; where that is meant, write "
                f"`texts: [{name}]`"
            )
        results[name] = value
    return results


# what is no number to JSON and YAML, and is hardly meant as anything else
_MEANT_AS_NUMBER = re.compile(
    r"[-+]?(?:\d+\.\d*|\.\d+)[dDqQ][-+]?\d+|[-+]?\d+[dDqQ][-+]\d+"  # Fortran's
    r"|[-+]?(?:\d+\.\d*|\.\d+)[-+]\d{3}"  # also Fortran's, where an exponent has three digits
    r"|[-+]?\d*,\d+(?:[eEdD][-+]?\d+)?|[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?"  # commas
    r"|[-+]?(?:nan|inf|infinity)(?:\(\w*\))?|[-+]?1\.#\w+|\*+",
    re.ASCII | re.IGNORECASE,
)


def check_texts(value: Any, name: str) -> None:
    """Refuse texts that are meant as numbers, in a notation that JSON and YAML do not have.

    Raises
    ------
    ValueError
        Names the result.
    """
    if isinstance(value, str):
        if _MEANT_AS_NUMBER.fullmatch(value.strip()):
            raise ValueError(
                f"{name!r} is the text {value!r}; write a number, or null where there is none; "
                f"where a text is meant, write `texts: [{name}]`"
            )
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            check_texts(item, name)
