"""The driver that the campaign lets go wrong: `dask-espresso` with faults built in.

It notes every outcome that the store said is recorded, and at a chosen call of those that change
something on disk it is killed, stopped, or told that the call failed. Usage, though mostly forked:
``python driver_program.py OPTIONS_AS_JSON ARGUMENT...``
"""

import atexit
import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import pickle
import resource
import signal
import socket
import sys
import threading
import time
import traceback
import types
from pathlib import Path

import dask
import h5py
import numpy as np
from distributed import Security
from distributed.config import initialize_logging

from dask_espresso import driver
from dask_espresso.__main__ import program
from dask_espresso.cluster import transfers, workers
from dask_espresso.cluster.certificates import temporary_security
from dask_espresso.cluster.cluster import Cluster
from dask_espresso.commands import run as run_command
from dask_espresso.outcome import Outcome, Status
from dask_espresso.process.probe import Probe
from dask_espresso.process.task_run import TaskResults
from dask_espresso.record import pack
from dask_espresso.store import claim, publisher, store

# the calls at which a fault may happen; "tear" writes half of what these get
WRITES = ("write",)
CALLS = {
    os: (
        *WRITES, "open", "fsync", "ftruncate", "link", "replace", "unlink", "utime", "fchmod",
        "mkdir", "rmdir",
    ),
    fcntl: ("flock",),
    h5py.Group: ("create_dataset",),
    # Python 3.10 keeps references of its own
    getattr(pathlib, "_NormalAccessor", None): ("link", "replace", "unlink", "mkdir", "rmdir"),
}  # fmt: skip
_CAP_DAC_OVERRIDE = 0b1110  # and those of its kind: root may then not do more than others


@dataclasses.dataclass
class Options:
    """What is to go wrong.

    Attributes
    ----------
    notes : str
        File that gets a line for every outcome that is recorded: its id, and a hash of it.
    real : bool
        Whether to use the profile's workers; the stand-in gives its outcomes at once.
    action, at, call : str, int, str
        What happens at the how-manieth call, of all or of this name: kill, tear (kill in its
        middle), stop, fail (with EIO, once) or full (with ENOSPC, from then on).
    pace : float
        Seconds that the stand-in takes for a simulation.
    host : str
        Name of the host, if another one; file locks are then not shared, as between hosts.
    stale : float
        Seconds after which an owner on another host counts as dead.
    clock : float
        By how many seconds the clock jumps, there or back, whenever it is read.
    file_size : int
        Bytes that a file may have, or 0 for as many as it likes.
    as_user : bool
        Whether permissions hold for root too.
    publish_after : int
        Outcomes that a running driver publishes from.
    """

    notes: str
    real: bool = False
    action: str = ""
    at: int = 0
    call: str = ""
    pace: float = 0.0
    host: str = ""
    stale: float = 1.5
    clock: float = 0.0
    file_size: int = 0
    as_user: bool = False
    publish_after: int = 6


class Faults:
    """Lets the fault happen at its call, and remembers the calls made."""

    def __init__(self, options):
        self._options = options
        self.calls = []
        for owner, names in CALLS.items():
            for name in names if owner else ():
                setattr(owner, name, self._watched(name, getattr(owner, name)))

    def _watched(self, name, call):
        @functools.wraps(call)
        def watched(*args, **kwargs):
            if threading.current_thread() is not threading.main_thread():
                return call(*args, **kwargs)  # signs of life come when they like
            if self._options.call in ("", name):
                self.calls.append(name)
                if len(self.calls) == self._options.at:
                    self._happen(call, args, kwargs)
            if len(self.calls) >= self._options.at and self._options.action == "full":
                _refuse_to_grow(name, args)
            return call(*args, **kwargs)

        return watched

    def _happen(self, call, args, kwargs):
        action = self._options.action
        if action == "tear":
            fd, data, *rest = args
            call(fd, bytes(data)[: len(data) // 2], *rest, **kwargs)
        if action in ("kill", "tear"):
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if action == "fail":
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def _refuse_to_grow(name, args):
    makes = name == "open" and args[1] & os.O_CREAT and not Path(args[0]).exists()
    if makes or name in (*WRITES, "link", "mkdir"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Done:
    """A future of the stand-in; what it is asked for is there already."""

    status = "finished"

    def __init__(self, key, value):
        self.key, self.value = key, value

    def done(self):
        return True

    def cancelled(self):
        return False

    def exception(self):
        return None

    def result(self):
        return self.value

    def release(self):
        pass

    def add_done_callback(self, callback):
        callback(self)


class StandIn:
    """As much of a Dask client as the driver uses; simulations cost nothing."""

    cluster = None
    dashboard_link = "none"
    status = "running"
    scheduler = types.SimpleNamespace(address="stand-in")

    def __init__(self, pace):
        self._pace = pace

    def subscribe_topic(self, topic, handler):
        pass

    def submit(self, function, workload, orders=None, pace=0.0, *, key, pure, **where):
        if orders is None:
            return Done(key, Probe(version="1"))
        asked = pickle.loads(orders)
        time.sleep(self._pace * len(asked))
        records = [pack(outcome_of(order, workload)) for order in asked]
        done = [(place, int(Status.DONE), record, 3.0) for place, record in enumerate(records)]
        return Done(key, TaskResults(done))


class StandInTransfers(transfers.Transfers):
    """What is asked for has arrived."""

    def begin(self, futures):
        for future in futures:
            self.arrive(transfers.Arrival(future, future.value))

    def look(self, addresses):
        pass

    def close(self):
        pass


def outcome_of(order, workload):
    """Give the outcome of a simulation: columns of all kinds, and a value that can be checked."""
    x = order.parameters["x"]
    noise = np.random.default_rng(order.seed).random(x % 4)
    result = {"y": x**2, "seed": order.seed, "noise": noise, "deep": {"text": "é" * x, "list": [x]}}
    return Outcome(
        order.id, order.parameters, order.replica, order.seed, result=result, exit_code=0,
        host=socket.gethostname(), started=time.time(), elapsed_time=0.001, log="x" * 50,
        engine="python", script_hash=workload.script_hash,
    )  # fmt: skip


def fingerprint(record):
    """Give a short text that no other record has."""
    return hashlib.sha256(b"".join(record)).hexdigest()


@functools.cache
def keys():
    """Give keys and certificates, made once for all the drivers that are forked."""
    return make_keys()


make_keys = Security.temporary


def install(options):
    """Make this process the driver that the options describe; give its calls."""
    notes = os.open(options.notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    note, record, clock = os.write, store.Store.record, time.time

    def noting(self, entries):
        record(self, entries)
        lines = [f"{entry.id} {fingerprint(entry.record)}\n" for entry in entries]
        note(notes, "".join(lines).encode())

    @contextlib.contextmanager
    def stand_in(*args, **kwargs):
        with temporary_security(Path.cwd()):
            yield Cluster(StandIn(options.pace))

    store.Store.record = noting
    publisher._MIN_PUBLISH = options.publish_after
    if options.real:
        run_command.quiet_dask = functools.partial(_quiet, run_command.quiet_dask)
    else:
        driver.open_cluster = stand_in
        workers.Transfers = StandInTransfers
        workers._threads = lambda client: {"stand-in": 2}
        Security.temporary = keys
        claim.HEARTBEAT, claim.STALE = options.stale / 10, options.stale
        claim._SETTLE = options.stale / 10
    if options.host:
        socket.gethostname = lambda: options.host
        fcntl.flock = lambda fd, how: None
    if options.clock:
        jumps = np.random.default_rng(options.at)
        time.time = lambda: clock() + options.clock * int(jumps.integers(-1, 2))
    if options.file_size:
        sys.dont_write_bytecode = True  # or it may be cut, and then nothing can import it any more
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_size, resource.RLIM_INFINITY))
    if options.as_user:
        _give_up_power()
    return Faults(options).calls


def _quiet(quiet_dask):
    """Say it again to dask, which asks how much it may log when it is imported: already."""
    quiet_dask()
    initialize_logging(dask.config.config)


def _give_up_power():
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    sets[0] &= ~_CAP_DAC_OVERRIDE
    sets[1] &= ~_CAP_DAC_OVERRIDE
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def run(arguments):
    """Be `dask-espresso`."""
    sys.argv = ["dask-espresso", *arguments]
    program()


def run_forked(options, arguments):
    """Be the driver, in a process forked for it, and end as a program of its own would."""
    status = 1
    try:
        calls = install(options)
        run(arguments)
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        with contextlib.suppress(OSError):
            traceback.print_exc()
    Path(f"{options.notes}.calls").write_text("\n".join(calls))
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    ctypes.CDLL(None).exit(status)  # the HDF5 library, too, has something to do at the end


if __name__ == "__main__":
    install(Options(**json.loads(sys.argv[1])))
    run(sys.argv[2:])
