"""A signal that asks to stop is heard, whatever Python was at."""

import signal
import time

import pytest

from dask_espresso.signals import StoppedError, interruptible, orderly_end


class Signalling:
    """Where a signal comes in a destructor, Python ignores what its handler raises."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


def signalled(number):
    Signalling(number)
    time.sleep(10)


@pytest.fixture(autouse=True)
def _handlers():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_an_orderly_end_in_a_destructor(number):
    with pytest.raises(StoppedError) as stopped, orderly_end():
        signalled(number)
    assert stopped.value.signal == number.name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_in_a_destructor(number):
    with pytest.raises(KeyboardInterrupt), interruptible():
        signalled(number)
