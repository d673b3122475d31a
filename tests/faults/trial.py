"""One try of a fault: a study in a directory of its own, its drivers, and what must hold after."""

import contextlib
import ctypes
import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import uuid
from pathlib import Path

import driver_program
import h5py
import psutil
import xarray

from dask_espresso.errors import DaskEspressoError
from dask_espresso.record import pack
from dask_espresso.store.store import read_store

SIMULATIONS = 24
TIMEOUT, REAL_TIMEOUT = 20, 120  # seconds after which a run counts as hanging
_PR_SET_PDEATHSIG = 1
_MARK = "DASK_ESPRESSO_FAULT_TRIAL"

STUDY = f"""
name: s
engine: python
script: script.py
parameters:
  x: {{start: 1, stop: {SIMULATIONS}, step: 1}}
  sleep: 0.3
seed: 3
retries: 50
"""
# with a process of its own, which must not outlive it
SCRIPT = """
import dask_espresso, subprocess, time
params = dask_espresso.get_data_from_stdin()
subprocess.Popen(["sleep", "600"])
time.sleep(params["sleep"])
print(dask_espresso.encode_transport_data({"y": params["x"] ** 2, "seed": params["seed"]}))
"""


class HangError(Exception):
    """Something did not end in time."""


class ImpossibleError(Exception):
    """This machine, or this user, cannot have the fault happen; the message says why."""


@dataclasses.dataclass
class Findings:
    """What came of a trial, or of all trials of a fault; all but `tried` should be nothing."""

    tried: int = 0
    lost: int = 0
    doubled: int = 0
    hangs: int = 0
    wrong: int = 0
    kills: int = 0
    recovery: float = 0.0
    impossible: str = ""  # why it was not tried
    said: list = dataclasses.field(default_factory=list)

    @property
    def is_bad(self):
        return bool(self.lost or self.doubled or self.hangs or self.wrong)

    def add(self, other):
        """Add another trial's."""
        for name in ("tried", "lost", "doubled", "hangs", "wrong", "kills"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.recovery = max(self.recovery, other.recovery)
        self.impossible = self.impossible or other.impossible


class Process:
    """A child in a session of its own; it does not outlive its parent.

    Parameters
    ----------
    body : callable
        What it does. Does not return.
    output : path
        Gets what it prints.
    directory : path
        Where it runs.
    """

    def __init__(self, body, output, directory="."):
        self._output = Path(output)
        self.status = None  # exit status, or minus a signal
        self.pid = os.fork()
        if self.pid:
            return
        try:
            os.setsid()
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            nothing = os.open(os.devnull, os.O_RDONLY)
            written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            for fd, end in ((nothing, 0), (written, 1), (written, 2)):
                os.dup2(fd, end)
            os.chdir(directory)
            body()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(70)

    def poll(self):
        """Give the exit status, "stopped", or None while it runs."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return "stopped"
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, timeout=TIMEOUT, meanwhile=None):
        """Wait until it ends or stops; kill what hangs."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
                raise HangError(f"no end after {timeout} s\n{self.said()}")
            if meanwhile:
                meanwhile()
            time.sleep(0.002)
        return status

    def signal(self, number):
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self):
        """Kill its whole session, and reap it."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        while self.status is None:
            self.poll()
            time.sleep(0.002)

    def said(self):
        """Give what it printed."""
        return self._output.read_text(errors="replace") if self._output.is_file() else ""


class Trial:
    """A study that a fault happens to.

    Parameters
    ----------
    rng : random.Random
        The only source of chance.
    place : Path
        Where to put its files.
    number : int
        The how-manieth trial of its fault this is.
    order : random.Random
        The same for all trials of a fault.
    """

    def __init__(self, rng, place, number=0, order=None):
        self.rng, self._number, self._order = rng, number, order
        self.found = Findings()
        self.mark = uuid.uuid4().hex
        self.outside = Path(tempfile.mkdtemp(dir=place))
        self.here = self.outside / "study"
        self.here.mkdir()
        self.store = self.here / "s.h5"
        self.journal = self.here / "s.journal"
        self.claim = self.here / "s.h5.claim"
        self.notes = self.outside / "notes"
        self.processes = []
        self.write_study()

    def write_study(self):
        """Write the study's files, and profiles for its real runs."""
        (self.here / "study.yaml").write_text(STUDY)
        (self.here / "script.py").write_text(SCRIPT)

    def pick(self, choices):
        """Give this trial's choice: every one is some trial's, as soon as there are so many."""
        return self._order.sample(list(choices), len(choices))[self._number % len(choices)]

    def wrong(self, text, kind="wrong"):
        """Take down, once, a promise not kept."""
        said = f"{kind}: {text}"
        if said not in self.found.said:
            self.found.said.append(said)
            setattr(self.found, kind, getattr(self.found, kind) + 1)

    # ---- processes -------------------------------------------------------------------------------

    def start(self, *arguments, output=None, **options):
        """Start a driver with faults built in."""
        arguments = arguments or ("run", "study.yaml")
        chosen = driver_program.Options(**{"notes": str(self.notes), **options})
        if not chosen.real:
            return self._fork(lambda: driver_program.run_forked(chosen, list(arguments)), output)
        options = json.dumps(dataclasses.asdict(chosen))
        return self.spawn(sys.executable, driver_program.__file__, options, *arguments)

    def spawn(self, *command):
        """Start a program that is found again, with all its children, by its environment."""
        scratch = self.outside / "scratch"
        scratch.mkdir(exist_ok=True)
        environment = {**os.environ, _MARK: self.mark, "TMPDIR": str(scratch)}
        return self._fork(lambda: os.execve(command[0], command, environment))

    def _fork(self, body, output=None):
        output = output or self.outside / f"output.{len(self.processes)}"
        self.processes.append(Process(body, output, self.here))
        return self.processes[-1]

    def end(self, process, *expected, timeout=TIMEOUT, meanwhile=None):
        """Wait for a driver; it ends with one of these exit statuses and no traceback."""
        status = process.wait(timeout, meanwhile)
        said = process.said()
        if status not in expected:
            self.wrong(f"exit status {status}, not {expected}\n{said}")
        elif "Traceback" in said:
            self.wrong(f"a traceback\n{said}")
        elif status in (2, 75) and said and "Error: " not in said:
            self.wrong(f"exit status {status} without a word\n{said}")
        return status

    def run(self, *expected, arguments=(), **options):
        """Run a driver to its end; by default it ends with 0."""
        timeout = REAL_TIMEOUT if options.get("real") else TIMEOUT
        return self.end(self.start(*arguments, **options), *(expected or (0,)), timeout=timeout)

    def kill(self, process):
        """SIGKILL a driver alone, as the kernel does that is out of memory."""
        process.signal(signal.SIGKILL)
        process.wait()
        self.found.kills += process.status == -signal.SIGKILL

    def marked(self, word=""):
        """Give all processes that real runs have started, with this word in their commands."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_ours = process.environ().get(_MARK) == self.mark
                if is_ours and word in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def expect_none_left(self, timeout=15):
        """Expect all processes of a real run to end soon, and their scratch directories to go."""
        try:
            until(lambda: not self.marked(), timeout, "processes to end")
        except HangError:
            for process in self.marked():
                with contextlib.suppress(psutil.Error):
                    self.wrong(f"a process was left: {process.cmdline()}")
                    process.kill()
        if left := list(self.outside.glob("scratch/dask-espresso-*")):
            self.wrong(f"scratch directories of simulations were left: {left}")

    # ---- what must hold --------------------------------------------------------------------------

    def noted(self):
        """Give what drivers were told is recorded: fingerprints by id."""
        noted = {}
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        for line in lines:
            name, fingerprint = line.split()
            noted.setdefault(name, []).append(fingerprint)
        return noted

    def check(self, excused=(), store=None):
        """Expect everything noted to be in the store, once and equal; give the outcomes."""
        store = store or self.store
        noted = self.noted()  # before reading: it may be growing
        outcomes = self._outcomes(store)
        for name, fingerprints in noted.items():
            if name in excused:
                continue
            if len(fingerprints) > 1:
                self.wrong(f"{name} recorded {len(fingerprints)} times", "doubled")
            if name not in outcomes:
                self.wrong(f"{name}, one of {len(noted)} recorded", "lost")
                continue
            stored = dataclasses.replace(outcomes[name], sequence=0)
            if driver_program.fingerprint(pack(stored)) not in fingerprints:
                self.wrong(f"{name} is not what was recorded: {stored}", "lost")
        for outcome in outcomes.values():
            if not outcome.is_done or outcome.result["y"] != outcome.parameters["x"] ** 2:
                self.wrong(f"a wrong value: {outcome}", "lost")
        self._check_file(store)
        return outcomes

    def _outcomes(self, store):
        try:
            return read_store(store).outcomes
        except DaskEspressoError as error:
            if self.noted() or "no such store" not in str(error):
                self.wrong(f"the store cannot be read: {error}")
            return {}

    def _check_file(self, store):
        """Expect the HDF5 file, where there is one, to be read by others too."""
        if not store.exists():
            return
        with h5py.File(store) as file:
            ids = file["simulation"][:].tolist()
        if len(set(ids)) < len(ids):
            self.wrong(f"{len(ids)} rows, {len(set(ids))} ids", "doubled")
        with xarray.open_dataset(store, engine="h5netcdf") as dataset:
            dataset.load()

    def finish(self, *expected_files, excused=(), **options):
        """Run the study to its end: it is complete then, with nothing left over."""
        started = time.monotonic()
        self.run(**options)
        self.found.recovery = max(self.found.recovery, time.monotonic() - started)
        self.check(excused)
        self.expect_complete()
        files = {"s.h5", "script.py", "study.yaml", *expected_files}
        if left := {path.name for path in self.here.iterdir()} ^ files:
            self.wrong(f"files left over or missing: {sorted(left)}")

    def expect_complete(self):
        """Expect the HDF5 file alone to hold everything."""
        there = 0
        if self.store.exists():
            with h5py.File(self.store) as file:
                there = len(file["simulation"])
        if there != SIMULATIONS:
            self.wrong(f"exit status 0, but {there} of {SIMULATIONS} outcomes in the store")

    def close(self, keep=False):
        """Leave nothing behind, but files where they are wanted."""
        for process in self.processes:
            process.kill()
        for process in self.marked():
            with contextlib.suppress(psutil.Error):
                process.kill()
        if keep:
            print(self.outside)
        else:
            shutil.rmtree(self.outside, ignore_errors=True)


def until(condition, timeout, what):
    """Wait until a condition holds, and give what it gave."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise HangError(f"waited {timeout} s for {what}")
        time.sleep(0.01)
    return found
