"""Dask's dashboard: made when somebody looks, and where that is from where the user sits."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import posixpath
import socket
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from distributed.http.scheduler.info import IndividualPlots
from distributed.utils import format_dashboard_link
from tornado.web import Application, RequestHandler

if TYPE_CHECKING:
    from distributed import Client

_PAGES = "distributed.dashboard.scheduler"

# in the environment of what runs on another machine than the user's: by ssh, or as a job
_ELSEWHERE = (
    "SSH_CONNECTION", "SLURM_JOB_ID", "_CONDOR_SCRATCH_DIR", "PBS_JOBID", "LSB_JOBID", "JOB_ID",
)  # fmt: skip
_LOOPBACK = "127.0.0.1"
_PATIENCE = 2.0  # seconds that a dashboard may take to answer
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def is_elsewhere() -> bool:
    """Say whether this process runs on another machine than its user's."""
    return any(name in os.environ for name in _ELSEWHERE)


def describe_dashboard(client: Client, *, elsewhere: bool) -> str:
    """Say where the dashboard is, and how to get there.

    Parameters
    ----------
    client : distributed.Client
        Connected to the scheduler.
    elsewhere : bool
        Whether the user sits at another machine.

    Returns
    -------
    str
        Empty where there is no dashboard, such as without bokeh.
    """
    try:
        if client.cluster is None:  # that scheduler listens where it wants
            link = str(client.dashboard_link)
            return f"dashboard: {link}" if _plots(link) != {} else ""
        return _of_our_own(client.cluster, elsewhere) if _has_pages(client.cluster) else ""
    except Exception:  # a link made in ways of the user's own; nothing that is worth a run
        return ""


def _of_our_own(cluster: Any, elsewhere: bool) -> str:
    """Describe the dashboard of a scheduler in this process, which listens on loopback."""
    port = cluster.scheduler_info["services"]["dashboard"]
    hosts = [_LOOPBACK, urlsplit(cluster.scheduler_address).hostname or ""]
    host = next((host for host in hosts if _is_well(f"http://{host}:{port}/health")), "")
    if not host:
        return ""
    said = f"dashboard: {format_dashboard_link(host, port)}"
    if elsewhere:
        here = socket.gethostname()
        said += f"; from your own machine: ssh -L {port}:{host}:{port} {here}"
        said += f", then http://{_LOOPBACK}:{port}/status"
    return said


def _has_pages(cluster: Any) -> bool:
    return any(
        isinstance(app, LaterPages) for app in cluster.scheduler.http_application.applications
    )


def _is_well(link: str) -> bool:
    try:
        with _OPENER.open(link, timeout=_PATIENCE):
            return True
    except OSError:
        return False


def _plots(link: str) -> dict[str, Any] | None:
    """Give the plots of a dashboard: none where bokeh is missing; None if it does not answer."""
    try:
        with _OPENER.open(urljoin(link, "individual-plots.json"), timeout=_PATIENCE) as answer:
            plots: dict[str, Any] = json.load(answer)
            return plots
    except (OSError, ValueError):
        return None


def page_on_loopback(page: Any) -> Any:
    """Have a page of which only the port is said listen on loopback, where Dask takes all there is.

    It asks nobody for a certificate.
    """
    host, _, port = str(page).rpartition(":")
    return f"127.0.0.1:{port}" if port.isdigit() and not host else page


@contextlib.contextmanager
def no_word_on_pages() -> Iterator[None]:
    """Keep back what Dask says of a page whose port is in use: it is said in other words."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Port \d+ is already in use")
        yield


def make_pages_when_asked(cluster: Any, scheduler: Mapping[str, Any]) -> None:
    """Have a cluster, whose scheduler has made no pages, make them when somebody asks for one.

    Parameters
    ----------
    cluster : distributed.deploy.SpecCluster
        Its scheduler is in this process.
    scheduler : mapping
        The scheduler's options, but for ``dashboard: False``.
    """
    if scheduler.get("dashboard", scheduler.get("dashboard_address")) and find_spec("bokeh"):
        LaterPages(cluster.scheduler, scheduler.get("http_prefix") or "/")


class LaterPages(Application):
    """The dashboard's pages as an application of a scheduler in this process.

    To import what they need takes as long as everything else that a driver imports, and most runs
    end without a look at them.

    Parameters
    ----------
    scheduler : distributed.Scheduler
        What they show; it has made none by itself.
    prefix : str
        What their paths begin with.
    """

    def __init__(self, scheduler: Any, prefix: str) -> None:
        super().__init__([(".*", _FirstLook, {"pages": self})])
        self._scheduler = scheduler
        self._prefix = prefix
        plots = posixpath.join("/", prefix.strip("/"), "individual-plots.json")
        arguments = {"dask_server": scheduler, "extra": {"pages": self}}
        scheduler.http_application.add_handlers(".*$", [(plots, _ListOfPlots, arguments)])
        scheduler.http_application.add_application(self)

    async def make(self) -> None:
        """Put the real ones in this place, while the scheduler goes on."""
        pages = await asyncio.to_thread(import_module, _PAGES)
        application = self._scheduler.http_application
        if self in application.applications:
            application.applications.remove(self)
            server = self._scheduler.http_server
            pages.connect(application, server, self._scheduler, prefix=self._prefix)


class _FirstLook(RequestHandler):
    """Sends whoever asked for a page there once more, when it is made."""

    def initialize(self, pages: LaterPages) -> None:
        """Take what makes them."""
        self._pages = pages

    async def get(self) -> None:
        """Answer."""
        await self._pages.make()
        self.redirect(self.request.uri)


class _ListOfPlots(IndividualPlots):
    """Tells which plots there are, as for the Dask extension of JupyterLab."""

    async def get(self) -> None:
        """Answer."""
        await self.extra["pages"].make()
        super().get()
