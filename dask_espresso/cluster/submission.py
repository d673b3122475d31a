"""The driver as a batch job of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..errors import InputError
from ..inputs.profile import Profile
from ..inputs.shipped import template
from ..safe_path import safe_code
from ..systems.driver_job import DriverJob, DriverRequest
from ..systems.table import systems_with_drivers


def driver_job(name: str, profile: Profile, arguments: Sequence[str]) -> DriverJob:
    """Make the job that runs a study's driver.

    Parameters
    ----------
    name : str
        The study's, for the job and its file.
    profile : Profile
        Where the workers go, and the driver with them.
    arguments : sequence of str
        Of ``dask-espresso run``.

    Raises
    ------
    InputError
        If drivers cannot be submitted to the profile's cluster.
    """
    if not profile.system or not profile.system.driver_template:
        raise InputError(
            f"{profile.path or 'no profile given'}: cluster: is {profile.cluster!r}, but drivers "
            f"are submitted to {', '.join(systems_with_drivers())}; name a profile of one of "
            "these, or put `dask-espresso run …` into a job script of your own"
        )
    start = safe_code("__main__", "program")
    command = [sys.executable, "-c", start, "run", *arguments]
    text = template(*profile.system.driver_template).read_text(encoding="utf-8")
    return profile.system.driver_job(
        DriverRequest(
            name, command, text, profile.options, profile.worker_job, profile.max_jobs,
            profile.driver,
        )
    )  # fmt: skip
