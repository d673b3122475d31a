"""What crosses the pipe between a worker and a simulation script.

Parameters go to the script's standard input and the result comes back on its
standard output, both pickled and then base64 encoded. Large results can take a
pipe of their own, without that and without copies (:func:`send_result`). This
module runs on both sides: in the driver's environment and inside the
simulation's own interpreter, which may have another Python (3.9 or newer),
another numpy or none at all.
"""

import atexit
import base64
import binascii
import contextlib
import functools
import gc
import io
import itertools
import mmap
import os
import pickle
import re
import stat
import struct
import sys
from typing import Any, Dict, List, Optional, Sequence

__all__ = [
    "PayloadScanner",
    "TransportError",
    "decode_transport_data",
    "encode_transport_data",
    "get_data_from_stdin",
    "send_result",
]

RESULT = "DASK_ESPRESSO_RESULT"  # the variable that names the pipe for the result
_RESULT_HEAD = struct.Struct("<8sQ")  # what it is, and how many pieces, whose sizes follow
_RESULT_MAGIC = b"\0espres\1"
_UNREAD_MAGIC = b"\0unread\1"
_MAX_PIECES = 1 << 16

# Protocol 5 is what the oldest supported script side (Python 3.9) can read.
_PROTOCOL = 5

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
# base64 of a pickle of protocol 2 to 5 begins like this (0x80, then the protocol's number)
_PICKLE_START = re.compile(rb"gA[I-X](?=[A-Za-z0-9+/])")
_PICKLE_BEGUN = re.compile(rb"g(A[I-X]?)?\Z")
# the first opcode after the protocol's number: FRAME, or whatever a pickle too small for one holds
_FIRST_OPCODES = b"\x95}])(KMJGXN\x88\x89\x8c\x8d\x8a\x8bBC\x8e\x96\x8fcIFVSULT"
# What pickles of plain data may name: none of it runs code. Anything that a script prints is looked
# at, what it read elsewhere too.
_PLAIN = {
    "builtins": "bytearray complex dict float frozenset int list set",
    "_codecs": "encode",  # the bytes in old pickles
    "collections": "Counter OrderedDict defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "numpy": "dtype ndarray",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
}

# What ESPResSo gives that is plain data by another name: arrays that only refuse to be written to,
# and numbers with names.
_ESPRESSO = {
    ("espressomd.utils", "array_locked"): ("numpy", "ndarray"),
    ("espressomd.propagation", "Propagation"): ("builtins", "int"),
}

_TRIES = 8  # how often a payload is looked for in a stretch of base64
_FIRST_CHECK = 256  # characters after which a candidate is looked at although its end is not here
_MAX_PICKLE = 1 << 48  # bytes; most random texts would be longer


class TransportError(ValueError):
    """What came through the pipe is not one whole payload."""


class _PortableUnpickler(pickle.Unpickler):
    """Unpickles arrays of another numpy, and of ESPResSo without ESPResSo.

    numpy 2 renamed its private package ``numpy.core``, which pickled arrays
    name, to ``numpy._core``.
    """

    def find_class(self, module: str, name: str) -> Any:
        module, name = _ESPRESSO.get((module, name), (module, name))
        if module.split(".")[:2] in (["numpy", "core"], ["numpy", "_core"]):
            rest = module.split(".", 2)[2:]
            package = "_core" if _numpy_major() >= 2 else "core"
            module = ".".join(["numpy", package, *rest])
        return super().find_class(module, name)


class _PlainUnpickler(_PortableUnpickler):
    """Unpickles plain data only, for what a stranger could have written."""

    def find_class(self, module: str, name: str) -> Any:
        plain = _PLAIN.get(module.replace("numpy._core", "numpy.core"), "").split()
        if name not in plain and (module, name) not in _ESPRESSO:
            raise pickle.UnpicklingError(
                f"it holds {module}.{name}, which is no plain data; "
                "give numbers, strings, numpy arrays, lists and dicts of these"
            )
        return super().find_class(module, name)


# What may be an order to remember an object under a number of a million and more: older versions of
# Python make room for as many.
_MAY_BE_LARGE_NUMBER = re.compile(rb"r..(?:[\x10-\xff].|.[\x01-\xff])|p\d{7}", re.DOTALL)


def _load_plain(stream: io.BytesIO, buffers: Any = None) -> Any:
    """Unpickle plain data, in no more memory than it has a right to."""
    pickled = stream.getvalue()
    if _MAY_BE_LARGE_NUMBER.search(pickled):
        _check_numbers(pickled)
    return _PlainUnpickler(stream, buffers=buffers).load()


def _check_numbers(pickled: bytes) -> None:
    import pickletools  # scripts need none of this

    try:
        argument: Any
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name in ("LONG_BINPUT", "PUT") and argument > len(pickled):
                raise pickle.UnpicklingError(f"it remembers an object as number {argument}")
    except ValueError:  # not a whole pickle: what is wrong with it is found when it is loaded
        return


class _Beginning(io.BytesIO):
    """The beginning of what may be a pickle; notes how long that would be at least."""

    wanted = 0

    def read(self, size: Any = -1) -> bytes:
        self.wanted = max(self.wanted, self.tell() + size)
        return super().read(size)

    def readinto(self, buffer: Any) -> int:
        self.wanted = max(self.wanted, self.tell() + len(buffer))
        return super().readinto(buffer)

    def readline(self, size: Any = -1) -> bytes:
        line = super().readline(size)
        self.wanted = max(self.wanted, self.tell() + (not line.endswith(b"\n")))
        return line


def _numpy_major() -> int:
    import numpy

    return int(numpy.__version__.split(".")[0])


def encode_transport_data(data: Any) -> str:
    """Encode an object as one line of text.

    Parameters
    ----------
    data
        Numbers, strings, booleans, None, numpy arrays, lists, tuples, sets and
        dicts of these; dates, times and decimals.

    Returns
    -------
    str
        base64 of the pickled object, without line breaks.

    Examples
    --------
    >>> decode_transport_data(encode_transport_data({"pressure": 2.5}))
    {'pressure': 2.5}
    """
    return base64.b64encode(_pickled(data)).decode("ascii")


def decode_transport_data(text: Any) -> Any:
    """Decode what :func:`encode_transport_data` encoded.

    Only for text from one's own simulations: like every pickle, a forged
    payload can run code.

    Parameters
    ----------
    text : str or bytes
        The encoded object. White space around it is ignored.

    Returns
    -------
    object
        The object, equal to the one encoded.

    Raises
    ------
    TransportError
        If the text is not one whole payload.
    """
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else bytes(text)
    raw = raw.strip()
    if not raw:
        raise TransportError("there is no payload: the text is empty")
    try:
        return _PortableUnpickler(io.BytesIO(base64.b64decode(raw, validate=True))).load()
    except Exception as error:  # unpickling garbage raises nearly anything
        raise TransportError(
            f"this is not a whole payload ({type(error).__name__}: {error}): {_excerpt(raw)}"
        ) from error


def get_data_from_stdin() -> Any:
    """Read the simulation's parameters from standard input.

    Returns
    -------
    object
        The parameters, usually a dict, as the driver encoded them. Under a worker, the dict takes
        note of which of them the script asks for, so that those that it never does can be named.

    Raises
    ------
    TransportError
        If standard input holds no payload. A script started by hand can be
        given one: ``dask-espresso try STUDY`` does that.
    """
    data = decode_transport_data(sys.stdin.read())
    return _Parameters.of(data) if type(data) is dict and _result_pipe() is not None else data


def send_result(data: Any) -> None:
    """Hand over the simulation's result, in place of printing it.

    Under a worker it goes through a pipe of its own, large numpy arrays straight from their
    memory. Without one it is printed, as ``print(encode_transport_data(data))`` does.

    Parameters
    ----------
    data
        As for :func:`encode_transport_data`, up to 4 GiB.
    """
    pipe = _result_pipe()
    if pipe is None:
        print(encode_transport_data(data))
        return
    buffers: List[Any] = []
    pickled = _pickled(data, buffers.append)
    _send(pipe, _RESULT_MAGIC, [memoryview(pickled), *(buffer.raw() for buffer in buffers)])


def _send(pipe: int, magic: bytes, pieces: Sequence[memoryview]) -> None:
    """Write what a :class:`_ResultReader` reads."""
    sizes = struct.pack(f"<{len(pieces)}Q", *(piece.nbytes for piece in pieces))
    head = _RESULT_HEAD.pack(magic, len(pieces)) + sizes
    for piece in [memoryview(head), *pieces]:
        while piece:
            piece = piece[os.write(pipe, piece[: 1 << 30]) :]


def _asking_for_all(name: str) -> Any:
    """Give a method of dict, which takes note that all parameters are asked for."""
    method = getattr(dict, name)

    @functools.wraps(method)
    def asking(self: Any, *arguments: Any) -> Any:
        self._note(*dict.keys(self))
        return method(self, *arguments)

    return asking


def _asking_for_one(name: str) -> Any:
    """Give a method of dict, which takes note that its first argument is asked for."""
    method = getattr(dict, name)

    @functools.wraps(method)
    def asking(self: Any, *arguments: Any) -> Any:
        self._note(*arguments[:1])
        return method(self, *arguments)

    return asking


class _Parameters(Dict[str, Any]):
    """A simulation's parameters: a dict that takes note of what is asked for.

    To print it, or to write into it, is not to ask. It is copied and pickled as a plain dict.
    """

    __slots__ = ("_asked", "_places")

    _asked: mmap.mmap  # a byte a parameter, which processes that the script forks have in common
    _places: Dict[Any, int]

    @classmethod
    def of(cls, values: Dict[str, Any]) -> "_Parameters":
        """Begin to take note, and have the worker told at the end of this process."""
        parameters = cls(values)
        parameters._places = {name: place for place, name in enumerate(values)}
        parameters._asked = mmap.mmap(-1, len(values) + 1)
        atexit.register(parameters._tell, os.getpid())
        _teach_yaml()
        return parameters

    def _note(self, *names: Any) -> None:
        for name in names:
            with contextlib.suppress(TypeError):  # not hashable: dict says so itself
                self._asked[self._places.get(name, len(self._places))] = 1

    def _tell(self, pid: int) -> None:
        """Tell the worker what was never asked for."""
        pipe = _result_pipe()
        if pipe is not None and os.getpid() == pid:
            unread = [name for name, place in self._places.items() if not self._asked[place]]
            if unread and self._is_namespace():
                unread = []
            with contextlib.suppress(OSError):  # the worker has gone
                names = "\0".join(unread).encode("utf-8", "surrogatepass")
                _send(pipe, _UNREAD_MAGIC, [memoryview(names)])

    def _is_namespace(self) -> bool:
        """Say whether they are the attributes of some object, which asks nobody for them."""
        with contextlib.suppress(Exception):  # code of strangers
            return any(getattr(x, "__dict__", None) is self for x in gc.get_referrers(self))
        return True

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)


_ASK_FOR_ONE = ("__getitem__", "__contains__", "get", "pop", "setdefault")
_ASK_FOR_ALL = (
    "__iter__", "__reversed__", "__eq__", "__ne__", "__or__", "__ror__",
    "keys", "values", "items", "copy", "popitem",
)  # fmt: skip
for _method in _ASK_FOR_ONE:
    setattr(_Parameters, _method, _asking_for_one(_method))
for _method in _ASK_FOR_ALL:
    setattr(_Parameters, _method, _asking_for_all(_method))


def _teach_yaml() -> None:
    """Have yaml, which goes by the exact type, write parameters as it writes a dict."""
    yaml = sys.modules.get("yaml.representer")
    for name in ("SafeRepresenter", "Representer"):
        representer = getattr(yaml, name, None)
        if representer is not None:
            representer.add_representer(_Parameters, representer.represent_dict)


def _pickled(data: Any, buffer_callback: Any = None) -> bytes:
    try:
        return pickle.dumps(data, protocol=_PROTOCOL, buffer_callback=buffer_callback)
    except Exception as error:  # such as ESPResSo's assertions, without a word
        raise TransportError(_culprit(data, "the data")) from error


def _culprit(data: Any, where: str) -> str:
    """Say what of an object is no data."""
    items: Any = ()
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, (list, tuple)):
        items = enumerate(data)
    for key, item in items:
        try:
            pickle.dumps(item, protocol=_PROTOCOL)
        except Exception:
            return _culprit(item, f"{where}[{key!r}]")
    kind = type(data)
    return (
        f"{where} is a {kind.__module__}.{kind.__qualname__}, which cannot be handed over; "
        "give numbers, strings, numpy arrays, lists and dicts of these"
    )


def pipe_number(fd: int) -> str:
    """Give what no other pipe on this machine has."""
    found = os.fstat(fd)
    return f"{found.st_dev}:{found.st_ino}"


def _result_pipe() -> Optional[int]:
    """Give the pipe that a worker waits at; None where there is none, such as after a launcher."""
    try:
        number, _, identity = os.environ.get(RESULT, "").partition(":")
        fd = int(number)
        is_there = stat.S_ISFIFO(os.fstat(fd).st_mode) and pipe_number(fd) == identity
    except (ValueError, OSError):
        return None
    return fd if is_there else None


def _excerpt(raw: bytes, size: int = 200) -> str:
    text = raw.decode("utf-8", "replace")
    return repr(text if len(text) <= size else text[: size // 2] + " […] " + text[-size // 2 :])


class PayloadScanner:
    """Finds the payload in a simulation's standard output, whatever else is printed there.

    Fed piece by piece, it keeps payloads only and hands everything else on, so
    that its memory does not grow with the noise. No payload can run code.

    Attributes
    ----------
    payloads : list of object
        What was found and decoded; no more than two are kept.
    broken : str
        Why the first text that looked like a payload was none, or empty.
    unread : list of str or None
        The parameters that the script never asked for; None if that is not known.
    """

    MAX_ENCODED_SIZE = 4 * 2**30
    MAX_SIZE = 4 * 2**30 - 2**20  # of the journal's records

    def __init__(self, noise: Any) -> None:
        self.payloads: List[Any] = []
        self.broken = ""
        self.unread: Optional[List[str]] = None
        self._noise = noise  # called with the bytes that are not payload
        self._pending = bytearray()
        self._is_candidate = False  # does _pending begin like a payload?
        self._searched = 0
        self._check_at = 0
        self._tries = 0  # with the text up to the next character that is not base64
        self._result = _ResultReader()

    def read_result(self, fd: int) -> int:
        """Read from the pipe that :func:`send_result` writes to; give how much was there."""
        size = self._result.read(fd)
        if self._result.is_complete:
            self._keep_result(self._result)
            self._result = _ResultReader()
        return size

    def _keep_result(self, result: "_ResultReader") -> None:
        try:
            if result.is_of_unread:
                self.unread = result.load_unread()
                return
            value = result.load()
        except Exception as error:  # unpickling garbage raises nearly anything
            self.broken = self.broken or f"{type(error).__name__}: {error}"
            return
        if len(self.payloads) < 2:
            self.payloads.append(value)

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of output."""
        self._pending += chunk
        while self._step(last=False):
            pass

    def close(self) -> None:
        """Take note that the output has ended."""
        while self._step(last=True):
            pass
        self._pass_noise(len(self._pending))
        if self._result.is_begun:
            what = self._result.error or "what send_result() writes is not there to its end"
            self.broken = self.broken or what

    def payload(self) -> Any:
        """Give the one payload.

        Returns
        -------
        object
            What the script encoded.

        Raises
        ------
        TransportError
            If there is none, more than one, or a broken one.
        """
        if len(self.payloads) > 1:
            raise TransportError("two payloads: hand over the result once, at the end")
        if self.payloads:
            return self.payloads[0]
        if self.broken:
            raise TransportError("broken payload: " + self.broken)
        raise TransportError(
            "no payload on standard output: end the script with "
            "print(dask_espresso.encode_transport_data(result))"
        )

    def _step(self, *, last: bool) -> bool:
        """Deal with the next stretch of noise or the next candidate; say whether to go on."""
        if self._tries >= _TRIES:
            end = _NOT_BASE64.search(self._pending)
            self._pass_noise(end.start() if end else len(self._pending))
            if end is None:
                return False
            self._tries = 0
        if not self._is_candidate:
            start = _PICKLE_START.search(self._pending)
            # a payload's first three characters may already be here
            begun = start or _PICKLE_BEGUN.search(self._pending)
            size = begun.start() if begun else len(self._pending)
            if _NOT_BASE64.search(self._pending, 0, size):
                self._tries = 0
            self._pass_noise(size)
            if start is None:
                return False
            self._is_candidate = True
            self._searched = 0
            self._check_at = _FIRST_CHECK
        end = _NOT_BASE64.search(self._pending, self._searched)
        if end is None and not last:
            self._searched = len(self._pending)
            return self._searched >= self._check_at and not self._is_promising()
        self._take(end.start() if end else len(self._pending))
        self._tries = 0
        return True

    def _is_promising(self) -> bool:
        """Say whether the candidate, of which the end is not here yet, is worth keeping."""
        self._check_at = min(4 * self._searched, self.MAX_ENCODED_SIZE + 1)
        if self._searched > self.MAX_ENCODED_SIZE:
            self.broken = _too_large(self.MAX_ENCODED_SIZE)
            self._tries = _TRIES
        else:
            candidate = bytes(memoryview(self._pending)[: self._searched // 4 * 4])
            stream = _Beginning(_decode_unpadded(candidate))
            try:
                _load_plain(stream)
                return True
            except Exception as error:  # unpickling garbage raises nearly anything
                if stream.getbuffer().nbytes < stream.wanted < _MAX_PICKLE:
                    return True
                self._note_broken(error, candidate)
            self._tries += 1
            self._pass_noise(1)
        self._is_candidate = False
        return False

    def _note_broken(self, error: Exception, candidate: bytes) -> None:
        # a word of a message is no broken payload, a long or framed one is
        if not self.broken and len(candidate) >= 32:
            self.broken = f"{type(error).__name__}: {error}: {_excerpt(candidate)}"

    def _take(self, size: int) -> None:
        """Look for a payload in the candidate that is the first `size` bytes of what is pending."""
        self._is_candidate = False
        candidate = bytes(memoryview(self._pending)[:size])
        # noise may be glued to the payload's front, and itself look like the start of one;
        # a few tries find that payload, more would only be spent on garbage
        starts = (found.start() for found in _PICKLE_START.finditer(candidate))
        plausible = (start for start in starts if _looks_like_pickle(candidate, start))
        for start in itertools.islice(plausible, _TRIES):
            used = self._decode(candidate[start:])
            if used:
                self._pass_noise(start)
                del self._pending[:used]
                return
        self._pass_noise(size)

    def _decode(self, candidate: bytes) -> int:
        """Keep the payload that `candidate` begins with; give its encoded length, or 0."""
        whole = candidate.rstrip(b"=")
        padding = candidate.find(b"=")
        if 0 <= padding < len(whole):  # something is glued to the payload's end
            whole = candidate[:padding]
        try:
            stream = io.BytesIO(_decode_unpadded(whole))
            value = _load_plain(stream)
        except Exception as error:  # unpickling garbage raises nearly anything
            self._note_broken(error, candidate)
            return 0
        if len(self.payloads) < 2:
            self.payloads.append(value)
        encoded_groups = -(-stream.tell() // 3)
        used = 4 * encoded_groups
        return min(used, len(candidate))

    def _pass_noise(self, size: int) -> None:
        if size:
            self._noise(bytes(memoryview(self._pending)[:size]))
            del self._pending[:size]


class _ResultReader:
    """Reads what :func:`send_result` writes, each piece right into the memory it is to have."""

    def __init__(self) -> None:
        self.is_complete = self.is_begun = self.is_of_unread = False
        self._pieces: List[bytearray] = []
        self.error = ""
        self._at = 0  # which piece is being read
        self._expect([_RESULT_HEAD.size])

    def _expect(self, sizes: Any) -> None:
        self._pieces += [bytearray(size) for size in sizes]
        self._view = memoryview(self._pieces[self._at])

    def read(self, fd: int) -> int:
        """Read once; give the number of bytes, none at the end."""
        if self.error:
            return len(os.read(fd, 1 << 20))
        size = os.readv(fd, [self._view])
        self.is_begun = self.is_begun or size > 0
        self._view = self._view[size:]
        while not self._view and not self.error and not self.is_complete:
            self._next()
        return size

    def _next(self) -> None:
        """Go on to the next piece."""
        self._at += 1
        if self._at == 1:
            magic, count = _RESULT_HEAD.unpack(self._pieces[0])
            self.is_of_unread = magic == _UNREAD_MAGIC
            is_known = magic in (_RESULT_MAGIC, _UNREAD_MAGIC)
            if not is_known or not 0 < count <= _MAX_PIECES:
                self.error = "it was not written by send_result()"
                return
            self._expect([8 * count])
        elif self._at == 2:
            sizes = struct.unpack(f"<{len(self._pieces[1]) // 8}Q", self._pieces[1])
            if sum(sizes) > PayloadScanner.MAX_SIZE:
                self.error = _too_large(PayloadScanner.MAX_SIZE)
                return
            self._expect(sizes)
        elif self._at < len(self._pieces):
            self._view = memoryview(self._pieces[self._at])
        else:
            self.is_complete = True

    def load(self) -> Any:
        """Unpickle it, around the pieces as they are."""
        return _load_plain(io.BytesIO(self._pieces[2]), self._pieces[3:])

    def load_unread(self) -> List[str]:
        """Give the names of parameters that it is."""
        names = self._pieces[2].decode("utf-8", "surrogatepass")
        return names.split("\0") if names else []


def _too_large(limit: int) -> str:
    return f"it has more than {limit >> 20} MiB: write such results to a file"


def _looks_like_pickle(candidate: bytes, start: int) -> bool:
    """Check the first opcode of what may be a pickle."""
    return base64.b64decode(candidate[start : start + 4] + b"==")[2:3] in _FIRST_OPCODES


def _decode_unpadded(text: bytes) -> bytes:
    """Decode base64 with its padding, or with something glued to its end."""
    text = text[: len(text) - 1] if len(text) % 4 == 1 else text
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""
