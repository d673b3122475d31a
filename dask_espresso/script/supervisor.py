"""The parent of one simulation process: starts it, and leaves nothing of it behind.

Run as a program of its own, so that it can promise what a worker cannot:

* the simulation and everything it started is gone when the simulation ends,
  when its time limit is over, and when the worker dies, however it dies;
* the directory that was made for the simulation is gone as well;
* exit status, CPU time and peak memory are the kernel's own figures for the
  simulation, not mixed with those of other children of the worker.

On Linux the supervisor is a "child subreaper": whatever the simulation leaves
behind, in whatever session or process group, becomes the supervisor's child
and is killed. Elsewhere it is the simulation's process group that is killed.

It is :func:`main`, called by ``python -I -S`` with three descriptors. The request is one
line of JSON with ``command``, ``environment``, ``directory``, ``scratch`` (a
directory that is made and removed here, with ``run`` and ``tmp`` in it),
``time_limit``, ``for_ranks`` (variables that a simulation of several ranks needs, or null),
``holds`` (whether the directory is to stay until the worker has looked at it) and ``stdin_file``
(where in the directory what comes on standard input is to be, or empty);
what becomes of the simulation is said in another.
Standard input, output, error and that of the result are handed to the simulation. End of file on
that of the request means that the worker is gone. Needs the standard library only.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # typing costs as much to import as all of these but json
if TYPE_CHECKING:
    from typing import Any, Callable

TERMINATE_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
_DAY = 86400.0  # seconds; poll() takes no more than 24 of these
# batch systems send these to every process of a job; the supervisor ends when its worker has ended
TO_ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MARK = "DASK_ESPRESSO_SIMULATION"  # in the environment of all that a simulation starts
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def main(request_fd: int, said_fd: int, result_fd: int) -> None:
    """Run the one simulation that the request describes, and say what became of it."""
    for fd in (request_fd, said_fd):  # not for the simulation
        os.set_inheritable(fd, False)
    wakeup, _ = become_supervisor()
    request = _read_request(request_fd)
    ranks = _load_ranks() if request["for_ranks"] is not None else None
    try:
        make_scratch(request["scratch"])
        if request["stdin_file"]:
            save_input(0, os.path.join(request["directory"], request["stdin_file"]))
        if ranks:
            save_input(0, os.path.join(request["scratch"], "parameters"))
            ranks.prepare(request)
        start_time = time.time()
        child = start(request)
    except OSError as error:
        said = not_started(error)
    else:
        # the simulation has its own; keeping them would hide its end of file
        for fd in (0, 1, 2, result_fd):
            os.close(fd)
        said = watch(child, request_fd, wakeup, request["time_limit"])
        remove_shared_memory([child, *kill_everything()])
        if ranks:
            ranks.end(f"{MARK}={request['environment'][MARK]}", start_time)
    _say(said_fd, said)
    while request["holds"] and os.read(request_fd, 1):  # until the worker has looked, or is gone
        pass
    if not remove_scratch(request["scratch"]):
        os.execvp("rm", ["rm", "-rf", "--", request["scratch"]])


def _load_ranks() -> Any:
    """Load the module beside this one; no other is to be found there."""
    from importlib.util import module_from_spec, spec_from_file_location

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ranks.py")
    spec: Any = spec_from_file_location("ranks", path)
    ranks = module_from_spec(spec)
    spec.loader.exec_module(ranks)
    return ranks


def become_supervisor() -> tuple[int, int]:
    """Be told of children that end, and inherit whatever they leave behind.

    Returns
    -------
    wakeup, wakeup_write : int
        Both ends of a pipe; from the first one can be read when a child has ended.
    """
    wakeup, wakeup_write = os.pipe()
    for end in (wakeup, wakeup_write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakeup_write)
    signal.signal(signal.SIGCHLD, _nothing)
    for number in TO_ALL:
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    return wakeup, wakeup_write


def _nothing(*_: object) -> None:
    """Do nothing, as at a signal, which yet wakes up whoever waits."""


def not_started(error: OSError) -> dict[str, Any]:
    """Say why a simulation could not be started."""
    where = f": {error.filename}" if error.filename else ""
    return {"error": f"{error.strerror}{where}", "errno": error.errno}


def _read_request(fd: int) -> dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            sys.exit(1)  # the worker died before it asked for anything
        line += chunk
    request: dict[str, Any] = json.loads(line)
    return request


def start(request: dict[str, Any]) -> int:
    """Fork and exec a command in a session of its own; give its process id."""
    failure, failure_write = os.pipe()  # closed by a successful exec
    supervisor = os.getpid()
    command: list[str] = request["command"]
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, *TO_ALL):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())  # workers block some
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # should this supervisor be killed
            if os.getppid() != supervisor:
                os._exit(1)
            os.chdir(request["directory"])
            os.execvpe(command[0], command, request["environment"])
        except OSError as error:
            name = os.fsdecode(error.filename or command[0])
            name = command[0] if os.path.basename(name) == command[0] else name
            os.write(failure_write, json.dumps([error.errno, name]).encode())
        finally:
            os._exit(127)
    os.close(failure_write)
    failed = os.read(failure, 1 << 12)
    os.close(failure)
    if failed:
        number, name = json.loads(failed)
        raise OSError(number, os.strerror(number), name)
    return child


def watch(child: int, worker: int, wakeup: int, time_limit: float | None) -> dict[str, Any]:
    """Wait for the simulation to end, by itself or because it has to.

    Parameters
    ----------
    child : int
        Its process id; it leads a process group.
    worker, wakeup : int
        Descriptors: end of file on the first means that the worker is gone; the second is that of
        :func:`become_supervisor`.
    time_limit : float or None
        In seconds.

    Returns
    -------
    dict
        What there is to say: exit_code, timed_out, elapsed_time and cpu_time in seconds,
        peak_memory in bytes.
    """
    start_time = time.monotonic()
    deadline = None if time_limit is None else start_time + time_limit
    poll = select.poll()
    poll.register(worker, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    timed_out = False
    kill_at = None
    now = start_time
    while True:
        next_event = kill_at if kill_at is not None else deadline
        timeout = None if next_event is None else 1000 * min(max(0.05, next_event - now), _DAY)
        for fd, _ in poll.poll(timeout):
            if fd == wakeup:
                os.read(wakeup, 1 << 12)
            elif not os.read(worker, 1):
                _signal_group(child, signal.SIGKILL)
                poll.unregister(worker)
        pid, status, usage = os.wait4(child, os.WNOHANG)
        now = time.monotonic()
        if pid == child:
            return {
                "exit_code": _exit_code(status),
                "timed_out": timed_out,
                "elapsed_time": now - start_time,
                "cpu_time": usage.ru_utime + usage.ru_stime,
                # kibibytes on Linux, bytes on macOS
                "peak_memory": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            }
        if kill_at is not None and now >= kill_at:
            _signal_group(child, signal.SIGKILL)
        elif deadline is not None and now >= deadline and not timed_out:
            timed_out = True
            kill_at = now + TERMINATE_GRACE
            _signal_group(child, signal.SIGTERM)


def save_input(fd: int, path: str) -> None:
    """Write what there is to be read into a file; behind it there is nothing."""
    with open(path, "wb") as file:
        while True:
            data = os.read(fd, 1 << 20)
            if not data:
                break
            file.write(data)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, fd)
    os.close(nothing)


def _scratch(path: str) -> tuple[str, str, str]:
    """Name a simulation's directory, the place in it to run in, and the one for temporary files."""
    return path, f"{path}/run", f"{path}/tmp"


def make_scratch(path: str) -> None:
    """Make the directories of a simulation."""
    try:
        for directory in _scratch(path):
            os.mkdir(directory, 0o700)
    except OSError as error:
        said = f"no directory to run in can be made ({error.strerror})"
        raise OSError(error.errno, said, os.path.dirname(path)) from None


def remove_scratch(path: str) -> bool:
    """Remove the directories of a simulation; say whether that was all, with nothing in them.

    Where it was not, `rm` has to do it: shutil would cost time to import, and gives up on deeply
    nested directories.
    """
    try:
        for directory in reversed(_scratch(path)):
            os.rmdir(directory)
    except OSError:
        return False
    return True


def _exit_code(status: int) -> int:
    """Give the exit code, or minus the number of the signal that ended the process."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
        os.killpg(leader, signal.SIGCONT)  # a stopped process acts on nothing but SIGKILL
    except (ProcessLookupError, PermissionError):
        pass


def kill_everything() -> list[int]:
    """Kill what the simulation left behind, until nothing is left; give the process ids."""
    killed = []
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            while True:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                killed.append(pid)
        except ChildProcessError:
            break
        for pid in children():
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        time.sleep(0.002)
    return killed


def remove_shared_memory(pids: list[int]) -> None:
    """Remove what MPICH leaves in the node's memory, a megabyte each, where it is killed."""
    for pid in pids:
        try:
            os.unlink("/dev/shm/mpich_shm_%x_0" % pid)
        except OSError:
            pass


def children() -> list[int]:
    """Give the process ids of this process's children, on Linux."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def prctl(option: int, value: int) -> None:
    """Tell the Linux kernel how to treat this process."""
    prepared_prctl(option, value)()


def prepared_prctl(option: int, value: int) -> Callable[[], object]:
    """Give what tells it so when it is called, in a process that has better things to do."""
    if not sys.platform.startswith("linux"):
        return _nothing
    import ctypes

    function = ctypes.CDLL(None).prctl
    function.argtypes = [ctypes.c_int, ctypes.c_ulong]
    return functools.partial(function, option, value)


def _say(fd: int, said: dict[str, Any]) -> None:
    try:
        os.write(fd, json.dumps(said).encode() + b"\n")
    except OSError as error:
        if error.errno != errno.EPIPE:  # with the worker gone nobody wants to know
            raise
