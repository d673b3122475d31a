"""How many worker jobs are wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..inputs.profile import Jobs


@dataclass(frozen=True)
class Demand:
    """The number of worker jobs for the work that is left.

    Attributes
    ----------
    minimum, maximum : int
        As the profile says; where they are the same, so many, but no more than simulations.
    slots : int
        Simulations that a job runs at a time.

    Examples
    --------
    >>> Demand(0, 10, slots=4).number(work_left=9)
    3
    """

    minimum: int
    maximum: int
    slots: int

    @classmethod
    def of(cls, jobs: int | Jobs, options: Mapping[str, Any], ranks: int) -> Demand:
        """Read it off a profile's jobs and their options, for simulations of so many ranks."""
        limits = jobs if isinstance(jobs, Jobs) else Jobs(jobs, jobs)
        processes = options.get("processes") or 1
        cores = int(options.get("cores") or 1)
        slots = max(1, cores // processes // ranks) * processes
        return cls(limits.minimum, limits.maximum, slots)

    @property
    def is_range(self) -> bool:
        """Whether the number follows the work."""
        return self.minimum < self.maximum

    def number(self, work_left: int) -> int:
        """Say how many jobs are wanted for so many simulations."""
        if not self.is_range:
            return min(self.maximum, work_left)
        needed = math.ceil(work_left / self.slots)
        return min(max(needed, self.minimum), self.maximum) if work_left else 0
