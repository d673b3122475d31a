"""The result among everything else that a simulation prints, in one pass over its output."""

from __future__ import annotations

import base64
import pickle
import re
from collections.abc import Callable
from typing import Any

from ..script import frame
from ..script.transport import TransportError, excerpt
from .plain import load_plain
from .result_reader import ResultReader, too_large

# Pickles of protocol 2 to 5, ours too, begin with "gA" in base64. None is shorter than this.
_OF_LINE = rb"(?:[I-X](?:[A-Za-z0-9+/=]{5}|[A-Za-z0-9+/=]{0,4}\Z)|\Z)"
_LINE_BEGINNING = re.compile(b"gA" + _OF_LINE)
_BEGINNING = re.compile(b"gA(?:%b|(?<=\ngA)%b)" % (frame.MARKER[2:], _OF_LINE))
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_BEGUN = 16  # characters of a line that tell whether it may be a pickle
_MAX_FRAME = 1 << 32  # bytes
# What is long stands in no frame, and none is before it that would have less than four bytes.
_LONG_FIRST = re.compile(rb"..[^\x95]{0,3}[BX\x96]", re.DOTALL)
_NONE = (
    "no payload on standard output: end the script with "
    "print(dask_espresso.encode_transport_data(result))"
)
_NO_WORD = re.compile(rb"[A-Za-z0-9+/=]{32}")  # what is shorter may be one, and no broken payload


class PayloadScanner:
    """Finds the payload in a simulation's standard output, whatever else is printed there.

    Fed piece by piece, it keeps payloads only and hands everything else on, so
    that its memory does not grow with the noise. No payload can run code.

    Parameters
    ----------
    noise : callable
        Called with the bytes that are no payload.

    Attributes
    ----------
    payloads : list of object
        What was found and decoded; no more than two are kept.
    broken : str
        Why the first text that looked like a payload was none, or empty.
    unread : list of str or None
        The parameters that the script never asked for; None if that is not known.

    Notes
    -----
    A payload with a head (:mod:`dask_espresso.script.frame`) is found wherever it stands. A bare
    one, base64 of a pickle as the original sample's module writes it, has a line to itself. A
    payload that is not whole is noise as far as its head says that it goes: others may be in it.
    """

    MAX_ENCODED_SIZE = 4 * 2**30

    def __init__(self, noise: Callable[[bytes], None]) -> None:
        self.payloads: list[Any] = []
        self.broken = ""
        self.unread: list[str] | None = None
        self._noise = noise
        self._pending = bytearray()  # begins with what is a payload, or may become one
        self._is_line_start = True
        self._searched = 0  # characters of a line that may be a payload
        self._refused = 0  # characters that are noise, whatever they are
        self._lost = ""  # why something that surely was a payload is none
        self._result = ResultReader()

    def read_result(self, fd: int) -> int:
        """Read from the pipe that :func:`send_result` writes to; give how much was there."""
        size = self._result.read(fd)
        if self._result.is_complete:
            self._keep_result(self._result)
            self._result = ResultReader()
        return size

    def _keep_result(self, result: ResultReader) -> None:
        try:
            if result.is_of_unread:
                self.unread = result.load_unread()
            else:
                self._keep(result.load())
        except Exception as error:  # unpickling garbage raises nearly anything
            self._lose(_said(error))

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of output."""
        is_new = not self._pending and not self._refused
        if is_new and self._beginning(chunk) == len(chunk):
            self._hand_on(chunk)  # nearly always
            return
        self._pending += chunk
        while self._step(is_end=False):
            pass

    def close(self) -> None:
        """Take note that the output has ended."""
        while self._step(is_end=True):
            pass
        if self._result.is_begun:
            why = self._result.error or "what send_result() writes is not there to its end"
            (self._lose if self._result.is_of_script else self._note_broken)(why)

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
        if self.payloads and self._lost:
            raise TransportError(f"two payloads, one of them broken: {self._lost}")
        if self.payloads:
            return self.payloads[0]
        raise TransportError(f"broken payload: {self.broken}" if self.broken else _NONE)

    def _beginning(self, data: bytes | bytearray) -> int:
        """Say where a payload begins, or may begin once more has come; else, where `data` ends."""
        if self._begins_line(data):
            return 0
        if found := _BEGINNING.search(data):
            return found.start()
        sizes = range(len(frame.MARKER) - 1, 0, -1)
        return len(data) - next((n for n in sizes if data.endswith(frame.MARKER[:n])), 0)

    def _begins_line(self, data: bytes | bytearray) -> bool:
        return self._is_line_start and _LINE_BEGINNING.match(data) is not None

    def _step(self, *, is_end: bool) -> bool:
        """Deal with what is pending, up to the end of a payload; say whether to go on."""
        refused = min(self._refused, len(self._pending))
        self._refused -= refused
        self._pass_noise(refused)
        self._pass_noise(self._beginning(self._pending))
        if self._pending.startswith(frame.MARKER):
            return self._take_framed(is_end)
        if self._begins_line(self._pending):
            return self._take_line(is_end)
        if is_end:
            self._pass_noise(len(self._pending))
        return False

    def _take_framed(self, is_end: bool) -> bool:
        """Deal with a payload that has a head; say whether to go on."""
        head = bytes(self._pending[: frame.ENCODED_HEAD_SIZE])
        if len(head) < frame.ENCODED_HEAD_SIZE and not is_end:
            return False
        try:
            size = frame.encoded_size(head)
        except ValueError as error:
            self._refuse(len(frame.MARKER), _said(error, head))
            return True
        if size > self.MAX_ENCODED_SIZE:
            self._refuse(size, too_large(self.MAX_ENCODED_SIZE))
        elif len(self._pending) < size and not is_end:
            return False
        elif why := self._take(size, frame.decoded):
            self._lose(why)
            self._refused = size
        return True

    def _take_line(self, is_end: bool) -> bool:
        """Deal with a line that may be a bare payload; say whether to go on."""
        end = self._pending.find(b"\n", self._searched)
        size = end if end >= 0 else len(self._pending)
        why = ""
        if self._pending[self._searched : size].translate(None, _BASE64 + b"\r"):
            why = f"something else stands on its line: {excerpt(bytes(self._pending[:size]))}"
        elif size > self.MAX_ENCODED_SIZE:
            why = too_large(self.MAX_ENCODED_SIZE)
        elif end >= 0 or is_end:
            why = self._take(size, _decoded_line)
        elif size >= _BEGUN and not _may_be_pickle(self._pending[:_BEGUN]):
            why = "it does not begin as a pickle does"
        else:
            self._searched = size
            return False
        self._searched = 0
        if why:
            self._refuse(2, why if _NO_WORD.match(self._pending) else "")
        return True

    def _take(self, size: int, decode: Callable[[memoryview], bytes]) -> str:
        """Keep the payload that so many characters are, or say why they are none."""
        try:
            with memoryview(self._pending)[:size] as text:
                pickled = decode(text)
            self._keep(load_plain(pickled))
        except Exception as error:  # unpickling garbage raises nearly anything
            return _said(error, bytes(self._pending[:size]))
        del self._pending[:size]
        self._is_line_start = False
        return ""

    def _keep(self, value: Any) -> None:
        if len(self.payloads) < 2:
            self.payloads.append(value)

    def _refuse(self, size: int, why: str) -> None:
        """Take so many characters for noise."""
        self._note_broken(why)
        self._refused = size

    def _lose(self, why: str) -> None:
        """Take note of a payload that is broken: which of two a script meant, nobody knows."""
        self._lost = self._lost or why
        self._note_broken(why)

    def _note_broken(self, why: str) -> None:
        self.broken = self.broken or why

    def _pass_noise(self, size: int) -> None:
        if size:
            self._hand_on(bytes(memoryview(self._pending)[:size]))
            del self._pending[:size]

    def _hand_on(self, noise: bytes) -> None:
        self._is_line_start = noise.endswith(b"\n")
        self._noise(noise)


def _may_be_pickle(begun: bytearray) -> bool:
    """Say whether a line that goes on begins as a pickle, before it is kept to its end."""
    start = base64.b64decode(begun)
    if start[2:3] == pickle.FRAME:
        return int.from_bytes(start[3:11], "little") <= _MAX_FRAME
    return start[1] in (2, 3) or _LONG_FIRST.match(start) is not None


def _decoded_line(line: memoryview) -> bytes:
    return base64.b64decode(bytes(line).rstrip(b"\r"), validate=True)


def _said(error: Exception, text: bytes = b"") -> str:
    """Say what is wrong, and with what text; that it is a ValueError is of no interest."""
    said = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
    return f"{said}: {excerpt(text)}" if text else said
