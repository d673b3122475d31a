"""Analyses: results that a script adds to simulations that are done, without simulating."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .analyses import analyses_of, own_result, owners_of, said_axes, with_analysis
from .driver import Driver, drive
from .errors import BadValueError, InputError, unknown
from .files import failing_files, open_file
from .inputs.lineage import Lineage
from .inputs.profile import Profile
from .inputs.stored_study import stored_study
from .kept import files_path
from .outcome import Outcome, Status
from .paths import expand
from .plan import Plan
from .process.analysis import AnalysisOrder
from .process.cause import brief
from .process.order import Workload
from .record import pack, unpack
from .script.engine_table import ENGINES
from .signals import stop_requests
from .store.reading import look_at_rows, read_store, store_path
from .store.selection import select
from .store.store import Entry, Store, mend_store
from .tally import Tally
from .views.progress import Display


@dataclass
class Analysed:
    """What an analysis has come to.

    Attributes
    ----------
    name : str
        Of its script.
    wanted : int
        Simulations that were to be analysed, with those that were already.
    before : int
        How many were already.
    done : int
        How many have been now.
    failed : dict of str to list of str
        The ids of those that could not be, by the reason.
    kept : int
        How many have results of an earlier version, which stay.
    interrupted : str
        The signal that stopped it, or empty.
    """

    name: str
    wanted: int = 0
    before: int = 0
    done: int = 0
    failed: dict[str, list[str]] = field(default_factory=dict)
    kept: int = 0
    interrupted: str = ""

    @property
    def exit_status(self) -> int:
        """0 all are analysed, 1 some could not be, 75 interrupted and resumable."""
        if self.before + self.done == self.wanted:
            return 0
        return 75 if self.interrupted else 1


def analyze_store(
    store: str | os.PathLike[str],
    script: str | os.PathLike[str],
    profile: Profile,
    *,
    engine: str = "python",
    where: Sequence[str] = (),
    time_limit: float | None = None,
    changed_script: str | None = None,
    display: Display | None = None,
) -> Analysed:
    """Add what a script makes of simulations that are done to their results.

    Parameters
    ----------
    store : path
        The HDF5 file.
    script : path
        Gets from ``get_data_from_stdin()`` what is known of one simulation, and gives a dict of new
        results.
    profile : Profile
        Where to run it.
    engine : str
        What runs the script.
    where : sequence of str
        Conditions that simulations have to meet.
    time_limit : float, optional
        For one simulation, in seconds.
    changed_script : {None, 'keep', 'rerun'}
        What to do if the script, or a module that it imports, has changed since: refuse, keep what
        it has added, or analyse these simulations again.
    display : Display, optional
        Shows how far it is.

    Raises
    ------
    InputError
        If there is nothing to analyse, or its results cannot be added.
    ResumableError
        If it had to stop early.
    """
    path = store_path(Path(expand(os.fspath(store))).absolute())
    workload = _workload(Path(expand(os.fspath(script))).absolute(), profile, engine, time_limit)
    name = Path(workload.script).name
    with failing_files(path), mend_store(path) as opened, stop_requests() as stop:
        contents = read_store(path)
        wanted, recorded = _wanted(path, where), contents.outcomes
        versions = _versions(name, recorded)
        _check_same_code(path, name, workload, versions, changed_script)
        outcomes = {key: o for key, o in recorded.items() if key in wanted}
        stays = [workload.code_hash] if changed_script != "keep" else [*versions.values()]
        todo = {key: o for key, o in outcomes.items() if versions.get(key) not in stays}
        analysed = Analysed(name, len(outcomes), len(outcomes) - len(todo))
        analysed.kept = sum(versions.get(key) not in (None, workload.code_hash)
                            for key in outcomes.keys() - todo.keys())  # fmt: skip
        book = _Book(opened, todo, owners_of(recorded.values(), name), workload.code_hash, analysed)
        orders = _orders(todo, stored_study(contents.study).lineage, files_path(path))
        tally = Tally(book, book, Plan(orders, len(todo), len(todo)))
        try:
            drive(Driver(tally, workload, stop, display or Display(), retries=0), profile)
        except InputError:
            opened.publish()
            raise
        analysed.interrupted = stop.signal
    return analysed


def _workload(script: Path, profile: Profile, engine: str, time_limit: float | None) -> Workload:
    try:
        with open_file(script) as file:
            file.read(1)
    except OSError as error:
        raise InputError(
            f"{script}: cannot be read ({error.strerror}); name the script of the analysis"
        ) from error
    if engine not in (known := {*ENGINES, *profile.engines}):
        raise InputError(f"--engine: {unknown('engine', engine, known)}")
    return Workload.of_script(script, profile.engine(engine), profile, time_limit)


def _wanted(path: Path, where: Sequence[str]) -> Collection[str]:
    """Give the ids of the simulations that are done and meant."""
    found = look_at_rows(
        path,
        lambda rows, contents: select(
            rows, where, [Status.DONE], stored_study(contents.study).lineage
        ),
    )
    if not found.ids and where:
        raise InputError(f"{path}: no simulation that is done meets --where; nothing was changed")
    if not found.ids:
        raise InputError(
            f"{path}: of {found.size} simulations none is done, so that there is nothing to "
            f"analyse; see why: dask-espresso status {path}"
        )
    return set(found.ids)


def _versions(name: str, outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """Give the version of an analysis of those simulations that have it."""
    found = {key: analyses_of(outcome.analyses).get(name) for key, outcome in outcomes.items()}
    return {key: analysis.version for key, analysis in found.items() if analysis}


def _check_same_code(
    path: Path,
    name: str,
    workload: Workload,
    versions: Mapping[str, str],
    changed_script: str | None,
) -> None:
    """Refuse code that has changed since simulations were analysed, unless told what to do."""
    others = [version for version in versions.values() if version != workload.code_hash]
    if not others or changed_script:
        return
    raise InputError(
        f"{workload.script}: it, a module that it imports, or a variable that the profile sets, is "
        f"not as it was when {len(others)} simulations in {path} were analysed; put the old one "
        "back, or choose --changed-script keep (analyse only what is missing; versions are told "
        f"apart), --changed-script rerun (analyse these again, in place of what they have of "
        f"{name}), or another name for the script, and for its results"
    )


def _orders(
    outcomes: Mapping[str, Outcome], lineage: Lineage, files: Path
) -> Iterator[AnalysisOrder]:
    for outcome in outcomes.values():
        parameters = lineage.now(outcome.parameters)
        yield AnalysisOrder.of_outcome(outcome, parameters, own_result(outcome) or {}, files)


class _Book:
    """Takes the outcomes of an analysis, and puts its results to those of the simulations.

    Parameters
    ----------
    store : Store
        Held by this driver.
    outcomes : mapping
        Of the simulations that are analysed.
    owners : mapping
        Who has given results of other names than those of this analysis: in one column there is
        but one kind of number.
    version : str
        Of the analysis.
    analysed : Analysed
        Is kept.
    """

    def __init__(
        self,
        store: Store,
        outcomes: Mapping[str, Outcome],
        owners: Mapping[str, str],
        version: str,
        analysed: Analysed,
    ) -> None:
        self.path = store.path
        self.statuses: dict[str, Status] = {}
        self.publish, self.publish_beside = store.publish, store.publish_beside
        self._store, self._outcomes, self._owners = store, outcomes, owners
        self._version, self._analysed = version, analysed

    def ids(self) -> Collection[str]:
        """Give the ids of what is analysed."""
        return self._outcomes.keys()

    def record(self, entries: list[Entry]) -> None:
        """Write down what analyses have added; of those that have failed, say why in the end.

        Raises
        ------
        InputError
            If simulations have results of these names: so it will be with all of them.
        """
        clash, added = "", []
        for entry in entries:
            self.statuses[entry.id] = entry.status
            found = unpack(b"".join(entry.record))
            if entry.status is not Status.DONE:
                self._fail(entry.id, _reason(found))
                continue
            try:
                outcome = with_analysis(
                    self._outcomes[entry.id], self._analysed.name, self._version, found
                )
                self._check_names(outcome)
                added.append(Entry(entry.id, outcome.status, pack(outcome)))
            except BadValueError as error:
                clash = str(error)
            except ValueError as error:  # too large
                self._fail(entry.id, str(error))
        self._store.record(added)
        self._analysed.done += len(added)
        if clash:
            raise InputError(
                f"{self.path}: {self._analysed.name}: {clash}; what it has added to "
                f"{self._analysed.done} simulations before stays"
            )

    def _check_names(self, outcome: Outcome) -> None:
        """Refuse results of a name that others have elsewhere in the store, but for axes."""
        given = analyses_of(outcome.analyses)[self._analysed.name].results
        axes = {axis for along in said_axes(outcome).values() for axis in along}
        for name in given:
            if name in self._owners and name not in axes:
                raise BadValueError(
                    f"{name!r} is a result of {self._owners[name]} elsewhere in the store; give it "
                    "another name"
                )

    def _fail(self, name: str, reason: str) -> None:
        self._analysed.failed.setdefault(reason, []).append(name)


def _reason(outcome: Outcome) -> str:
    """Say in a line why an analysis has failed."""
    if outcome.status is Status.NOT_FINITE:
        return f"{outcome.error}; leave out a result that is not known"
    return brief(outcome.error)
