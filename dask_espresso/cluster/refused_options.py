"""What Dask does not take of a profile's options, in words that name file, line and key."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import DaskEspressoError, ResumableError
from ..files import describe_error, is_away
from ..inputs.profile import Profile

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def refusals(profile: Profile, what: str) -> Iterator[None]:
    """Say in one message what Dask does not take of a profile's options, in its many ways."""
    try:
        yield
    except DaskEspressoError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename and is_away(error):
            said = f"{error.filename}: {describe_error(error)}, and run again"
            raise ResumableError(said) from error
        errors = list(_chain(error))
        if any(getattr(e, "errno", 0) == errno.EADDRINUSE for e in errors):
            _refuse_port(profile, errors)
        said = ""
        for why in map(_described, errors):  # such as that of "Scheduler failed to start"
            said += "" if why in said else f": {why}" if said else why
        raise profile.error("options", f"{what} ({said}); correct or remove the option") from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what led to it."""
    while error:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _refuse_port(profile: Profile, errors: list[BaseException]) -> None:
    """Raise the error that names the port of the profile which is in use, if one can be."""
    keys: tuple[str, ...] = ("scheduler_options", "port")
    if profile.cluster == "local":
        is_worker = any("Nanny" in str(error) or "Worker" in str(error) for error in errors)
        keys = ("port",) if is_worker else ("scheduler_port",)
    if port := _option(profile, keys):
        raise profile.error(
            ".".join(("options", *keys)),
            f"port {port} is in use on this machine, by another driver or another program; give "
            "each driver here a port of its own, wait for the end of the other, or remove the key: "
            "then any free port is taken",
        ) from errors[0]


def tell_of_another_port(profile: Profile, cluster: Any, *keys: str) -> None:
    """Say that the dashboard is not where the profile has it; a run needs none."""
    port = str(_option(profile, keys)).rpartition(":")[2]
    found = cluster.scheduler_info["services"].get("dashboard")
    if port.isdigit() and int(port) and found and int(port) != found:
        said = (
            f"port {port} is in use on this machine; the dashboard of this run is at port {found}"
        )
        logger.warning("%s", profile.error(".".join(("options", *keys)), said))


def _option(profile: Profile, keys: Iterable[str]) -> Any:
    """Give what a profile has under keys of its options; None where there is nothing."""
    value: Any = profile.options
    for key in keys:
        value = (value or {}).get(key)
    return value


def _described(error: BaseException) -> str:
    said = " ".join(str(error).split())
    speaks = said and isinstance(error, OSError | RuntimeError | ValueError)
    return said if speaks else f"{type(error).__name__}: {said}"
