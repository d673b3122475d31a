"""TLS for one run: a key and a certificate that live as long as its driver.

They are files in a folder on which the driver has a lease, and whose name tells its host. What the
worker jobs of the driver are called is written down there, too: whoever removes the folder of a
dead one knows which jobs it has left.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from distributed import Security

from ..errors import InputError, ResumableError
from ..files import close_file, describe_error, is_away
from ..lease import Lease, age, open_locked
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
        Seen by all of them.

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
            fd, folder = _make_folder(directory)
            stack.callback(Lease(fd, _HEARTBEAT).release)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            security = _write(folder)
        except OSError as error:
            kind = ResumableError if is_away(error) else InputError
            raise kind(
                f"{directory}: the TLS files of driver and workers cannot be written here "
                f"({describe_error(error)}); or run from another directory"
            ) from error
        yield security


def write_jobs(security: Security, roster: Roster) -> None:
    """Write down beside a driver's keys which jobs it has."""
    write_roster(Path(security.tls_ca_file).with_name(_JOBS), roster)


def remove_dead_keys(directory: Path) -> tuple[str, ...]:
    """Remove the keys of drivers that are no longer alive.

    Returns
    -------
    tuple of str
        What the names of the worker jobs begin with that they may have left.
    """
    names: list[str] = []
    for folder in directory.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # its driver lives, or is just removing it
            fd, is_locked = open_locked(folder)
            try:
                is_dead = is_locked and _is_of_this_host(folder)
                if is_dead or age(folder) > _STALE:
                    found = read_roster(folder / _JOBS).names
                    shutil.rmtree(folder)
                    names += found
            finally:
                close_file(fd)
    return tuple(names)


def _own_prefix() -> str:
    return f"{_PREFIX}{socket.gethostname()}-"


def _is_of_this_host(folder: Path) -> bool:
    """Say so of none whose host's name only begins like ours; what follows it has no hyphen."""
    return folder.name.rpartition("-")[0] + "-" == _own_prefix()


def _make_folder(directory: Path) -> tuple[int, Path]:
    """Make a folder and lock it; another one if a driver that starts took it for a leftover."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_own_prefix(), dir=directory))
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fd, _ = open_locked(folder)
            if folder.exists():
                return fd, folder
            close_file(fd)


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
    from cryptography import x509  # which takes a moment, and only worker jobs need
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

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
