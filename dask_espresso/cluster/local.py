"""Workers on this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from multiprocessing import spawn
from typing import Any

from distributed import LocalCluster

from ..inputs.profile import Profile
from ..paths import expand
from ..signals import signals_stay_here
from .dashboard import make_pages_when_asked, no_word_on_pages, page_on_loopback
from .refused_options import refusals, tell_of_another_port
from .reserve import taken_from_reserve
from .safe_worker import safe_children


@contextlib.contextmanager
def local_workers(profile: Profile, ranks: int) -> Iterator[LocalCluster]:
    """Start the workers of a profile on this machine, and end them, whatever they do."""
    with (
        _no_workers_left(),
        _main_stays_here(),
        safe_children(),
        taken_from_reserve(),
        _local_cluster(profile, ranks) as cluster,
    ):
        yield cluster


def _local_cluster(profile: Profile, ranks: int) -> LocalCluster:
    options: dict[str, Any] = {
        "n_workers": 1,
        "threads_per_worker": max(1, len(os.sched_getaffinity(0)) // ranks),
        # the worker's page is where the worker is, unless it is put elsewhere
        **(
            {"worker_dashboard_address": "127.0.0.1:0"}
            if profile.options.keys() & {"interface", "host"}
            else {"host": "127.0.0.1"}
        ),
        "dashboard_address": "127.0.0.1:0",
        "local_directory": tempfile.gettempdir(),
        **profile.options,
    }
    if options["local_directory"]:
        options["local_directory"] = expand(options["local_directory"])
    for key in options.keys() & {"dashboard_address", "worker_dashboard_address"}:
        options[key] = page_on_loopback(options[key])
    scheduler = {"dashboard_address": options["dashboard_address"]}
    scheduler |= options.get("scheduler_kwargs") or {}
    options["scheduler_kwargs"] = {**scheduler, "dashboard": False}
    with refusals(profile, "no worker can be started on this machine"), no_word_on_pages():
        try:
            with signals_stay_here():
                cluster = LocalCluster(**options)
        except RuntimeError:  # a worker has died at its start, perhaps for once
            with signals_stay_here():
                cluster = LocalCluster(**options)
    make_pages_when_asked(cluster, scheduler)
    tell_of_another_port(profile, cluster, "dashboard_address")
    cluster.shutdown_on_close = False  # at Python's end: it would wait for one that stands still
    return cluster


@contextlib.contextmanager
def _no_workers_left() -> Iterator[None]:
    """End the worker processes that are left at the end, such as one that stands still.

    Python would wait for them; after two Ctrl-C nobody else tells them to go.
    """
    others = set(multiprocessing.active_children())
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()


@contextlib.contextmanager
def _main_stays_here() -> Iterator[None]:
    """Have no worker import the program that called, of which the top level would run once more.

    multiprocessing does so for functions of that program; workers are given none.
    """
    prepare = spawn.get_preparation_data

    def without_main(name: str) -> dict[str, Any]:
        prepared = prepare(name)
        if name.startswith("Dask Worker"):  # others may be the program's own
            prepared.pop("init_main_from_name", None)
            prepared.pop("init_main_from_path", None)
        return prepared

    spawn.get_preparation_data = without_main
    try:
        yield
    finally:
        spawn.get_preparation_data = prepare
