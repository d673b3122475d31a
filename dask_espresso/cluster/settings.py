"""Times that are settings of Dask, for its configuration files; docs/clusters.md explains them."""

from __future__ import annotations

import dask
from dask.utils import parse_timedelta

SETTINGS = {
    "keeper.interval": "5s",
    "keeper.start-timeout": "5m",
    "keeper.hung-after": "60s",
    "transfers.ask": "5s",
    "transfers.give-up": "60s",
}


def setting(name: str) -> float:
    """Give a time in seconds, as it is set at the moment."""
    return float(parse_timedelta(dask.config.get(f"dask-espresso.{name}", SETTINGS[name])))
