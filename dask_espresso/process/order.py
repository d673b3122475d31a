"""What a worker is asked to do: which simulation, and of which study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engines import Engine
from ..files import file_hash
from ..inputs.axes import Axes, axes_of
from ..inputs.profile import memory_of_each
from ..inputs.program import engine_of
from ..outcome import Outcome
from .call import ON_PROTOCOL, Call, Given
from .modules import Module, code_hash, find_code, find_modules, find_variables

if TYPE_CHECKING:
    from ..inputs.profile import Profile
    from ..inputs.study import Simulation, Study


@dataclass(frozen=True)
class Order:
    """All that a worker needs to know to run one simulation.

    Attributes
    ----------
    id, parameters, replica, seed
        As in :class:`~dask_espresso.outcome.Outcome`.
    attempt : int
        The how-manieth try this is, from 1.
    needs : float
        How long it may take, in seconds, as far as that is known; else zero.
    """

    id: str
    parameters: dict[str, Any]
    replica: int
    seed: int
    attempt: int
    needs: float = 0.0

    @classmethod
    def of(cls, simulation: Simulation) -> Order:
        """Make the first order of a simulation; its seed is worked out now."""
        return cls(
            id=simulation.id,
            parameters=simulation.parameters,
            replica=simulation.replica,
            seed=simulation.seed,
            attempt=1,
        )

    @property
    def script_parameters(self) -> dict[str, Any]:
        """What the script gets: the study's parameters, and the two that the driver adds."""
        return {**self.parameters, "replica": self.replica, "seed": self.seed}

    def given(self, call: Call, directory: str) -> Given:
        """Give what the simulation's process is given to run in a directory."""
        return call.given(self.script_parameters, self.id, directory)

    def finish(self, outcome: Outcome) -> None:
        """Look at the outcome when the process has ended; more than one kind of order may."""

    def outcome(self, workload: Workload) -> Outcome:
        """Begin the outcome of this simulation."""
        return Outcome(
            id=self.id,
            parameters=self.parameters,
            replica=self.replica,
            seed=self.seed,
            attempts=self.attempt,
            n_ranks=workload.engine.ranks,
            memory_asked=workload.memory,
            engine=workload.engine.name,
            script_hash=workload.script_hash,
            code_hash=workload.code_hash,
        )


@dataclass(frozen=True)
class Workload:
    """What all simulations of a study have in common.

    Attributes
    ----------
    engine : Engine
        How to start a simulation.
    script : str
        Path of the script, the same on driver and workers.
    script_hash : str
        Its SHA-256 when the run began.
    time_limit : float or None
        For one simulation, in seconds.
    walltime : float or None
        Of the job that a worker runs in, in seconds, where the job does not know its end itself.
    memory : int or None
        What the profile asks for one simulation, in bytes.
    modules : tuple of Module
        Those of the user's own that the script imports, when the run began.
    axes : dict or None
        Of results, as the study says them.
    call : Call
        How the script is called, and where its results come from.
    """

    engine: Engine
    script: str
    script_hash: str
    time_limit: float | None
    walltime: float | None = None
    memory: int | None = None
    modules: tuple[Module, ...] = ()
    axes: Axes | None = None
    call: Call = ON_PROTOCOL

    @classmethod
    def of(cls, study: Study, profile: Profile, files: str = "") -> Workload:
        """Make the workload of a study with the modules that its script imports now.

        Files that it keeps go into a directory `files`, or are only looked for without one.
        """
        engine = _with_code(engine_of(study, profile))
        return cls(
            engine=engine,
            script=str(study.script_path),
            script_hash=study.script_hash,
            time_limit=study.time_limit,
            walltime=profile.walltime,
            memory=memory_of_each(profile, engine.ranks),
            modules=find_code(study, engine),
            axes=axes_of(study.snapshot()) or None,
            call=Call.of(study, files),
        )

    @classmethod
    def of_script(
        cls, script: Path, engine: Engine, profile: Profile, time_limit: float | None
    ) -> Workload:
        """Make the workload of a script on the protocol, which no study has."""
        engine = _with_code(engine)
        return cls(
            engine=engine,
            script=str(script),
            script_hash=file_hash(script),
            time_limit=time_limit,
            walltime=profile.walltime,
            modules=(*find_modules(script, engine), *find_variables(engine)),
        )

    @property
    def code_hash(self) -> str:
        """The version of the code: of the script and its modules."""
        return code_hash(self.script_hash, self.modules)


def _with_code(engine: Engine) -> Engine:
    """Give an engine with the version of the user's own modules that it imports beforehand."""
    preloaded = find_modules(None, engine)
    return replace(engine, code=code_hash("", preloaded)) if preloaded else engine
