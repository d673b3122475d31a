"""An analysis of one simulation, which a worker runs as it runs simulations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..kept import kept_files, what_is_wrong
from ..outcome import Outcome, Status
from .order import Order, Workload

DIRECTORY = "directory"


@dataclass(frozen=True)
class AnalysisOrder(Order):
    """All that a worker needs to know to analyse one simulation.

    Attributes
    ----------
    parameters : dict
        What the script gets: `id`, `parameters`, `replica`, `seed`, `results`, and the `directory`
        of the files that the simulation has left, or None.
    kept_files : str
        Which files these are, as in :class:`~dask_espresso.outcome.Outcome`.
    """

    kept_files: str = ""

    @classmethod
    def of_outcome(
        cls, outcome: Outcome, parameters: dict[str, Any], results: dict[str, Any], files: Path
    ) -> AnalysisOrder:
        """Make the first order to analyse what became of a simulation.

        Parameters
        ----------
        outcome : Outcome
        parameters : dict
            As they are called now.
        results : dict
            Those of its results that the script gets.
        files : Path
            The directory for files that stay.
        """
        given = {
            "id": outcome.id,
            "parameters": parameters,
            "replica": outcome.replica,
            "seed": outcome.seed,
            "results": results,
            DIRECTORY: str(files / outcome.id) if outcome.kept_files else None,
        }
        return cls(
            outcome.id, given, outcome.replica, outcome.seed, 1, kept_files=outcome.kept_files
        )

    @property
    def script_parameters(self) -> dict[str, Any]:
        """What the script gets."""
        return self.parameters

    def outcome(self, workload: Workload) -> Outcome:
        """Begin the outcome of this analysis; what it was given, the driver has."""
        outcome = super().outcome(workload)
        outcome.parameters = {}
        return outcome

    def finish(self, outcome: Outcome) -> None:
        """Fail an analysis that has asked for files that are not those of the simulation."""
        if not self.kept_files or DIRECTORY in (outcome.unread or ()):
            return
        place = Path(self.parameters[DIRECTORY])
        for file in kept_files(self.kept_files):
            if wrong := what_is_wrong(place, file):
                outcome.status, outcome.result = Status.FAILED, None
                outcome.error = f"{place / file.name}: {wrong}"
                return
