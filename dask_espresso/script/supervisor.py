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

Usage: ``python -I -S supervisor.py REQUEST_FD REPORT_FD RESULT_FD``. The request is one
line of JSON with ``command``, ``environment``, ``directory``, ``scratch`` (a
directory that is made and removed here, with ``run`` and ``tmp`` in it),
``time_limit`` and ``for_ranks`` (variables that a simulation of several ranks needs, or null);
the report is another.
Standard input, output, error and RESULT_FD are handed to the simulation. End of file on
REQUEST_FD means that the worker is gone. Needs the standard library only.
"""

import errno
import json
import os
import select
import signal
import sys
import time
from typing import Any, Dict, List, Optional, Tuple

TERMINATE_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
_DAY = 86400.0  # seconds; poll() takes no more than 24 of these
# batch systems send these to every process of a job; the supervisor ends when its worker has ended
TO_ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MARK = "DASK_ESPRESSO_SIMULATION"  # in the environment of all that a simulation starts
_MPI_MEMORY = ("mpich_shm_", "vader_segment.", "sm_segment.")  # of MPICH, and of Open MPI
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def main(request_fd: int, report_fd: int, result_fd: int) -> None:
    """Run the one simulation that the request describes, and report on it."""
    for fd in (request_fd, report_fd):  # not for the simulation
        os.set_inheritable(fd, False)
    wakeup, _ = become_supervisor()
    request = _read_request(request_fd)
    try:
        make_scratch(request["scratch"])
        if request["for_ranks"] is not None:
            _prepare_ranks(request)
        started = time.time()
        child = start(request)
    except OSError as error:
        report = not_started(error)
    else:
        # the simulation has its own; keeping them would hide its end of file
        for fd in (0, 1, 2, result_fd):
            os.close(fd)
        report = watch(child, request_fd, wakeup, request["time_limit"])
        remove_shared_memory([child, *kill_everything()])
        if request["for_ranks"] is not None:
            _end_ranks(request["environment"][MARK], started)
    _report(report_fd, report)
    if not remove_scratch(request["scratch"]):
        os.execvp("rm", ["rm", "-rf", "--", request["scratch"]])


def become_supervisor() -> Tuple[int, int]:
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
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in TO_ALL:
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    return wakeup, wakeup_write


def not_started(error: OSError) -> Dict[str, Any]:
    """Report on a simulation that could not be started."""
    where = f": {error.filename}" if error.filename else ""
    return {"error": f"{error.strerror}{where}", "errno": error.errno}


def _read_request(fd: int) -> Dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            sys.exit(1)  # the worker died before it asked for anything
        line += chunk
    request: Dict[str, Any] = json.loads(line)
    return request


def _prepare_ranks(request: Dict[str, Any]) -> None:
    """Leave for `rank.py` what every rank needs; the launcher itself gets no standard input."""
    scratch = request["scratch"]
    with open(os.path.join(scratch, "parameters"), "wb") as file:
        while True:
            data = os.read(0, 1 << 20)
            if not data:
                break
            file.write(data)
    with open(os.path.join(scratch, "order"), "w", encoding="utf-8") as text:
        order = {"directory": request["directory"], "variables": request["for_ranks"]}
        json.dump(order, text)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _end_ranks(mark: str, started: float) -> None:
    """End ranks on this machine that are no descendants of their launcher, such as those of srun.

    Parameters
    ----------
    mark : str
        What they have in their environment.
    started : float
        Unix time of the simulation's start: their shared memory is no older.
    """
    end = time.monotonic() + 3
    found = _marked(mark)
    while found and time.monotonic() < end:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        time.sleep(0.02)
        found = _marked(mark)
    _remove_unused_memory(started)


def _marked(mark: str) -> List[int]:
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _pids() if wanted in _read(f"/proc/{pid}/environ").split(b"\0")]


def _pids() -> List[int]:
    return [int(name) for name in _names("/proc") if name.isdigit()]


def _names(directory: str) -> List[str]:
    try:
        return os.listdir(directory)
    except OSError:  # this is no Linux
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # it is another user's, or has ended
        return b""


def _remove_unused_memory(started: float) -> None:
    """Remove what MPI has made in the node's memory since then, and nobody uses any more.

    Of several ranks that are killed it is left behind, some MB each, under names that do not tell
    whose it was. What is younger than a second may be somebody's who is just about to use it.
    """
    paths = [f"/dev/shm/{name}" for name in _names("/dev/shm") if name.startswith(_MPI_MEMORY)]
    unused = [path for path in paths if _was_made_here(path, started)]
    used = b"".join(_read(f"/proc/{pid}/maps") for pid in _pids()) if unused else b""
    for path in unused:
        if path.encode() not in used:
            os.unlink(path)


def _was_made_here(path: str, started: float) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return found.st_uid == os.getuid() and started <= found.st_mtime < time.time() - 1


def start(request: Dict[str, Any]) -> int:
    """Fork and exec a command in a session of its own; give its process id."""
    failure, failure_write = os.pipe()  # closed by a successful exec
    supervisor = os.getpid()
    command: List[str] = request["command"]
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


def watch(child: int, worker: int, wakeup: int, time_limit: Optional[float]) -> Dict[str, Any]:
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
        What there is to report: exit_code, timed_out, elapsed_time and cpu_time in seconds,
        peak_memory in bytes.
    """
    started = time.monotonic()
    deadline = None if time_limit is None else started + time_limit
    poll = select.poll()
    poll.register(worker, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    timed_out = False
    kill_at = None
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        now = time.monotonic()
        if pid == child:
            return {
                "exit_code": _exit_code(status),
                "timed_out": timed_out,
                "elapsed_time": now - started,
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
        next_event = kill_at if kill_at is not None else deadline
        timeout = None if next_event is None else 1000 * min(max(0.05, next_event - now), _DAY)
        for fd, _ in poll.poll(timeout):
            if fd == wakeup:
                os.read(wakeup, 1 << 12)
            elif not os.read(worker, 1):
                _signal_group(child, signal.SIGKILL)
                poll.unregister(worker)


def _scratch(path: str) -> List[str]:
    """Name a simulation's directory, the place in it to run in, and the one for temporary files."""
    return [path, os.path.join(path, "run"), os.path.join(path, "tmp")]


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


def kill_everything() -> List[int]:
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


def remove_shared_memory(pids: List[int]) -> None:
    """Remove what MPICH leaves in the node's memory, a megabyte each, where it is killed."""
    for pid in pids:
        try:
            os.unlink("/dev/shm/mpich_shm_%x_0" % pid)
        except OSError:
            pass


def children() -> List[int]:
    """Give the process ids of this process's children, on Linux."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def prctl(option: int, value: int) -> None:
    """Tell the Linux kernel how to treat this process."""
    if sys.platform.startswith("linux"):
        _kernel()(option, value, 0, 0, 0)


_known: List[Any] = []


def _kernel() -> Any:
    """Give the function `prctl`, which is looked up once: forked processes find it there."""
    if not _known:
        import ctypes

        function = ctypes.CDLL(None).prctl
        function.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
        _known.append(function)
    return _known[0]


def _report(fd: int, report: Dict[str, Any]) -> None:
    try:
        os.write(fd, json.dumps(report).encode() + b"\n")
    except OSError as error:
        if error.errno != errno.EPIPE:  # with the worker gone nobody wants to know
            raise


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
