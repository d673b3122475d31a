"""What goes wrong between hosts: slow lines, lines that are cut, firewalls, wrong networks."""

import signal
import time

import pytest

# ask a port for its page, without a certificate, and print what comes
ASK = """
import contextlib, socket, sys
with contextlib.suppress(OSError):
    talk = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)
    talk.sendall(b"GET /metrics HTTP/1.0\\r\\n\\r\\n")
    print(talk.recv(100))
"""


def test_transfers_that_take_long_come_in_and_hold_up_no_other(network, make_run):
    """Over a slow and lossy line: results of which each takes longer than a worker is asked."""
    run = make_run(sizes={"one": 600_000})
    network.one.slow_down("1mbit", loss=0.01)
    run.start()
    run.wait_until("results of the fast node", lambda: run.hosts().count("two") >= 2)
    assert not run.hosts().count("one")
    status, said = run.ends()
    assert status == 0, said
    run.check_whole()
    assert sorted(run.started()) == list(range(run.count))  # none was computed twice
    assert "one" in run.hosts()


def test_a_signal_in_the_middle_of_a_transfer(network, make_run):
    run = make_run(count=2, sizes={"one": 5_000_000, "two": 5_000_000})
    for node in network.nodes:
        node.slow_down("500kbit")
    run.start()
    run.wait_until("both simulations", lambda: len(run.started()) == 2)
    time.sleep(2)
    run.signal(signal.SIGTERM)
    status, said = run.ends(40)
    assert status == 75, said
    assert "Traceback" not in said


def test_workers_that_take_no_connections(network, make_run):
    """They register, and send signs of life: that is not enough to work."""
    for node in network.nodes:
        node.close_to(network.login)
    run = make_run()
    run.start()
    status, said = run.ends()
    assert status == 2, said
    assert "does not reach the worker, tls://10.77.0.1" in said
    assert "open the ports between them" in said
    assert "Traceback" not in said


def test_an_interface_that_workers_do_not_reach(network, make_run):
    """The scheduler's address is the one of the default route, unless the profile names another."""
    network.login.add_dead_interface("dead0", "192.0.2.1")
    run = make_run(count=2)
    run.start("check")
    status, said = run.ends()
    assert status == 1, said
    assert "Timed out trying to connect to tls://192.0.2.1:" in said
    assert "interface" in said
    assert "eth0 (10.77.0.10)" in said


def test_a_firewall_that_leaves_some_ports_and_a_worker_that_cannot_be_reached(network, make_run):
    """Ports and interface as the page on them says; then one worker is cut off, and holds up none.

    The pages of workers are on loopback, all other ports ask for TLS.
    """
    run = make_run(
        count=30,
        interface="eth0",
        worker_extra_args=["--worker-port", "41000:41009", "--nanny-port", "41010:41019"],
        scheduler_options={"port": 41020},
    )
    network.login.add_dead_interface("dead0", "192.0.2.1")
    for node in network.nodes:
        node.close_to(network.login, "41000:41019")
        network.login.close_to(node, 16817, 41020)
    run.start()
    run.wait_for_work()
    check_ports(network)
    network.one.mend()
    network.one.lose(network.login)  # its own messages go out all the same
    before = run.hosts().count("two")
    run.wait_until("results of the other", lambda: run.hosts().count("two") >= before + 4)
    status, said = run.ends()
    assert status == 0, said
    run.check_whole()


def check_ports(network):
    """Expect only the ports that the profile names to be open to others, and only for TLS."""
    worker, nanny = open_ports(network.one) - {16901}
    assert (worker, nanny) in ((41000, 41010), (41010, 41000))
    assert open_ports(network.login) - {16817} == {41020}
    for port in (worker, nanny):
        assert "HTTP" not in network.one.run("python", "-c", ASK, network.one.address, port)
    entry = "import sys, distributed; distributed.Client(sys.argv[1], timeout=2)"
    with pytest.raises(AssertionError, match="OSError|TimeoutError|CommClosedError"):
        network.two.run("python", "-c", entry, f"tcp://{network.login.address}:41020")


def open_ports(host):
    listening = (line.split()[3] for line in host.run("ss", "-Hltn").splitlines())
    ports = (place.rpartition(":") for place in listening)
    return {int(port) for address, _, port in ports if not address.startswith("127.")}
