"""Whether simulations fit into worker jobs."""

from __future__ import annotations

from ..errors import InputError
from ..inputs.profile import Profile
from ..inputs.study import Study
from ..process.task import LEAVE_BEFORE
from ..systems.directives import take_up
from ..systems.slurm import time_limit
from ..walltime import format_duration


def check_time_limit(study: Study, profile: Profile) -> None:
    """Refuse a time limit that no worker job lasts for: nothing would ever start."""
    limit, walltime = study.time_limit, profile.walltime
    if limit and walltime and limit + LEAVE_BEFORE >= walltime:
        raise InputError(
            f"{profile.path or 'profile'}: worker jobs end after {format_duration(walltime)}"
            f"{_whose_walltime(profile)}, but "
            f"a simulation of study {study.name!r} may take {format_duration(limit)}: none could "
            "start; raise the walltime under `options`, or lower the study's `time_limit`"
        )


def _whose_walltime(profile: Profile) -> str:
    """Say so where nobody has written the walltime."""
    own = profile.options
    directives = own.get("job_extra_directives") or []
    is_said = own.get("walltime") or profile.cluster == "htcondor"
    if is_said or "walltime" in take_up(profile.cluster, directives, ())[1]:
        return ""
    if profile.cluster == "slurm" and time_limit():
        return " (SBATCH_TIMELIMIT)"
    return ", dask-jobqueue's default, since the profile has no `walltime`"
