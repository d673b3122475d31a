"""What tests ask of processes."""

import subprocess
import time

import psutil

# options of a LocalCluster whose dashboard, which takes a second to import, is not tested
NO_PAGES = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition, timeout=60, pause=0.02):
    """Give the first true value of a condition, or the last one that it had in time."""
    end = time.monotonic() + timeout
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(pause)
    return value


def wait_for(what, predicate, timeout=180.0):
    """Give the first true value of a predicate; fail if there is none in time."""
    value = wait_until(predicate, timeout, pause=0.2)
    assert value, f"waited {timeout:g} s for {what}"
    return value


def call(*command, **options):
    """Run a command and give its output."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout
