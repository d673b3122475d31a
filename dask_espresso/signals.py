"""The signals that ask a process to stop: Ctrl-C's, a batch system's, a closed terminal's.

A driver takes them as a request (:func:`stop_requests`), a check ends in order
(:func:`interruptible`), Ctrl-C is the end of what is watched (:func:`ended_by_ctrl_c`), everything
else ends with status 75 (:func:`orderly_end`). Workers on this machine never see those of a
terminal (:func:`signals_stay_here`): who has started them stops them.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


class StopRequest:
    """A signal that asked the driver to stop, if one did."""

    def __init__(self) -> None:
        self.signal = ""

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Take note of the signal; an impatient second one stops at once."""
        # when a terminal is closed, the system and the shell in it each send a SIGHUP
        if self.signal and number != signal.SIGHUP:
            raise KeyboardInterrupt
        self.signal = self.signal or signal.Signals(number).name


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the signals that end a driver into a request to stop."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in _heeded()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Have Ctrl-C end what is done here, as its ordinary end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM raise a KeyboardInterrupt, and ignore those that come after."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    def listen() -> None:
        for number in numbers:
            signal.signal(number, stop)

    before = [signal.getsignal(number) for number in numbers]
    listen()
    try:
        with _come_again(KeyboardInterrupt, listen):
            yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def _come_again(kind: type[BaseException], listen: Callable[[], None]) -> Iterator[None]:
    """Have a signal come again whose exception is lost: Python ignores those of destructors."""
    before = sys.unraisablehook
    main = threading.main_thread().ident

    def is_in_hook() -> bool:
        frame = sys._current_frames().get(main or 0)
        while frame and frame.f_code is not hook.__code__:
            frame = frame.f_back
        return frame is not None

    def send(number: int) -> None:
        while is_in_hook():  # where an exception would be lost, too
            time.sleep(0.01)
        signal.pthread_kill(main or 0, number)

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not isinstance(lost.exc_value, kind):
            before(lost)
            return
        listen()
        number = getattr(lost.exc_value, "number", signal.SIGINT)
        threading.Thread(target=send, args=[number], daemon=True).start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def signals_stay_here() -> Iterator[None]:
    """Have workers never see what a terminal sends to all: the driver stops them.

    Signals that are blocked here stay so in the threads started here, in the workers that these
    threads start, also later on, and in nothing else.
    """
    from multiprocessing import resource_tracker  # not all who have signals have workers

    blocked = {signal.SIGINT, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        resource_tracker.ensure_running()  # multiprocessing's own child; its start unblocks SIGINT
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class StoppedError(SystemExit):
    """A signal came where there is no driver that takes it as a request."""

    def __init__(self, number: int) -> None:
        super().__init__(75)
        self.number = number
        self.signal = signal.Signals(number).name


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """Have a signal end this process in order, with status 75; what comes at its end is ignored.

    Raises
    ------
    StoppedError
        At a signal.
    """

    def stop(number: int, _: FrameType | None) -> None:
        raise StoppedError(number)

    heeded = _heeded()
    for number in heeded:
        signal.signal(number, stop)
    try:
        with _come_again(StoppedError, lambda: None):
            yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)


def _heeded() -> list[signal.Signals]:
    """Give the signals to listen to; nohup has SIGHUP ignored, which is to stay so."""
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [number for number in _STOP_SIGNALS if number != signal.SIGHUP or hangs_up]
