"""Hosts on a network of their own: namespaces on this machine, joined by a bridge, with a Slurm."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
from processes import call, wait_for

ROOT = Path(__file__).parents[2]
ADDRESSES = {"login": "10.77.0.10", "one": "10.77.0.11", "two": "10.77.0.12"}
NODES = ("one", "two")
_SLURMCTLD, _SLURMD = 16817, 16901

_INIT = """
hostname {name}
mount --make-rprivate /
mount -t proc proc /proc
mount --bind {place}/boot /proc/sys/kernel/random/boot_id
mount --bind {place}/hosts /etc/hosts
ip link set lo up
echo $$ > {place}/ready
while :; do sleep 1000 & wait; done
"""


class Host:
    """One host: network, name, processes and mounts of its own; files are shared by all."""

    def __init__(self, name, network):
        self.name, self.address = name, ADDRESSES[name]
        self._network, self._dead = network, ""
        place = network.place / name
        place.mkdir()
        (place / "boot").write_text(f"{uuid.uuid4()}\n")
        lines = ["127.0.0.1 localhost", *(f"{a} {n}" for n, a in ADDRESSES.items())]
        (place / "hosts").write_text("\n".join(lines) + "\n")
        (place / "init.sh").write_text(_INIT.format(name=name, place=place))
        self._shell = subprocess.Popen(
            [
                "unshare",
                *["--net", "--uts", "--ipc", "--pid", "--fork", "--mount", "bash"],
                place / "init.sh",
            ],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(f"host {name}", lambda: (place / "ready").exists())
        (init,) = psutil.Process(self._shell.pid).children()
        self.pid = init.pid
        self._connect(network.switch)

    def _connect(self, switch):
        port = f"p-{self.name}"
        peer = ["peer", "name", port, "netns", switch]
        call("ip", "link", "add", "eth0", "netns", self.pid, "type", "veth", *peer)
        call("ip", "-n", switch, "link", "set", port, "master", "br0", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", "10.77.0.254")

    def command(self, *words):
        """Give the command that runs another one here."""
        return [
            "nsenter",
            f"--target={self.pid}",
            *["-n", "-u", "-m", "-i", "-p"],
            *map(str, words),
        ]

    def run(self, *words):
        """Run a command here and give its output."""
        return call(*self.command(*words), env=self._network.environment())

    # ---- what happens to its line ----------------------------------------------------------------

    def drop(self, *rule):
        """Drop what comes in and fits a rule of iptables, silently."""
        self.run("iptables", "-A", "INPUT", *rule, "-j", "DROP")

    def close_to(self, host, *ports):
        """Take no new connection from a host, other than Slurm's and those to the given ports."""
        self._take("--dport", _SLURMD, *ports)
        self.drop("-s", host.address, "-p", "tcp", "--syn")

    def lose(self, host):
        """Lose all that a host sends, other than Slurm's: a job can still be cancelled."""
        self._take("--dport", _SLURMD)
        self._take("--sport", _SLURMCTLD)
        self.drop("-s", host.address)

    def _take(self, kind, *ports):
        for port in ports:
            self.run("iptables", "-A", "INPUT", "-p", "tcp", kind, port, "-j", "ACCEPT")

    def slow_down(self, rate, loss=0.0):
        """Send no faster than that, such as ``1mbit``, and lose a share of what comes in."""
        shape = ["rate", rate, "burst", "32kbit", "latency", "400ms"]
        self.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", *shape)
        if loss:
            self.drop("-m", "statistic", "--mode", "random", "--probability", loss)

    def add_dead_interface(self, name, address):
        """Have the default route go where nobody is."""
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}-end")
        self.run("ip", "addr", "add", f"{address}/24", "dev", name)
        for end in (name, f"{name}-end"):
            self.run("ip", "link", "set", end, "up")
        self.run("ip", "route", "replace", "default", "dev", name, "src", address)
        self._dead = name

    def mend(self):
        """Undo all that."""
        if self._dead:
            self.run("ip", "link", "del", self._dead)
            self.run("ip", "route", "add", "default", "via", "10.77.0.254")
            self._dead = ""
        self.run("iptables", "-F")
        self.run("ip", "link", "set", "eth0", "up")
        with contextlib.suppress(AssertionError):
            self.run("tc", "qdisc", "del", "dev", "eth0", "root")

    def end(self):
        """End it, with all that runs on it."""
        os.kill(self.pid, signal.SIGKILL)
        self._shell.wait()


class Network:
    """A login node and two nodes of a Slurm."""

    def __init__(self, place):
        self.place = place
        place.chmod(0o755)
        self.switch = f"switch-{os.getpid()}"
        self._hosts = []
        call("ip", "netns", "add", self.switch)
        call("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
        call("ip", "-n", self.switch, "link", "set", "br0", "up")
        for name in ADDRESSES:
            self._hosts.append(Host(name, self))
            setattr(self, name, self._hosts[-1])
        self.nodes = [self.one, self.two]
        self._start_slurm()

    def environment(self):
        """Give the environment of what runs on its hosts."""
        clean = {n: v for n, v in os.environ.items() if not n.startswith(("SLURM_", "SBATCH_"))}
        return clean | {
            "SLURM_CONF": str(self.place / "slurm.conf"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.place),
        }

    def _start_slurm(self):
        for name in ("log", "run", "state", "spool"):
            (self.place / name).mkdir()
        key = self.place / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        (self.place / "slurm.conf").write_text(self._configuration())
        files = {"key-file": "munge.key", "seed-file": "munge.seed", "log-file": "log/munged.log"}
        files |= {"socket": "run/munge.sock", "pid-file": "run/munged.pid"}
        call("munged", *(f"--{option}={self.place / name}" for option, name in files.items()))
        self.login.run("slurmctld", "-f", self.place / "slurm.conf")
        for node in self.nodes:
            node.run("slurmd", "-f", self.place / "slurm.conf", "-N", node.name)
        idle = ["sinfo", "-h", "-N", "-t", "idle", "-p", "debug"]
        wait_for("Slurm", lambda: len(self.login.run(*idle).splitlines()) == len(NODES))

    def _configuration(self):
        shared = (ROOT / "tests/clusters/slurm/slurm.conf").read_text()
        # on these addresses, and one worker a node
        shared = shared.replace("CommunicationParameters", "# CommunicationParameters")
        shared = shared.replace("CPUs=2", "CPUs=1")
        nodes = [
            f"NodeName={n} NodeHostname={n} NodeAddr={ADDRESSES[n]} Port={_SLURMD}" for n in NODES
        ]
        own = f"""
SlurmctldHost=login({ADDRESSES["login"]})
SlurmctldPort={_SLURMCTLD}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={self.place}/run/munge.sock,cred_expire=10
StateSaveLocation={self.place}/state
SlurmdSpoolDir={self.place}/spool/%n
SlurmctldPidFile={self.place}/run/slurmctld.pid
SlurmdPidFile={self.place}/run/slurmd.%n.pid
SlurmctldLogFile={self.place}/log/slurmctld.log
SlurmdLogFile={self.place}/log/slurmd.%n.log
JobCompType=jobcomp/none
"""
        return "\n".join([own, shared, *nodes, ""])

    def jobs(self):
        """List the jobs in the queue."""
        return self.login.run("squeue", "-h", "-o", "%A").split()

    def close(self):
        """End all hosts, with all that runs on them."""
        for host in self._hosts:
            host.end()
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.place / "run/munged.pid").read_text()), signal.SIGTERM)
        subprocess.run(["ip", "netns", "del", self.switch], check=False)
        shutil.rmtree(self.place, ignore_errors=True)
