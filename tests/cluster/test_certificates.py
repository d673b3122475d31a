import contextlib
import datetime
import errno
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509

from dask_espresso.cluster import certificates
from dask_espresso.cluster.certificates import remove_dead_keys, temporary_security
from dask_espresso.errors import InputError

HOLD = """
import sys, pathlib, time
from dask_espresso.cluster.certificates import temporary_security
with temporary_security(pathlib.Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""

HOLD_JOBS = """
import sys, pathlib, time
from dask_espresso.cluster.certificates import temporary_security, write_jobs
from dask_espresso.cluster.roster import Roster
with temporary_security(pathlib.Path(sys.argv[1])) as security:
    write_jobs(security, Roster(names=("ours-0a1b2c-", "all of them")))
    print("ready", flush=True)
    time.sleep(600)
"""


def test_files_are_private_and_removed(tmp_path):
    with temporary_security(tmp_path):
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        files = list(folder.iterdir())
        assert {file.name for file in files} == {"ca.pem", "cert.pem", "key.pem"}
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert not list(tmp_path.iterdir())


def test_keys_of_a_killed_driver_go(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as one:
        assert one.stdout.readline() == b"ready\n"
        remove_dead_keys(tmp_path)
        assert len(list(tmp_path.iterdir())) == 1  # the living one's stay
        one.kill()
    assert len(list(tmp_path.iterdir())) == 1
    remove_dead_keys(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_jobs_of_a_killed_driver_are_told_by_its_keys(tmp_path):
    hold = [sys.executable, "-c", HOLD_JOBS, tmp_path]
    with subprocess.Popen(hold, stdout=subprocess.PIPE) as one:
        assert one.stdout.readline() == b"ready\n"
        assert remove_dead_keys(tmp_path) == ()  # it lives
        one.kill()
    assert remove_dead_keys(tmp_path) == ("ours-0a1b2c-",)
    assert remove_dead_keys(tmp_path) == ()


def interrupted_once(monkeypatch, interruption):
    """Have something happen between the making of the first folder and its lock."""
    make, made = certificates.tempfile.mkdtemp, []

    def mkdtemp(**options):
        made.append(Path(make(**options)))
        if len(made) == 1:
            interruption(made[0])
        return str(made[-1])

    monkeypatch.setattr(certificates.tempfile, "mkdtemp", mkdtemp)
    return made


def test_keys_being_made_are_no_leftovers(tmp_path, monkeypatch):
    """Another driver starts between the making of their folder and its lock."""
    made = interrupted_once(monkeypatch, lambda folder: remove_dead_keys(tmp_path))
    with temporary_security(tmp_path) as security:
        assert Path(security.tls_ca_file).parent == made[1]
        assert list(tmp_path.iterdir()) == [made[1]]


def test_keys_being_made_while_another_driver_looks_at_them(tmp_path, monkeypatch):
    looking = []
    made = interrupted_once(
        monkeypatch, lambda folder: looking.append(certificates.open_locked(folder))
    )
    with temporary_security(tmp_path) as security:
        assert Path(security.tls_ca_file).parent == made[1]
        os.close(looking[0][0])
        remove_dead_keys(tmp_path)
        assert list(tmp_path.iterdir()) == [made[1]]


def test_keys_that_their_driver_is_just_removing(tmp_path, monkeypatch):
    lock = certificates.open_locked
    with temporary_security(tmp_path):
        (folder,) = tmp_path.iterdir()

        def too_late(path):
            certificates.shutil.rmtree(path)
            return lock(path)

        monkeypatch.setattr(certificates, "open_locked", too_late)
        remove_dead_keys(tmp_path)
    assert not folder.exists()


@pytest.fixture
def elsewhere(monkeypatch):
    """Be a driver on another host, which sees no locks of this one."""

    def move():
        monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
        monkeypatch.setattr("fcntl.flock", lambda fd, how: None)

    return move


def test_keys_of_a_driver_on_another_host_stay(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setattr(certificates, "_HEARTBEAT", 0.05)
    with temporary_security(tmp_path) as security:
        os.utime(Path(security.tls_ca_file).parent, (0, 0))
        time.sleep(0.5)
        elsewhere()
        remove_dead_keys(tmp_path)
        assert Path(security.tls_ca_file).exists()


def test_keys_of_a_driver_killed_on_another_host_go(tmp_path, elsewhere):
    with temporary_security(tmp_path) as security:
        folder = Path(security.tls_ca_file).parent
        elsewhere()
        os.utime(folder, (time.time() - 3600,) * 2)
        remove_dead_keys(tmp_path)
        assert not folder.exists()


def test_keys_that_are_old_by_the_clock_here_alone_stay(tmp_path, elsewhere, monkeypatch):
    def full(self, **_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with temporary_security(tmp_path) as security:
        folder = Path(security.tls_ca_file).parent
        elsewhere()
        os.utime(folder, (0, 0))
        with monkeypatch.context() as patched:
            patched.setattr("pathlib.Path.touch", full)  # nobody knows the file server's clock
            assert remove_dead_keys(tmp_path) == ()
        assert Path(security.tls_ca_file).exists()


def test_no_place_for_keys(tmp_path):
    with pytest.raises(InputError, match="nowhere: the TLS files .*No such file"):  # noqa: SIM117
        with temporary_security(tmp_path / "nowhere"):
            pass


def test_valid_for_those_whose_clocks_are_behind(tmp_path):
    with temporary_security(tmp_path) as security:
        certificate = x509.load_pem_x509_certificate(Path(security.tls_ca_file).read_bytes())
    now = datetime.datetime.now(datetime.timezone.utc)
    assert certificate.not_valid_before_utc < now - datetime.timedelta(hours=23)
    assert certificate.not_valid_after_utc > now + datetime.timedelta(days=300)


class Server(Thread):
    """Takes connections from those that have the certificate of `security`."""

    def __init__(self, security):
        super().__init__(daemon=True)
        self.context = security.get_listen_args("scheduler")["ssl_context"]
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.start()

    def run(self):
        """Take one connection, and send something."""
        with (
            contextlib.suppress(OSError),  # of those that are not let in
            self.socket.accept()[0] as connection,
            self.context.wrap_socket(connection, server_side=True) as talk,
        ):
            talk.send(b"in")

    def enter(self, context):
        """Try to connect; say whether one is let in."""
        with (
            self.socket,
            socket.create_connection(self.socket.getsockname()) as connection,
            context.wrap_socket(connection) as talk,
        ):
            return talk.recv(2) == b"in"


def test_no_entry_without_this_runs_own_certificate(tmp_path):
    (tmp_path / "other").mkdir()
    with temporary_security(tmp_path) as ours, temporary_security(tmp_path / "other") as theirs:
        assert Server(ours).enter(ours.get_connection_args("client")["ssl_context"])
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
        for context in (theirs.get_connection_args("client")["ssl_context"], nobody):
            with pytest.raises(OSError, match="(?i)certificate"):
                Server(ours).enter(context)


def test_keys_of_a_host_whose_name_begins_like_ours_stay(tmp_path, monkeypatch):
    """Their lock is not seen here, as on NFS."""
    own = socket.gethostname()
    monkeypatch.setattr(socket, "gethostname", lambda: f"{own}-2")
    with temporary_security(tmp_path) as security:
        monkeypatch.setattr(socket, "gethostname", lambda: own)
        with monkeypatch.context() as patched:
            patched.setattr("fcntl.flock", lambda fd, how: None)
            remove_dead_keys(tmp_path)
        assert Path(security.tls_ca_file).exists()
        monkeypatch.setattr(socket, "gethostname", lambda: f"{own}-2")
