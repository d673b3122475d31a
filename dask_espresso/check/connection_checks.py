"""Is the worker reached, and are clocks and packages the same on both sides."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import psutil

from ..cluster.crew import unreachable
from ..walltime import format_duration
from .findings import DeadEndError, is_loopback, on_loopback
from .worker import Worker

_CLOCK_SAMPLES = 5
_CLOCK_TOLERANCE = 5.0  # seconds
# what must be the same on both sides, and what only should be: it carries data between them
_MUST_AGREE = ("python", "distributed", "dask", "dask-espresso")
_SHOULD_AGREE = ("msgpack", "cloudpickle", "tornado", "numpy")


def check_network(worker: Worker) -> None:
    """See that scheduler and worker reach each other, and how well that is kept from others."""
    here, there = worker.cluster.client.scheduler.address, worker.address
    try:
        addresses = worker.ask(psutil.net_if_addrs)
    except Exception as error:
        raise DeadEndError(unreachable(here, there, str(error))) from error
    findings = worker.case.findings
    ends = (
        f"worker {there}{_on_interface(there, addresses)}",
        f"scheduler {here}{_on_interface(here, psutil.net_if_addrs())}",
    )
    is_encrypted = here.startswith("tls://")
    findings.ok(f"{' and '.join(ends)} reach each other{', encrypted' * is_encrypted}")
    if worker.case.profile.cluster == "local":
        return
    if not is_encrypted:
        findings.note(
            "connections are not encrypted: everyone in this network can run programs as you; "
            "start the scheduler with TLS"
        )
    if is_loopback(here):
        findings.note(on_loopback(here))


def _on_interface(address: str, networks: dict[str, list[Any]]) -> str:
    host = urlsplit(address).hostname
    for name, addresses in networks.items():
        if any(found.address == host for found in addresses):
            return f" ({name})"
    return ""


def check_clocks(worker: Worker) -> None:
    """Compare the clocks, as exactly as the fastest of several answers allows."""
    samples = []
    for _ in range(_CLOCK_SAMPLES):
        before = time.time()
        there = worker.ask(time.time)
        after = time.time()
        samples.append((after - before, there - (before + after) / 2))
    round_trip, ahead = min(samples)
    said = f"{format_duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this one"
    if abs(ahead) - round_trip / 2 > _CLOCK_TOLERANCE:
        worker.case.findings.note(
            f"the worker's clock is {said}: start times in the store are wrong by that, "
            "simulations may start too late in their job to end, and a worker that is behind may "
            "take this run's certificate for not valid yet; have the machines' clocks set (NTP)"
        )
    else:
        worker.case.findings.ok(
            f"clocks agree to {max(abs(ahead), round_trip / 2):.2f} s; "
            f"a message there and back takes {1000 * round_trip:.0f} ms"
        )


def check_versions(worker: Worker) -> None:
    """See that the packages which carry data between the sides are the same on both."""
    found = worker.cluster.client.get_versions(packages=["dask-espresso"])
    sides = {
        "here": found["client"]["packages"],
        "on the scheduler": found["scheduler"]["packages"],
        "on the worker": found["workers"][worker.address]["packages"],
    }
    python = worker.ask(getattr, sys, "executable")  # works also where this package is missing
    if differing := _differing(_MUST_AGREE, sides):
        remedy = (
            f"set `python: {sys.executable}` under `options`"
            if worker.case.is_batch
            else "start scheduler and workers from this installation"
        )
        raise DeadEndError(
            f"versions differ: {differing} ({python}); {remedy}, or install the same there"
        )
    listed = ", ".join(f"{name} {_version(name, sides['here'])}" for name in _MUST_AGREE)
    worker.case.findings.ok(f"versions agree: {listed}; the worker's Python is {python}")
    if differing := _differing(_SHOULD_AGREE, sides):
        worker.case.findings.note(
            f"versions differ: {differing}; the same ones on both sides spare surprises"
        )


def _differing(packages: Sequence[str], sides: dict[str, dict[str, str | None]]) -> str:
    """List the packages of which not all sides have the same version, and who has which."""
    differing = []
    for package in packages:
        found: dict[str, list[str]] = {}
        for where, versions in sides.items():
            found.setdefault(_version(package, versions), []).append(where)
        if len(found) > 1:
            who = (f"{version} {' and '.join(wheres)}" for version, wheres in found.items())
            differing.append(f"{package} {', '.join(who)}")
    return "; ".join(differing)


def _version(package: str, versions: dict[str, str | None]) -> str:
    """Give a version as far as it has to agree: for Python that is 3.11, say."""
    version = versions.get(package) or "missing"
    return ".".join(version.split(".")[:2]) if package == "python" else version
