"""Where Dask's dashboard is, as seen from where the user sits."""

from __future__ import annotations

import json
import os
import socket
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from distributed.utils import format_dashboard_link

if TYPE_CHECKING:
    from distributed import Client

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
        return _of_our_own(client.cluster, elsewhere)
    except Exception:  # a link made in ways of the user's own; nothing that is worth a run
        return ""


def _of_our_own(cluster: Any, elsewhere: bool) -> str:
    """Describe the dashboard of a scheduler in this process, which listens on loopback."""
    port = cluster.scheduler_info["services"]["dashboard"]
    hosts = [_LOOPBACK, urlsplit(cluster.scheduler_address).hostname or ""]
    host = next((host for host in hosts if _plots(f"http://{host}:{port}/status")), "")
    if not host:
        return ""
    said = f"dashboard: {format_dashboard_link(host, port)}"
    if elsewhere:
        here = socket.gethostname()
        said += f"; from your own machine: ssh -L {port}:{host}:{port} {here}"
        said += f", then http://{_LOOPBACK}:{port}/status"
    return said


def _plots(link: str) -> dict[str, Any] | None:
    """Give the plots of a dashboard: none where bokeh is missing; None if it does not answer."""
    try:
        with _OPENER.open(urljoin(link, "individual-plots.json"), timeout=_PATIENCE) as answer:
            plots: dict[str, Any] = json.load(answer)
            return plots
    except (OSError, ValueError):
        return None
