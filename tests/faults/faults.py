"""The faults: what happens to a driver, its processes, its files, its clock, and its neighbours.

Each is a function of a trial. It lets the fault happen, and says what has to hold.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

import driver_program
import psutil
from test_simulation_faults import FAULTS as MISBEHAVIOURS
from test_simulation_faults import PRELUDE
from trial import REAL_TIMEOUT, SIMULATIONS, STUDY, HangError, ImpossibleError, Trial, until

from dask_espresso.errors import InputError
from dask_espresso.outcome import Status
from dask_espresso.record import unpack
from dask_espresso.store.journal import read_journal
from dask_espresso.store.store import read_store

HOST = socket.gethostname()
PATIENCE = 30  # seconds to wait for a moment to strike
STOPPED_EARLY = (0, 2, 75)
LOCAL = (
    "{cluster: local, options: {n_workers: 2, threads_per_worker: 1}, "
    "engines: {python: {start: %s}}}"
)
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
# ext4: fail from now on, and write nothing of what is only in memory (linux/ext4.h)
_EXT4_IOC_SHUTDOWN, _NOLOGFLUSH = 0x8004587D, 2


calls = []  # the names of the calls that an undisturbed driver makes, in order


def learn_calls(place):
    """Have an undisturbed driver tell which calls it makes."""
    trial = Trial(random.Random(0), place)
    trial.run()
    calls[:] = Path(f"{trial.notes}.calls").read_text().split()
    trial.close()


def call_numbers():
    """Give the numbers of calls to let go wrong: all, but few of those inside of one HDF5 file."""
    return [n for n, name in enumerate(calls, 1) if name != "create_dataset" or n % 5 == 0]


# ---- the driver is killed ------------------------------------------------------------------------


def killed_at_every_call(trial):
    tears = [("tear", n) for n in call_numbers() if calls[n - 1] in driver_program.WRITES]
    action, at = trial.pick([("kill", n) for n in call_numbers()] + tears)
    trial.run(-signal.SIGKILL, action=action, at=at)
    trial.found.kills = 1
    trial.check()
    if trial.rng.random() < 0.3:  # and the one that takes over, too
        at = trial.rng.randrange(1, len(calls))
        trial.found.kills += trial.run(0, -signal.SIGKILL, action="kill", at=at) < 0
        trial.check()
    trial.finish()


def killed_at_random_moments(trial):
    for _ in range(6):
        process = trial.start(pace=0.003)
        time.sleep(trial.rng.uniform(0, 0.25))
        trial.kill(process)
        trial.check()
    trial.found.tried = trial.found.kills
    trial.finish()


def real_driver_killed(trial):
    process = trial.start(real=True)
    if trial.rng.random() < 0.3:  # while it starts its workers
        time.sleep(trial.rng.uniform(0, 5))
    else:
        wanted = trial.rng.randrange(1, 20)
        until(lambda: process.poll() is not None or len(trial.noted()) >= wanted, 60, "outcomes")
    trial.kill(process)
    trial.expect_none_left()
    trial.check()
    trial.finish(real=True)
    trial.expect_none_left()


# ---- the power fails -----------------------------------------------------------------------------

# the second is as little careful with what was not fsynced as a file system may be
DISKS = ("defaults", "data=writeback,noauto_da_alloc")


def _unmount(place):
    """Unmount a disk, when what a driver had begun has noticed its end."""
    call = ["umount", place]
    until(lambda: not subprocess.run(call, stderr=subprocess.DEVNULL).returncode, 10, "umount")


def power_fails(trial):
    """Stop the disk at every call, with all that was not fsynced, and start from what is on it."""
    if os.geteuid():
        raise ImpossibleError("needs root, for a disk of its own")
    image = trial.outside / "disk"
    _new_disk(image)
    options, at = trial.pick([(disk, n) for disk in DISKS for n in call_numbers()])
    disk = _mount(image, trial.here, options)
    trial.write_study()
    os.sync()
    process = trial.start(action="stop", at=at)
    process.wait()
    if trial.rng.random() < 0.5:  # somebody else's fsync writes names, without what is in the files
        os.fsync(disk)
    fcntl.ioctl(disk, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
    os.close(disk)
    process.kill()
    _unmount(trial.here)
    os.close(_mount(image, trial.here, options))
    trial.check()
    trial.finish()
    _unmount(trial.here)


def _new_disk(image):
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    libc = ctypes.CDLL(None)
    libc.unshare(_CLONE_NEWNS)  # what is mounted goes with this process
    libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)


def _mount(image, place, options):
    """Mount a disk and give a descriptor of it."""
    mounted = subprocess.run(
        ["mount", "-o", f"loop,{options}", image, place], check=False, capture_output=True
    )
    if mounted.returncode:
        raise ImpossibleError(f"no disk can be mounted: {mounted.stderr.decode().strip()}")
    disk = os.open(place, os.O_RDONLY)
    with contextlib.suppress(FileNotFoundError):
        (place / "lost+found").rmdir()
    return disk


# ---- its processes are killed or stopped ---------------------------------------------------------

WAYS = ("kill", "stop", "stop, then kill")
FORKED = ("forked simulation", "slot", "fork server")


def marked(trial, word):
    """Find processes by a word of their command, or by what they are in a warm start.

    The commands of these are all the same: the server has a session of its own, which its slots
    share; a simulation, which is a slot's child, has one too.
    """
    if word not in FORKED:
        return trial.marked(word)
    warm = {process.pid: process for process in trial.marked("forkserver.py")}
    found = []
    for pid, process in warm.items():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            leads, from_warm = os.getsid(pid) == pid, process.ppid() in warm
            kind = "slot" if not leads else FORKED[0] if from_warm else "fork server"
            if kind == word:
                found.append(process)
    return found


def strike(trial, process, word, how):
    """While simulations run, kill a process whose command has this word, or stop it for a second.

    Say whether the driver was still at work.
    """

    def find():
        runs = trial.marked("script.py") or marked(trial, FORKED[0])
        return process.poll() is not None or (runs and marked(trial, word))

    if (victims := until(find, PATIENCE, f"simulations, and a process of {word}")) is True:
        return False
    trial.found.tried += 1
    with contextlib.suppress(psutil.NoSuchProcess):
        victim = trial.rng.choice(victims)
        if how != "kill":
            victim.suspend()
            time.sleep(1)
        if how == "stop":
            victim.resume()
        else:
            victim.kill()
    return True


def strike_all(trial, process, words, mend=lambda word, how: None):
    """Strike processes of every kind in every way, the next one when there is an outcome again."""
    strikes = [(word, how) for word in words for how in WAYS]
    trial.rng.shuffle(strikes)
    for word, how in strikes:
        if strike(trial, process, word, how):
            struck, before = time.monotonic(), len(trial.noted())
            mend(word, how)
            while process.poll() is None and len(trial.noted()) == before:
                if time.monotonic() > struck + PATIENCE:
                    raise HangError(f"no outcome since {word} was hit: {how}")
                time.sleep(0.01)
            trial.found.recovery = max(trial.found.recovery, time.monotonic() - struck)


def simulations_and_workers_struck(trial):
    """On the local cluster, whose nannies are threads of the driver."""
    strike_simulations_and_workers(trial, "spawn", ("script.py", "supervisor.py", "spawn_main"))


def forked_simulations_and_workers_struck(trial):
    strike_simulations_and_workers(trial, "fork", (*FORKED, "spawn_main"))


def strike_simulations_and_workers(trial, start, words):
    (trial.here / "profile.yaml").write_text(LOCAL % start)
    process = trial.start("run", "study.yaml", "--profile", "profile.yaml", real=True)
    until(lambda: process.poll() is not None or trial.noted(), 60, "outcomes")
    strike_all(trial, process, words)
    trial.end(process, 0, timeout=REAL_TIMEOUT)
    trial.expect_none_left()
    trial.check()
    trial.finish("profile.yaml")


class OwnCluster:
    """A scheduler and a worker with its nanny, started by hand."""

    def __init__(self, trial):
        self._trial = trial
        self._file = trial.outside / f"scheduler.{len(trial.processes)}.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        address = until(self._address, PATIENCE, "the scheduler")
        start = trial.pick(("fork", "spawn"))
        profile = f"""
            cluster: {address}
            worker_timeout: 60 s
            engines: {{python: {{start: {start}}}}}
        """
        (trial.here / "profile.yaml").write_text(profile)
        self.add_worker()

    def _address(self):
        """Give the scheduler's address once it is all written."""
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return json.loads(self._file.read_text())["address"]

    def _start(self, kind, *arguments):
        module = f"distributed.cli.dask_{kind}"
        command = [sys.executable, "-m", module, "--scheduler-file", str(self._file)]
        return self._trial.spawn(*command, "--no-dashboard", *arguments)

    def add_worker(self):
        """Start a worker."""
        place = str(self._trial.outside)
        self.nanny = self._start("worker", "--nthreads", "2", "--local-directory", place)

    def start_driver(self):
        """Start a driver that uses it, and wait until it is at work."""
        trial = self._trial
        process = trial.start("run", "study.yaml", "--profile", "profile.yaml", real=True)
        until(lambda: process.poll() is not None or trial.noted(), 60, "outcomes")
        return process

    def stop(self):
        """End it all."""
        for process in (self.nanny, self.scheduler):
            if process.poll() is None:
                process.signal(signal.SIGTERM)
                process.wait()
        self._trial.expect_none_left()


def workers_and_nannies_struck(trial):
    cluster = OwnCluster(trial)
    process = cluster.start_driver()

    def mend(word, how):
        if word == "dask_worker" and how != "stop":
            cluster.nanny.wait()
            cluster.add_worker()

    strike_all(trial, process, ("spawn_main", "dask_worker"), mend)
    trial.end(process, 0, timeout=REAL_TIMEOUT)
    cluster.stop()
    trial.check()
    trial.finish("profile.yaml")


def scheduler_struck(trial):
    cluster = OwnCluster(trial)
    process = cluster.start_driver()
    how = trial.pick(WAYS)
    strike(trial, process, "dask_scheduler", how)
    trial.end(process, 0 if how == "stop" else 75, timeout=REAL_TIMEOUT)
    cluster.stop()
    trial.check()
    cluster = OwnCluster(trial)
    arguments = ("run", "study.yaml", "--profile", "profile.yaml")
    trial.finish("profile.yaml", real=True, arguments=arguments)
    cluster.stop()


def simulations_misbehave(trial):
    """Half of a study does, each in a way of its own; the other half is none the worse for it."""
    # those that shall not read their parameters could not tell that it is their turn
    known = [name for name, fault in MISBEHAVIOURS.items() if not fault.parameters]
    places = trial.rng.sample(range(1, SIMULATIONS + 1), SIMULATIONS // 2)
    bad = dict(zip(places, trial.rng.sample(known, SIMULATIONS // 2), strict=True))
    codes = {x: textwrap.dedent(MISBEHAVIOURS[name].code) for x, name in bad.items()}
    good = "give({'y': params['x'] ** 2, 'seed': params['seed']})"
    (trial.here / "script.py").write_text(
        f"{PRELUDE}\nparams = dask_espresso.get_data_from_stdin()\n"
        f"exec({codes!r}.get(params['x'], {good!r}))\n"
    )
    study = STUDY.replace("sleep: 0.3", "sleep: 0").replace("retries: 50", "time_limit: 10 s")
    (trial.here / "study.yaml").write_text(study)
    trial.found.tried = len(bad)
    for _ in range(2):  # the second run finds nothing to do
        trial.run(1, real=True)
        trial.expect_none_left()
    outcomes = read_store(trial.store).outcomes
    if len(outcomes) != SIMULATIONS:
        trial.wrong(f"{len(outcomes)} of {SIMULATIONS} outcomes", "lost")
    for outcome in outcomes.values():
        x = outcome.parameters["x"]
        fault = MISBEHAVIOURS[bad[x]] if x in bad else None
        if outcome.status is not (fault.status if fault else Status.DONE):
            trial.wrong(f"{bad.get(x, 'a good one')} is {outcome.status.label}: {outcome.error}")
        elif not fault and outcome.result["y"] != x**2:
            trial.wrong(f"a wrong value: {outcome}", "lost")
        if len(trial.noted()[outcome.id]) != 1:
            trial.wrong(f"{outcome.id} recorded more than once", "doubled")


# ---- writing fails -------------------------------------------------------------------------------


def disk_full(trial):
    """Leave so many pages on a disk of our own, or in a file, where no disk can be mounted."""
    room = 4096 * trial.pick(range(40))
    ballast = trial.here / "ballast"
    if trial.rng.random() < 0.8 and _mount_small_disk(trial.here):
        trial.write_study()
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        os.truncate(ballast, max(0, ballast.stat().st_size - room))
        limit = 0
    else:
        limit = 4096 + room
    trial.run(*STOPPED_EARLY, file_size=limit)
    trial.check()
    ballast.unlink(missing_ok=True)
    trial.finish()


def _mount_small_disk(place):
    """Mount 2 MB for this process and its children; False where that is not allowed."""
    libc, user, group = ctypes.CDLL(None), os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS):
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)
    return not libc.mount(b"faults", bytes(place), b"tmpfs", ctypes.c_ulong(0), b"size=2m")


def log_on_a_full_disk(trial):
    trial.run(*STOPPED_EARLY, output="/dev/full")
    trial.check()
    trial.finish()


def calls_that_fail(trial):
    fails = [("fail", n) for n in call_numbers() if calls[n - 1] != "create_dataset"]
    grows = (*driver_program.WRITES, "open", "link", "mkdir")
    full = [("full", n) for n in call_numbers() if calls[n - 1] in grows]
    action, at = trial.pick(fails + full)
    trial.run(*STOPPED_EARLY, action=action, at=at)
    trial.check()
    trial.finish()


# ---- the journal is damaged ----------------------------------------------------------------------

HEAD = 12  # bytes before a record's payload


def leave_journal(trial):
    """Kill a driver that has not published everything; give the journal's records by their end."""
    never = {"at": 1, "publish_after": 1000}
    trial.run(
        -signal.SIGKILL, action="kill", call="create_dataset",
        **trial.rng.choice([never, {"at": 32}, {"at": 60}]),
    )  # fmt: skip
    trial.found.kills = 1
    end, records = len(b"dask_espresso journal 1\n"), {}
    for payload in read_journal(trial.journal):
        end += HEAD + len(payload)
        records[end] = payload
    return records


def finish_with_warning(trial, excused=()):
    """Expect a run to complete what is missing, and to say that something was."""
    trial.check(excused)
    trial.finish(excused=excused)
    said = trial.processes[-1].said()
    if "passed over" not in said and "cut off" not in said:
        trial.wrong(f"no warning\n{said}")


def identity(payload):
    """Name the simulation of a record; nothing if it is the store's description."""
    return [unpack(payload[9:]).id] if payload[:1] == b"O" else []


def journal_torn(trial):
    records = leave_journal(trial)
    end, payload = list(records.items())[-1]
    cut = trial.pick(range(1, HEAD + len(payload)))
    os.truncate(trial.journal, end - cut)
    finish_with_warning(trial, identity(payload))


def journal_bits_flipped(trial):
    records = leave_journal(trial)
    data = bytearray(trial.journal.read_bytes())
    at = int(len(data) * trial.rng.random() ** 2)  # the beginning matters most
    data[at] ^= 1 << trial.rng.randrange(8)
    trial.journal.write_bytes(data)
    hit = next(payload for end, payload in records.items() if at < end)
    finish_with_warning(trial, identity(hit) if at >= 24 else [])


def journal_with_garbage(trial):
    leave_journal(trial)
    size = trial.rng.choice([1, 3, 11, 12, 13, 500, 5000])
    head = b"\xc1REC" + size.to_bytes(4, "little")
    kinds = [bytes(size), trial.rng.randbytes(size), head + bytes(size), head * size]
    with trial.journal.open("ab") as file:
        file.write(trial.pick(kinds))
    finish_with_warning(trial)


# ---- several drivers -----------------------------------------------------------------------------

FOREIGN = {"host": "elsewhere", "pid": 7, "job_id": "42", "since": "2026-01-01 00:00:00"}


def claim_of_another_host(trial):
    ages = {"old": 3600, "just now": 0, "of tomorrow": -3600, "alive": 0}
    what = trial.pick([*ages, "empty", "torn", "no claim at all"])
    trial.run(-signal.SIGKILL, action="kill", at=trial.rng.randrange(8, len(calls)))
    texts = {"empty": "", "torn": json.dumps(FOREIGN)[:20], "no claim at all": "[1]"}
    trial.claim.write_text(texts.get(what, json.dumps(FOREIGN)))
    age = ages.get(what, 0)
    os.utime(trial.claim, (time.time() - age,) * 2)
    if what == "alive":
        process = trial.start()
        trial.end(process, 2, meanwhile=lambda: os.utime(trial.claim))
        if "elsewhere, pid 7, job 42" not in process.said():
            trial.wrong(f"refused without the owner's name\n{process.said()}")
        trial.claim.unlink()
    trial.check()
    trial.finish()


def expect_refused(trial, process, owner):
    """Expect a driver to have been refused by name."""
    if f"in use by the driver on {HOST}, pid {owner.pid}" not in process.said():
        trial.wrong(f"refused without the owner's name, {owner.pid}\n{process.said()}")


def two_drivers_at_once(trial):
    first = trial.start(pace=0.01)
    time.sleep(trial.rng.uniform(0, 0.05))
    second = trial.start(pace=0.01)
    statuses = trial.end(first, 0, 2), trial.end(second, 0, 2)
    if statuses == (2, 2):
        trial.wrong("none of two drivers won")
    for process, other in ((first, second), (second, first)):
        if process.status == 2:
            expect_refused(trial, process, other)
    trial.check()
    trial.finish()


def another_driver_while_one_stands_still(trial):
    """At every call; what a reader sees then is looked at, too."""
    first = trial.start(action="stop", at=trial.pick(call_numbers()))
    first.wait()
    trial.check()
    second = trial.start()
    if trial.end(second, 0, 2) == 2:
        expect_refused(trial, second, first)
    first.signal(signal.SIGCONT)
    trial.end(first, 0)
    trial.check()
    trial.finish()


def taken_over_while_standing_still(trial):
    """A driver on one host stands still until one on another host counts it as dead."""
    # once it has its claim
    at = trial.pick([n for n in call_numbers() if n > calls.index("link") + 1])
    first = trial.start(action="stop", at=at, host="alpha", pace=0.005)
    first.wait()
    with contextlib.suppress(FileNotFoundError):
        os.utime(trial.claim, (0, 0))
    before = len(trial.noted())
    second = trial.start(host="beta", pace=0.02)
    wanted = before + trial.rng.randrange(20)
    until(lambda: second.poll() is not None or len(trial.noted()) >= wanted, PATIENCE, "outcomes")
    first.signal(signal.SIGCONT)
    is_back = trial.end(first, *STOPPED_EARLY) == 0  # before the other one had begun
    trial.end(second, *((0, 2) if is_back else (0,)))
    trial.check()
    trial.finish()


def neighbours(trial):
    """Studies that share a directory, and the beginning of their name, leave each other alone."""
    other = trial.here / "s.2.h5"
    notes = str(trial.outside / "notes.2")
    arguments = ("run", "study.yaml", "--store", other.name)
    at = trial.pick(call_numbers())
    process = trial.start(*arguments, action="stop", at=at, notes=notes)
    process.wait()
    trial.run()
    process.signal(signal.SIGCONT)
    if trial.end(process, 0) == 0:
        trial.finish(other.name)
        if read_store(other).outcomes.keys() != trial.noted().keys():
            trial.wrong("the neighbour's store is not complete")


# ---- what is under the driver changes ------------------------------------------------------------


def _move(path):
    path.rename(path.with_name(f"moved-{path.name}"))


MISHAPS = {
    "the store moved": lambda trial: _move(trial.store),
    "the store deleted": lambda trial: trial.store.unlink(),
    "the store read-only": lambda trial: trial.store.chmod(0o444),
    "the journal moved": lambda trial: _move(trial.journal),
    "the journal deleted": lambda trial: trial.journal.unlink(),
    "the journal read-only": lambda trial: trial.journal.chmod(0o444),
    "the claim deleted": lambda trial: trial.claim.unlink(),
    "the directory unwritable": lambda trial: trial.here.chmod(0o555),
    "the directory moved": lambda trial: _move(trial.here),
}


def files_change_while_it_runs(trial):
    what = trial.pick(list(MISHAPS))
    # between the first and the last publishing: there is something to lose, and time to see it
    last = len(calls) - calls[::-1].index("create_dataset")
    numbers = range(calls.index("replace", calls.index("create_dataset")) + 3, last)
    at = trial.rng.choice([n for n in call_numbers() if n in numbers])
    process = trial.start(action="stop", at=at, as_user=True)
    process.wait()
    before = _names(trial.store)
    with contextlib.suppress(FileNotFoundError):
        MISHAPS[what](trial)
    gone = before - _names(trial.store) if "deleted" in what else set()
    process.signal(signal.SIGCONT)
    status = trial.end(process, *STOPPED_EARLY)
    if what == "the directory moved":
        trial.here.with_name(f"moved-{trial.here.name}").rename(trial.here)
    for path in (trial.here, trial.store, trial.journal):
        if path.exists():
            path.chmod(0o755)
    if status == 0:
        trial.expect_complete()
    moved = list(trial.here.glob("moved-*"))
    elsewhere = {name for path in moved for name in _names(path.with_suffix(".h5"))}
    trial.check(elsewhere | gone if status else elsewhere)  # it has said so, then
    if moved or gone:  # those are repeated
        trial.notes.unlink()
    trial.finish(*(path.name for path in moved))
    if trial.found.is_bad:
        trial.found.said.append(f"that was with {what} at call {at}, {calls[at - 1]}")


def _names(store):
    """Name the outcomes in a store; there may be none."""
    try:
        return set(read_store(store).outcomes)
    except InputError:
        return set()


def reader_who_may_not_write(trial):
    """Looks at a study of somebody else, whose driver is at work, here or on another host."""
    place = trial.pick(["", "elsewhere"])
    process = trial.start(
        host=place, action="stop", at=trial.rng.randrange(calls.index("create_dataset"), len(calls))
    )
    process.wait()
    trial.here.chmod(0o555)
    trial.run(arguments=("status", "s.h5"), as_user=True)
    trial.here.chmod(0o755)
    process.signal(signal.SIGCONT)
    trial.end(process, 0)
    trial.check()
    trial.finish()


def clock_jumps(trial):
    """The driver's clock, and the file server's."""
    hours = 3600 * trial.pick([1, 1000])
    process = trial.start(clock=hours, at=trial.rng.randrange(1 << 30), pace=0.02)
    until(lambda: process.poll() is not None or trial.noted(), PATIENCE, "outcomes")

    def jump():
        with contextlib.suppress(FileNotFoundError):
            os.utime(trial.claim, (time.time() + trial.rng.choice([-hours, hours]),) * 2)

    jump()
    second = trial.start(clock=hours)
    if trial.end(second, 0, 2) == 2:
        expect_refused(trial, second, process)
    trial.end(process, 0, meanwhile=jump)
    trial.check()
    trial.finish()


# ---- hosts on a network --------------------------------------------------------------------------


def network_fails(trial):
    """Have slow and cut lines, and firewalls, between hosts that tests/network makes."""
    network = Path(__file__).parents[1] / "network"
    command = [network / "with-hosts.sh", sys.executable, "-m", "pytest", "-q", network]
    root = network.parents[1]
    done = subprocess.run(
        command, cwd=root, check=False, capture_output=True, text=True, timeout=900
    )
    reason = re.search("^NOT TRIED: (.*)", done.stdout, re.MULTILINE)
    if reason:
        raise ImpossibleError(reason[1])
    trial.found.tried = sum(map(int, re.findall(r"(\d+) (?:passed|failed|error)", done.stdout)))
    if done.returncode:
        trial.wrong(f"exit status {done.returncode}\n{done.stdout[-5000:]}{done.stderr}")


class Fault(NamedTuple):
    """A row of the table.

    Attributes
    ----------
    name : str
        What happens.
    function : callable
        Lets it happen.
    trials : tuple of int
        How often: by default, and in the long form.
    """

    name: str
    function: object
    trials: tuple


FAULTS = [
    # first, since it mostly waits, while others are tried
    Fault("lines between hosts slow, cut, closed", network_fails, (1, 1)),
    Fault("driver killed at every write, fsync, rename …", killed_at_every_call, (130, 500)),
    Fault("driver killed at random moments", killed_at_random_moments, (8, 50)),
    Fault("power fails at every write, fsync, rename …", power_fails, (50, 500)),
    Fault("driver of a real cluster killed", real_driver_killed, (3, 20)),
    Fault("simulations misbehave, half of a study", simulations_misbehave, (1, 8)),
    Fault("workers, supervisors, simulations struck", simulations_and_workers_struck, (2, 10)),
    Fault("workers, fork servers, slots, simulations struck",
          forked_simulations_and_workers_struck, (2, 10)),
    Fault("workers and nannies of one's own cluster struck", workers_and_nannies_struck, (2, 6)),
    Fault("scheduler of one's own cluster struck", scheduler_struck, (3, 9)),
    Fault("disk full", disk_full, (40, 300)),
    Fault("log on a full disk", log_on_a_full_disk, (2, 4)),
    Fault("calls fail, once or from then on", calls_that_fail, (170, 400)),
    Fault("journal torn", journal_torn, (40, 600)),
    Fault("journal with a bit flipped", journal_bits_flipped, (60, 1500)),
    Fault("journal with zeros or garbage at its end", journal_with_garbage, (20, 100)),
    Fault("claim of a driver on another host", claim_of_another_host, (14, 70)),
    Fault("two drivers at once", two_drivers_at_once, (15, 100)),
    Fault("another driver while one stands still",
          another_driver_while_one_stands_still, (100, 300)),
    Fault("driver taken over while it stands still", taken_over_while_standing_still, (30, 200)),
    Fault("driver of another store in the directory", neighbours, (20, 100)),
    Fault("store, journal, directory moved, deleted, read-only",
          files_change_while_it_runs, (54, 450)),
    Fault("reader who may not write", reader_who_may_not_write, (6, 20)),
    Fault("clock jumps", clock_jumps, (10, 50)),
]  # fmt: skip
