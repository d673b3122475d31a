"""The driver as a job, and what may happen to it."""

import subprocess
import sys
import tempfile
from pathlib import Path

from processes import wait_for

from dask_espresso.cluster.certificates import temporary_security

CLIENT = """\
import sys
from distributed import Client, Security

address, *files = sys.argv[1:]
names = ["tls_ca_file", "tls_client_cert", "tls_client_key"]
security = Security(**dict(zip(names, files))) if files else None
with Client(address, security=security, timeout=3):
    print("in")
"""


def test_a_driver_job_is_cancelled_and_killed_and_submitted_again(batch, make_study):
    study = make_study(count=200)
    driver = study.submit_by_command()
    study.wait_for_work()
    study.fault("driver cancelled, and submitted again when the queue is empty")
    batch.cancel(driver)
    wait_for("an empty queue", lambda: not batch.jobs(), 15)
    assert 0 < len(study.outcomes()) < study.count
    assert not list(study.directory.glob(".dask-espresso-tls-*"))
    study.submit()
    study.recovers()

    study.fault("driver killed, and submitted again at once")
    study.driver_process().kill()
    assert study.driver.wait(30) != 0
    study.submit()
    study.recovers()
    study.hurry()
    study.completes()


def test_a_driver_on_the_login_node_is_killed_and_started_again(batch, at_work):
    """Only clients with a certificate of the run get in."""
    study = at_work(count=200)
    address = scheduler_address(batch)
    (tls,) = study.directory.glob(".dask-espresso-tls-*")
    authority, certificate, key = (tls / f"{name}.pem" for name in ("ca", "cert", "key"))
    wait_for("a client to get in", lambda: gets_in(address, authority, certificate, key))
    assert not gets_in(address.replace("tls://", "tcp://"))
    with tempfile.TemporaryDirectory() as elsewhere, temporary_security(Path(elsewhere)) as foreign:
        assert not gets_in(address, authority, foreign.tls_client_cert, foreign.tls_client_key)
    assert study.driver.poll() is None

    study.fault("driver killed, and started again at once")
    study.driver.kill()
    assert study.driver.wait(30) != 0
    study.start()
    study.recovers()
    study.hurry()
    study.completes()


def scheduler_address(batch):
    """Find it in the command line of a worker's nanny."""
    nanny = batch.worker_processes(batch.workers("running")[0])[0].parent()
    return next(word for word in nanny.cmdline() if word.startswith("tls://"))


def gets_in(address, *files):
    """Say whether a client can connect; one that is refused may hang."""
    try:
        client = [sys.executable, "-c", CLIENT, address, *files]
        said = subprocess.run(client, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return False
    return said.stdout == "in\n"
