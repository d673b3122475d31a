"""What a run would refuse at once: simulations that do not fit into jobs, a wrong engine."""

from __future__ import annotations

from dataclasses import replace

from ..errors import InputError
from ..inputs.profile import Profile
from ..inputs.program import engine_of
from ..inputs.study import Study
from ..process.job_time import fits
from ..process.simulator import Simulator
from ..walltime import format_duration


def check_time_limit(study: Study, profile: Profile) -> None:
    """Refuse a time limit that no worker job lasts for: nothing would ever start."""
    limit, walltime = study.time_limit, profile.walltime
    if profile.system and limit and walltime and not fits(limit, walltime):
        raise InputError(
            f"{profile.path or 'profile'}: worker jobs end after {format_duration(walltime)}"
            f"{profile.system.origin_of_walltime(profile.options)}, but "
            f"a simulation of study {study.name!r} may take {format_duration(limit)}: none could "
            "start; raise the walltime under `options`, or lower the study's `time_limit`"
        )


def refuse_as_run_would(study: Study, profile: Profile, to_run: int) -> None:
    """Refuse what a run of so many simulations would refuse, as far as that can be known here."""
    check_time_limit(study, profile)
    if to_run and profile.cluster == "local":
        found = Simulator().probe(replace(engine_of(study, profile), start="spawn"))
        if found.error:
            raise InputError(found.error)
