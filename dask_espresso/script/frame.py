"""How a result is told from everything else that a simulation prints.

A payload is a pickle in base64. It begins with a head: a marker that no output has by chance, the
pickle's length, and its checksum. To a reader of pickles the head is the order to take some bytes
and to drop them again, so that whoever knows of no heads, as the original sample's module does not,
reads a payload like any other pickle.
"""

from __future__ import annotations

import struct
from binascii import a2b_base64, crc32, crc_hqx

MARKER = b"gAVDFramedResult"  # in base64: this is protocol 5; take 22 bytes, of which 8 are here
_HEAD = struct.Struct("<12sQIH1s")  # marker, length, checksum, checksum of both, how to drop it all
_NUMBERS = struct.Struct("<QI")
_DROP = b"0"
HEAD_SIZE = _HEAD.size  # bytes; a multiple of three, so that base64 of it is the same everywhere
ENCODED_HEAD_SIZE = HEAD_SIZE // 3 * 4  # characters


def write_head(payload: memoryview) -> None:
    """Fill in the head of a payload.

    Parameters
    ----------
    payload : memoryview
        `HEAD_SIZE` bytes of room, and the pickle.
    """
    numbers = len(payload) - HEAD_SIZE, crc32(payload[HEAD_SIZE:])
    check = crc_hqx(_NUMBERS.pack(*numbers), 0)
    _HEAD.pack_into(payload, 0, a2b_base64(MARKER), *numbers, check, _DROP)


def encoded_size(head: bytes | memoryview) -> int:
    """Give the number of characters that a payload has.

    Parameters
    ----------
    head : bytes
        Its first `ENCODED_HEAD_SIZE` characters, with the marker.

    Raises
    ------
    ValueError
        If that is no head.
    """
    length, _ = _numbers(_decoded(head))
    return ENCODED_HEAD_SIZE + -(-length // 3) * 4


def decoded(text: memoryview) -> bytes:
    """Decode a payload; its head, being part of a pickle, may stay.

    Raises
    ------
    ValueError
        If it is not as it was written.
    """
    size = encoded_size(text[:ENCODED_HEAD_SIZE])
    if len(text) < size:
        raise ValueError(f"{len(text)} of its {size} characters are there")
    payload = _decoded(text)
    found = len(payload) - HEAD_SIZE, crc32(memoryview(payload)[HEAD_SIZE:])
    if not payload or found != _numbers(payload):
        raise ValueError("it is not as it was written, as if something were printed into it")
    return payload


def _decoded(text: bytes | memoryview) -> bytes:
    """Decode base64, to nothing where it is none; characters that it cannot have are left out."""
    try:
        return a2b_base64(text)
    except ValueError:
        return b""


def _numbers(payload: bytes) -> tuple[int, int]:
    """Give the length and the checksum that a head has."""
    if len(payload) >= HEAD_SIZE:
        _, length, checksum, check, drop = _HEAD.unpack_from(payload)
        if check == crc_hqx(_NUMBERS.pack(length, checksum), 0) and drop == _DROP:
            return length, checksum
    raise ValueError("its head is damaged")
