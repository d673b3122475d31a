"""A study as a store has it: what looks at results need of it, without the machinery of checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .axes import checked_axes
from .blocks import checked_blocks, checked_conditions, checked_formulas
from .labels import checked_labels
from .lineage import checked_defaults, checked_rename
from .parameters import checked_parameters
from .point_list import checked_points
from .reference import checked_reference
from .samples import checked_sample
from .simulations import Simulations
from .until import checked_until

_CHECKS = {
    "points": checked_points,
    "sample": checked_sample,
    "blocks": checked_blocks,
    "where": checked_conditions,
    "exclude": checked_conditions,
    "derived": checked_formulas,
    "defaults": checked_defaults,
    "rename": checked_rename,
    "axes": checked_axes,
    "labels": checked_labels,
    "reference": checked_reference,
}


@dataclass(frozen=True)
class StoredStudy(Simulations):
    """A :class:`~dask_espresso.inputs.study.Study` that was checked before it was stored.

    Raises
    ------
    TypeError, ValueError
        If it is not what :meth:`~dask_espresso.inputs.study.Study.snapshot` gave.
    """

    name: str
    script: str
    parameters: dict[str, Any]
    engine: str = "espresso"
    sweep: str = "product"
    points: dict[str, Any] | None = None
    sample: dict[str, Any] | None = None
    blocks: list[dict[str, Any]] | None = None
    where: list[str] | None = None
    exclude: list[str] | None = None
    derived: dict[str, str] | None = None
    defaults: dict[str, Any] | None = None
    rename: dict[str, str] | None = None
    replicas: int = 1
    until: dict[str, Any] | None = None
    seed: int = 0
    time_limit: float | None = None
    retries: int = 1
    reference: Any = None
    axes: dict[str, list[str]] | None = None
    labels: dict[str, str] | None = None
    arguments: list[str] | None = None
    collect: Any = None
    keep: Any = None
    parameters_file: str | None = None
    environment: dict[str, str] | None = None
    program: list[str] | None = None

    def __post_init__(self) -> None:
        kinds = (type(self.name), type(self.parameters), type(self.replicas), type(self.seed))
        if kinds != (str, dict, int, int) or self.replicas < 1 or self.seed < 0:
            raise ValueError(f"{self.name!r} is no study")
        if self.sweep not in ("product", "zip"):
            raise ValueError(f"{self.name!r} is of another version")
        checked_parameters(self.parameters)
        for key, check in _CHECKS.items():
            given = getattr(self, key)
            if given is not None and check(given) != given:
                raise ValueError(f"{self.name!r} is of another version")
        if self.until is not None and checked_until(self.until) != self.until:
            raise ValueError(f"{self.name!r} is of another version")
        self.check_size()

    def is_log(self, name: str) -> bool:
        """Say whether a parameter is evenly spaced, or drawn, in its logarithm anywhere."""
        places = [self.parameters, *(self.blocks or [])]
        samples = [self.sample, *(block.get("sample") for block in self.blocks or [])]
        places += [sample["parameters"] for sample in samples if sample]
        found = (place.get(name) for place in places)
        return any(isinstance(given, dict) and given.get("scale") == "log" for given in found)


def stored_study(snapshot: dict[str, Any]) -> StoredStudy:
    """Make a study again of what a store holds.

    Raises
    ------
    InputError
        If it is no study.
    """
    try:
        return StoredStudy(**snapshot)
    except (TypeError, ValueError):
        from .study import Study  # says what is wrong with it

        return StoredStudy(**Study.from_snapshot(snapshot).snapshot())
