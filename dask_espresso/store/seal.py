"""A checksum over the whole HDF5 file: HDF5 itself does not notice damage, or even hangs on it.

The seal stands behind the end of the HDF5 file, where what reads HDF5 does not look: a mark, the
file's size without it, a CRC-32. A program that writes to the file cuts it off, which is no damage.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_SEAL = struct.Struct("<20sQI")
_MARK = b"dask_espresso sealed"
# HDF5 begins like this as h5py writes it; bytes 40 to 47 are then the address of its end
_BEGINNING = b"\x89HDF\r\n\x1a\n\0"


def seal_of(parts: Iterable[Buffer]) -> bytes:
    """Give the seal for the content of an HDF5 file, which is in pieces."""
    size, checksum = 0, 0
    for part in parts:
        size += memoryview(part).nbytes
        checksum = zlib.crc32(part, checksum)
    return _SEAL.pack(_MARK, size, checksum)


def check_seal(path: Path, file: BinaryIO) -> bool:
    """Refuse a file that is not as it was published.

    Parameters
    ----------
    path : Path
        For the message.
    file : file object
        Open for reading; read from its beginning.

    Returns
    -------
    bool
        Whether it is for certain as it was published.

    Raises
    ------
    InputError
        If it is damaged. A file that another program has written to has no seal, and passes.
    """
    head, size = file.read(48), file.seek(0, os.SEEK_END)
    file.seek(max(size - _SEAL.size, 0))
    seal = file.read()
    end = int.from_bytes(head[40:], "little") if head.startswith(_BEGINNING) else size
    is_sealed = seal.startswith(_MARK) or size != end
    if is_sealed and seal != _SEAL.pack(_MARK, *_checked(file, max(size - _SEAL.size, 0))):
        raise InputError(
            f"{path}: not an HDF5 file as it was published, but a damaged one; "
            "restore it from a copy, or name another --store"
        )
    return is_sealed


def _checked(file: BinaryIO, size: int) -> tuple[int, int]:
    file.seek(0)
    checksum = 0
    for start in range(0, size, 1 << 20):
        checksum = zlib.crc32(file.read(min(1 << 20, size - start)), checksum)
    return size, checksum
