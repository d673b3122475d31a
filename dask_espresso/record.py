"""An outcome as the workers send it and the journal keeps it: msgpack, no pickle."""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from .files import LARGE, join_small
from .outcome import FIELDS, Outcome, Status
from .values import MAX_DEPTH

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .files import Record

LARGE_RECORD = 256 << 10  # bytes from which on one is sent by itself, beside others
MAX_RECORD = 2**32 - 1024  # bytes; the journal writes sizes in 32 bits, its own additions included
_ARRAY, _COMPLEX, _INTEGER, _TUPLE = 1, 2, 3, 4
_EXTENSION = struct.Struct(">BIB")  # what msgpack writes before an extension of 64 KiB and more


def pack(outcome: Outcome) -> Record:
    """Write an outcome as a journal record: msgpack, no pickle.

    Returns
    -------
    tuple of bytes-like
        One behind the other they are the record. Arrays of a MiB and more stand there as they are
        in memory, without a copy.

    Raises
    ------
    ValueError
        If it comes to more than a journal record may have.
    """
    record = {name: getattr(outcome, name) for name in FIELDS}
    record["status"] = int(outcome.status)
    try:
        packed = _packed(record)
        _checked_size(len(packed))
        return (packed,)
    except _LargeArrayError:
        parts = tuple(join_small(_parts(record)))
        _checked_size(_size(parts))
        return parts


def unpack(record: Buffer) -> Outcome:
    """Read an outcome from a journal record.

    Raises
    ------
    ValueError
        If the record is not one that :func:`pack` wrote.
    """
    try:
        fields = msgpack.unpackb(
            record,
            ext_hook=_unextend,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            max_ext_len=2**32 - 1,
            max_str_len=2**32 - 1,
        )
        fields["status"] = Status(fields["status"])
        fields["peak_memory"] = fields["peak_memory"] or None  # what was not known was once 0
        return Outcome(**fields)
    except (TypeError, KeyError, msgpack.UnpackException) as error:
        raise ValueError(f"not an outcome: {error}") from error


class _LargeArrayError(Exception):
    """A value holds an array that is not to be copied."""


def _parts(value: Any) -> Iterator[Buffer]:
    """Write a value in pieces, of which each large array is one."""
    try:
        yield _packed(value)
    except _LargeArrayError:
        if isinstance(value, np.ndarray):
            data: Any = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
            yield from _extension(_ARRAY, [_array_head(value), data])
        elif isinstance(value, tuple):
            yield from _extension(_TUPLE, list(_parts(list(value))))
        elif isinstance(value, dict):
            yield msgpack.Packer().pack_map_header(len(value))
            for key, item in value.items():
                yield _packed(key)
                yield from _parts(item)
        else:
            yield msgpack.Packer().pack_array_header(len(value))
            for item in value:
                yield from _parts(item)


def _extension(code: int, parts: Sequence[Buffer]) -> Iterator[Buffer]:
    """Write a large msgpack extension in pieces, as msgpack itself does in one."""
    yield _EXTENSION.pack(0xC9, _checked_size(_size(parts)), code)
    yield from parts


def _size(parts: Sequence[Any]) -> int:
    return sum(map(len, parts))  # all are bytes, or arrays of them


def _checked_size(size: int) -> int:
    if size > MAX_RECORD:
        raise ValueError(f"it comes to {size} bytes, but the store holds at most {MAX_RECORD}")
    return size


def _packed(value: Any) -> bytes:
    packed: bytes = msgpack.packb(
        value, default=_extend, strict_types=True, unicode_errors="surrogatepass"
    )
    return packed


def _extend(value: Any) -> msgpack.ExtType:
    """Write what msgpack itself has no type for."""
    if isinstance(value, np.ndarray):
        if value.nbytes >= LARGE:
            raise _LargeArrayError
        return msgpack.ExtType(_ARRAY, _array_head(value) + value.tobytes())
    if isinstance(value, complex):
        return msgpack.ExtType(_COMPLEX, _pack_plain([value.real, value.imag]))
    if isinstance(value, int):
        return msgpack.ExtType(_INTEGER, str(value).encode())
    if isinstance(value, tuple):
        return msgpack.ExtType(_TUPLE, _packed(list(value)))
    raise TypeError(f"{type(value).__name__} has no place in a journal")


def _array_head(array: np.ndarray[Any, Any]) -> bytes:
    return _pack_plain([array.dtype.str, array.shape])


def _pack_plain(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _unextend(code: int, data: bytes, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:  # each level costs msgpack a good piece of the C stack
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if code == _ARRAY:
        unpacker = msgpack.Unpacker(max_buffer_size=0)
        unpacker.feed(data)
        dtype, shape = unpacker.unpack()
        if not re.fullmatch(r"[<>|=][biufcU]\d+", dtype):  # numpy reads much more into a text
            raise ValueError(f"{dtype!r} is no type of an array")
        return np.frombuffer(data, dtype, offset=unpacker.tell()).reshape(shape).copy()
    if code == _COMPLEX:
        return complex(*msgpack.unpackb(data))
    if code == _INTEGER:
        return int(data)
    if code == _TUPLE:
        items = msgpack.unpackb(
            data,
            ext_hook=functools.partial(_unextend, depth=depth + 1),
            strict_map_key=False,
            unicode_errors="surrogatepass",
        )
        return tuple(items)
    raise ValueError(f"extension type {code} is unknown")
