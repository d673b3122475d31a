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

Usage: ``python -I -S supervisor.py REQUEST_FD REPORT_FD``. The request is one
line of JSON with ``command``, ``environment``, ``directory``, ``scratch`` (a
directory that is made and removed here, with ``run`` and ``tmp`` in it) and
``time_limit``; the report is one JSON object.
Standard input, output and error are handed to the simulation. End of file on
REQUEST_FD means that the worker is gone. Needs the standard library only.
"""

import errno
import json
import os
import select
import signal
import sys
import time
from typing import Any, Dict, List, Optional

TERMINATE_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
_DAY = 86400.0  # seconds; poll() takes no more than 24 of these
# batch systems send these to every process of a job; the supervisor ends when its worker has ended
_TO_ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(request_fd: int, report_fd: int) -> None:
    """Run the one simulation that the request describes, and report on it."""
    for fd in (request_fd, report_fd):  # not for the simulation
        os.set_inheritable(fd, False)
    wakeup, wakeup_write = os.pipe()
    for end in (wakeup, wakeup_write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakeup_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in _TO_ALL:
        signal.signal(number, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)

    request = _read_request(request_fd)
    scratch = [request["scratch"]]  # with a place to run in, and one for temporary files
    scratch += [os.path.join(scratch[0], name) for name in ("run", "tmp")]
    try:
        _make(scratch)
        child = _start(request)
    except OSError as error:
        report = {"error": f"{error.strerror}: {error.filename}", "errno": error.errno}
    else:
        for fd in (0, 1, 2):  # the simulation has its own; keeping them would hide its end of file
            os.close(fd)
        report = _watch(child, request_fd, wakeup, request["time_limit"])
        _remove_shared_memory([child, *_kill_everything()])
    _report(report_fd, report)
    _remove(scratch)


def _read_request(fd: int) -> Dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            sys.exit(1)  # the worker died before it asked for anything
        line += chunk
    request: Dict[str, Any] = json.loads(line)
    return request


def _start(request: Dict[str, Any]) -> int:
    """Fork and exec the simulation in a session of its own; give its process id."""
    failure, failure_write = os.pipe()  # closed by a successful exec
    supervisor = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, *_TO_ALL):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())  # workers block some
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # should this supervisor be killed
            if os.getppid() != supervisor:
                os._exit(1)
            os.chdir(request["directory"])
            command: List[str] = request["command"]
            os.execvpe(command[0], command, request["environment"])
        except OSError as error:
            name = os.fsdecode(error.filename or request["command"][0])
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


def _watch(child: int, worker: int, wakeup: int, time_limit: Optional[float]) -> Dict[str, Any]:
    """Wait for the simulation to end, by itself or because it has to."""
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


def _make(scratch: List[str]) -> None:
    try:
        for directory in scratch:
            os.mkdir(directory, 0o700)
    except OSError as error:
        said = f"no directory to run in can be made ({error.strerror})"
        raise OSError(error.errno, said, os.path.dirname(scratch[0])) from None


def _remove(scratch: List[str]) -> None:
    try:
        for directory in reversed(scratch):
            os.rmdir(directory)
    except OSError:
        # shutil would cost time to import, and gives up on deeply nested directories
        os.execvp("rm", ["rm", "-rf", "--", scratch[0]])


def _exit_code(status: int) -> int:
    """Give the exit code, or minus the number of the signal that ended the process."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
        os.killpg(leader, signal.SIGCONT)  # a stopped process acts on nothing but SIGKILL
    except (ProcessLookupError, PermissionError):
        pass


def _kill_everything() -> List[int]:
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
        for pid in _children():
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        time.sleep(0.002)
    return killed


def _remove_shared_memory(pids: List[int]) -> None:
    """Remove what MPICH leaves in the node's memory, a megabyte each, where it is killed."""
    for pid in pids:
        try:
            os.unlink("/dev/shm/mpich_shm_%x_0" % pid)
        except OSError:
            pass


def _children() -> List[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _prctl(option: int, value: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _report(fd: int, report: Dict[str, Any]) -> None:
    try:
        os.write(fd, json.dumps(report).encode())
    except OSError as error:
        if error.errno != errno.EPIPE:  # with the worker gone nobody wants to know
            raise


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
