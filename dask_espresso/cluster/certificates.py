"""TLS for one run: a key and a certificate that live as long as its driver.

They are files in a folder whose name tells the driver's host. On that host the kernel's lock
says whether the driver lives. To drivers on others, who see no lock, the folder's age does. What
the worker jobs of the driver are called is written down there, too: whoever removes the folder of a
dead one knows which jobs it has left.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed import Security

from ..errors import InputError, ResumableError
from ..files import close_file, describe_error, is_away
from .roster import Roster, read_roster, write_roster

_PREFIX = ".dask-espresso-tls-"
_JOBS = "driver"
_HEARTBEAT = 60.0  # seconds between two signs of life
_CLOCKS_DIFFER = datetime.timedelta(days=1)
_LIFETIME = datetime.timedelta(days=365)
_STALE = 600.0  # seconds without one after which a driver on another host counts as dead


@contextlib.contextmanager
def temporary_security(directory: Path) -> Iterator[Security]:
    """Make a key and a certificate for driver, scheduler and workers, and remove them at the end.

    Parameters
    ----------
    directory : Path
        Seen by all of them. What drivers that were killed have left there is removed too.

    Yields
    ------
    distributed.Security
        Names the files; only this user can read them.

    Raises
    ------
    InputError
        If they cannot be written there.
    ResumableError
        If its file system has failed.
    """
    with contextlib.ExitStack() as stack:
        try:
            remove_leftovers(directory)
            fd, folder = _make_folder(directory)
            stack.callback(close_file, fd)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            security = _write(folder)
        except OSError as error:
            kind = ResumableError if is_away(error) else InputError
            raise kind(
                f"{directory}: the TLS files of driver and workers cannot be written here "
                f"({describe_error(error)}); or run from another directory"
            ) from error
        stack.enter_context(_signs_of_life(fd))
        yield security


def write_jobs(security: Security, roster: Roster) -> None:
    """Write down beside a driver's keys which jobs it has."""
    write_roster(Path(security.tls_ca_file).with_name(_JOBS), roster)


def remove_leftovers(directory: Path) -> tuple[str, ...]:
    """Remove the keys of drivers that are no longer alive.

    Returns
    -------
    tuple of str
        What the names of the worker jobs begin with that they may have left.
    """
    names: list[str] = []
    for folder in directory.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # its driver lives, or is just removing it
            fd, is_locked = _lock(folder)
            try:
                if (is_locked and folder.name.startswith(_own_prefix())) or _is_stale(folder):
                    found = read_roster(folder / _JOBS).names
                    shutil.rmtree(folder)
                    names += found
            finally:
                close_file(fd)
    return tuple(names)


def _own_prefix() -> str:
    return f"{_PREFIX}{socket.gethostname()}-"


def _make_folder(directory: Path) -> tuple[int, Path]:
    """Make a folder and lock it; another one if a driver that starts took it for a leftover."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_own_prefix(), dir=directory))
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fd, _ = _lock(folder)
            if folder.exists():
                return fd, folder
            close_file(fd)


def _lock(folder: Path) -> tuple[int, bool]:
    """Hold a folder as long as a file descriptor is open; BlockingIOError if another one does.

    Returns
    -------
    int
        The file descriptor.
    bool
        Whether the file system has locks at all.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            return fd, False
        close_file(fd)
        raise
    return fd, True


def _is_stale(folder: Path) -> bool:
    """Say whether a folder is old, by the clock of the server that keeps it."""
    with tempfile.TemporaryFile(dir=folder.parent) as now:
        return os.fstat(now.fileno()).st_mtime - folder.stat().st_mtime > _STALE


@contextlib.contextmanager
def _signs_of_life(fd: int) -> Iterator[None]:
    """Keep a folder young."""
    is_over = threading.Event()

    def touch() -> None:
        while not is_over.wait(_HEARTBEAT):
            with contextlib.suppress(OSError):
                os.utime(fd)

    thread = threading.Thread(target=touch, name="certificates", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _write(folder: Path) -> Security:
    certificate, key = _make_certificate()
    files = {"ca": certificate, "cert": certificate, "key": key}
    paths = {name: str(folder / f"{name}.pem") for name in files}
    for name, content in files.items():
        fd = os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=paths["ca"],
        **{f"tls_{role}_{kind}": paths[kind] for role in roles for kind in ("cert", "key")},
    )


def _make_certificate() -> tuple[bytes, bytes]:
    """Make a key, and a certificate for it that it has signed itself; give the certificate first.

    It is valid from a day before: clocks of machines differ.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dask_espresso")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate.public_bytes(pem), key.private_bytes(pem, *private)
