"""What became of a simulation, and how it is written down in the journal."""

from __future__ import annotations

import cmath
import dataclasses
import enum
import functools
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from .files import LARGE, join_small

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .files import Record

_ARRAY, _COMPLEX, _INTEGER, _TUPLE = 1, 2, 3, 4
_EXTENSION = struct.Struct(">BIB")  # what msgpack writes before an extension of 64 KiB and more
_MAX_DEPTH = 64
_MAX_BITS = 2048  # of a whole number: Python writes no more than 640 digits, if told so
_PIECE = 1 << 16  # numbers of an array that are looked at together
MAX_RECORD = 2**32 - 1024  # bytes; the journal writes sizes in 32 bits, its own additions included
_HOLDABLE = "numbers, strings, booleans, None, numpy arrays, lists and dicts of these"


class Status(enum.IntEnum):
    """How a simulation ended; the numbers are those of the store's `status` column."""

    DONE = 0
    FAILED = 1
    TIMED_OUT = 2
    LOST = 3
    NOT_FINITE = 4

    @property
    def label(self) -> str:
        """The status in words."""
        return self.name.lower().replace("_", " ")

    @property
    def has_result(self) -> bool:
        """Whether the script gave a result, good or not."""
        return self in (Status.DONE, Status.NOT_FINITE)


@dataclasses.dataclass
class Outcome:
    """What became of one simulation.

    Attributes
    ----------
    id : str
        The simulation's id.
    parameters : dict
        The parameters as the study gives them.
    replica, seed : int
        Number of the replica, from 0, and the simulation's own seed.
    status : Status
        How it ended.
    result : dict or None
        What the script gave, where `status` is done or not finite.
    attempts : int
        How often it was started; losses of a worker do not count.
    exit_code : int or None
        Exit code, or minus the number of the signal that ended the process.
    error : str
        What went wrong, with the end of standard error, or which number is not finite; empty
        where done.
    log : str
        Standard error and stray standard output, shortened in the middle.
    host, job_id : str
        Where it ran.
    started : float
        Unix time of its start, in seconds.
    elapsed_time, cpu_time : float
        Wall and CPU time of the process and its children, in seconds.
    peak_memory : int or None
        Largest resident memory of one of its processes, in bytes; None where it is not known.
    engine, engine_version : str
        What ran it.
    script_hash : str
        SHA-256 of the script that ran.
    unread : list of str or None
        Parameters, and `seed`, that the script never asked for; None if that is not known.
    code_hash : str
        16 digits for the script and the modules of the user's own that it imports; empty in
        stores of before these were recorded.
    sequence : int
        The how-manieth outcome of its store this is.
    """

    id: str
    parameters: dict[str, Any]
    replica: int = 0
    seed: int = 0
    status: Status = Status.DONE
    result: dict[str, Any] | None = None
    attempts: int = 1
    exit_code: int | None = None
    error: str = ""
    log: str = ""
    host: str = ""
    job_id: str = ""
    started: float = float("nan")
    elapsed_time: float = float("nan")
    cpu_time: float = float("nan")
    peak_memory: int | None = None
    engine: str = ""
    engine_version: str = ""
    script_hash: str = ""
    unread: list[str] | None = None
    code_hash: str = ""
    sequence: int = 0

    @property
    def is_done(self) -> bool:
        """Whether the simulation gave a result, and its numbers are finite."""
        return self.status is Status.DONE


DEFAULTS = dict(vars(Outcome(id="", parameters={})))
FIELDS = tuple(DEFAULTS)


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


def storable(value: Any, where: str = "result", depth: int = 0) -> Any:
    """Check that the store can hold a value, and give it with numpy's scalars made plain.

    Parameters
    ----------
    value
        Numbers, strings, booleans, None, numpy arrays, lists, tuples and dicts of these. Keys that
        are tuples, as in ESPResSo's energies, become names: ``("coulomb", 0)`` is ``coulomb.0``.
    where : str
        What the value is called in the error.

    Raises
    ------
    TypeError
        If the store cannot hold it; the message says which part of it.
    """
    if depth > _MAX_DEPTH:
        raise TypeError(f"{where} is nested more than {_MAX_DEPTH} deep")
    if isinstance(value, np.generic) and not isinstance(value, np.longdouble | np.clongdouble):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        bits = value.bit_length()
        raise TypeError(f"{where} is a whole number of {bits} bits, which the store cannot hold")
    plain: Any
    for plain in (int, float, complex, str):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, np.ndarray):
        return _storable_array(value, where)
    if isinstance(value, list | tuple):
        items = [storable(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        keys = _plain_keys(value, where)
        return {
            plain: storable(value[key], f"{where}[{key!r}]", depth + 1)
            for plain, key in keys.items()
        }
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise TypeError(f"{where} is a {kind}, which the store cannot hold ({_HOLDABLE})")


def _plain_keys(value: dict[Any, Any], where: str) -> dict[Any, Any]:
    """Give a dict's keys as the store has them, and as they are."""
    keys: dict[Any, Any] = {}
    for key in value:
        plain = _plain_key(key, where)
        if plain in keys:
            raise TypeError(f"{where} has the keys {keys[plain]!r} and {key!r}: both are {plain!r}")
        keys[plain] = key
    return keys


def _plain_key(key: Any, where: str) -> Any:
    plain = key.item() if isinstance(key, np.generic) else key
    if isinstance(plain, tuple) and plain:
        return ".".join(str(_plain_key(part, where)) for part in plain)
    if isinstance(plain, int) and plain.bit_length() > _MAX_BITS:
        raise TypeError(f"{where} has a key of {plain.bit_length()} bits")
    for kind in (bool, int, float, str):
        if isinstance(plain, kind):
            return kind(plain)
    if plain is not None:
        raise TypeError(
            f"{where} has the key {key!r}: keys are strings, numbers or tuples of these"
        )
    return None


def named(result: dict[Any, Any]) -> dict[str, Any]:
    """Give a result by the names that it has in the store.

    Examples
    --------
    >>> named({"total": 2.5, ("non_bonded", 0, 1): 1.5, 3: 0.5})
    {'total': 2.5, 'non_bonded.0.1': 1.5, '3': 0.5}
    """
    names: dict[str, Any] = {}
    for plain, key in _plain_keys(result, "result").items():
        name = str(plain)
        if plain is None or name == "":
            raise TypeError(f"result has the key {key!r}: results have names")
        if name in names:
            raise TypeError(f"result has the key {key!r}, and another one that is {name!r}, too")
        names[name] = result[key]
    return names


def _storable_array(array: np.ndarray[Any, Any], where: str) -> np.ndarray[Any, Any]:
    if array.dtype.kind not in "biufcU" or array.dtype.char in "gG":
        raise TypeError(
            f"{where} is an array of {array.dtype}, which the store cannot hold "
            "(arrays of booleans, integers, floats, complex numbers or strings)"
        )
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=None, subok=False)


def not_finite(result: dict[str, Any]) -> str:
    """Say which number of a result is NaN or infinite.

    Parameters
    ----------
    result : dict
        As :func:`storable` gives it. Its own standard errors, by their names ``…_sem``, may be
        NaN: that is how :mod:`~dask_espresso.statistics` writes one that is not known.

    Returns
    -------
    str
        The first such number; empty if there is none.

    Examples
    --------
    >>> not_finite({"pressure": float("nan"), "pressure_sem": 0.1})
    "result['pressure'] is nan"
    >>> not_finite({"pressure": None, "pressure_sem": float("nan")})
    ''
    """
    for name, value in result.items():
        if said := _first_not_finite(value, may_be_nan=name.endswith("_sem")):
            return f"result[{name!r}]{said}"
    return ""


def _first_not_finite(value: Any, may_be_nan: bool) -> str:
    """Say what follows the value's name: the place in it, and what is there."""
    if isinstance(value, float | complex):
        is_bad = cmath.isinf(value) if may_be_nan else not cmath.isfinite(value)
        return f" is {value}" if is_bad else ""
    if isinstance(value, np.ndarray):
        count = _count_not_finite(value, may_be_nan)
        what = "infinite" if may_be_nan else "nan or infinite"
        return f" is {what} in {count} of {value.size} places" if count else ""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, list | tuple):
        items = enumerate(value)
    elif isinstance(value, dict):
        items = value.items()
    for key, item in items:
        if said := _first_not_finite(item, may_be_nan):
            return f"[{key!r}]{said}"
    return ""


def _count_not_finite(array: np.ndarray[Any, Any], may_be_nan: bool) -> int:
    if array.dtype.kind not in "fc":
        return 0
    flat = array.reshape(-1)
    pieces = (flat[start : start + _PIECE] for start in range(0, flat.size, _PIECE))
    if may_be_nan:
        return sum(int(np.count_nonzero(np.isinf(piece))) for piece in pieces)
    return sum(piece.size - int(np.count_nonzero(np.isfinite(piece))) for piece in pieces)


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
        return msgpack.ExtType(_COMPLEX, pack_plain([value.real, value.imag]))
    if isinstance(value, int):
        return msgpack.ExtType(_INTEGER, str(value).encode())
    if isinstance(value, tuple):
        return msgpack.ExtType(_TUPLE, _packed(list(value)))
    raise TypeError(f"{type(value).__name__} has no place in a journal")


def _array_head(array: np.ndarray[Any, Any]) -> bytes:
    return pack_plain([array.dtype.str, array.shape])


def pack_plain(value: Any) -> bytes:
    """Write a value of msgpack's own types."""
    packed: bytes = msgpack.packb(value)
    return packed


def _unextend(code: int, data: bytes, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:  # each level costs msgpack a good piece of the C stack
        raise ValueError(f"nested more than {_MAX_DEPTH} deep")
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
