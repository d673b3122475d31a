"""Refusals of batch systems that no retry can mend.

Only what a batch system says in words of its own that mean a wrong job, a wrong user or a wrong
installation; all else, such as a partition that is down, a limit of jobs, or a controller that does
not answer, may be over in a minute, and so is what is not known here.
"""

from __future__ import annotations

import re

_FINAL = re.compile(
    # Slurm: slurm_strerror
    r"Invalid partition name specified|Invalid account|Invalid qos specification"
    r"|Invalid (preferred )?feature specification|Invalid generic resource"
    r"|Invalid job array specification|Invalid license specification"
    r"|Invalid node name specified|Invalid user id|Requested reservation is invalid"
    r"|Requested node configuration is not available|Requested time limit is invalid"
    r"|Memory specification can not be satisfied|Node count specification invalid"
    r"|CPU count (specification invalid|per node can not be satisfied)"
    r"|More processors requested than permitted|group not permitted to use this partition"
    r"|Access/permission denied|Job dependency problem"
    # Slurm: sbatch itself
    r"|[Ii]nvalid partition specified|Invalid --?\w[\w-]* (specification|argument|value)"
    r"|Invalid directive found|unrecognized (option|--)|Invalid numeric value|invalid --\S+ option"
    r"|option .* (is ambiguous|requires an argument|doesn't allow an argument)|--\S+ is not valid"
    r"|Could not open user environment file"
    r"|invalid option --|are mutually exclusive|Unable to process configuration file"
    r"|Could not establish a configuration source|does not look like a batch script"
    r"|No cluster '[^']*' known by database"
    # HTCondor: condor_submit
    r"|Parse error in expression|Failed to parse command file|on Line \d+ of submit file"
    r"|not allowed because administrator has set|I don't know about the '.*' universe"
    r"|CONDOR_CONFIG environment variable"
    # PBS, SGE, LSF
    r"|qsub: (Unknown queue|Unknown resource|illegal -)|job requests unknown (queue|resource)"
    r"|No such queue\. Job not submitted|Bad resource requirement syntax"
    # there is no program to submit with
    r"|^[\w.-]+: (No such file or directory|Permission denied)$"
)

# it was given to nobody, for the moment
_NOT_SENT = re.compile(r"'[^']*' can't be reached now, or it is an invalid entry")


def is_final(error: Exception) -> bool:
    """Say whether a refused submission would be refused for ever."""
    if isinstance(error, FileNotFoundError | PermissionError):  # there is no program to submit with
        return "/" not in str(error.filename)
    return bool(_FINAL.search(str(error)))


def is_not_taken(error: Exception) -> bool:
    """Say whether there is for certain no job of a submission that has failed."""
    return is_final(error) or bool(_NOT_SENT.search(str(error)))
