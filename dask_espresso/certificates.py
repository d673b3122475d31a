"""TLS for one run: a key and a certificate that live as long as its driver."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from distributed import Security

_PREFIX = ".dask-espresso-tls-"


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
    """
    remove_leftovers(directory)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=directory))
    with _locked(folder):
        try:
            yield _write(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(directory: Path) -> None:
    """Remove the keys of drivers that are no longer alive."""
    for folder in directory.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), _locked(folder):
            shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder as long as this process lives; BlockingIOError if another one does."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _write(folder: Path) -> Security:
    made = Security.temporary()
    files = {"ca": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    paths = {name: str(folder / f"{name}.pem") for name in files}
    for name, content in files.items():
        fd = os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(content)
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=paths["ca"],
        **{f"tls_{role}_{kind}": paths[kind] for role in roles for kind in ("cert", "key")},
    )
