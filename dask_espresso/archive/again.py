"""Run one simulation of a crate again, here, and compare it with what was recorded."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..analyses import own_result
from ..engines import engine_command
from ..errors import InputError
from ..files import file_hash
from ..identity import matching, not_one
from ..inputs.engine_settings import EngineSettings
from ..inputs.profile import Profile, load_profile
from ..inputs.program import found_words
from ..inputs.script_file import ScriptFile, with_program
from ..inputs.study import Study, load_study
from ..kept import files_path, prepared_for
from ..outcome import Outcome
from ..process.order import Order, Workload
from ..process.provenance import run_of
from ..process.simulator import Simulator
from ..store.contents import StoreContents
from ..store.reading import read_store
from .compare import differences_of_files, differences_of_results
from .layout import module_folders, placed_command, version_folder
from .opened import OpenedCrate
from .study_file import NAME as STUDY

_SHOWN = 12  # digits of a hash


@dataclass
class Again:
    """A simulation that is to be run again.

    Attributes
    ----------
    outcome : Outcome
        What was recorded.
    workload : Workload
    order : Order
    contents : StoreContents
        Of the crate's store.
    simulator : Simulator
    """

    outcome: Outcome
    workload: Workload
    order: Order
    contents: StoreContents[Outcome]
    simulator: Simulator

    def describe(self, crate: OpenedCrate) -> Iterator[str]:
        """Say in lines what is about to run: program, files, variables."""
        workload, outcome = self.workload, self.outcome
        engine, folder = workload.engine, str(crate.folder)
        script = (workload.script,) if engine.takes_script else ()
        given = self.order.given(workload.call, "{directory}")
        words = (*engine_command(engine), *script, *given.arguments)
        yield f"simulation {outcome.id}, replica {outcome.replica}, seed {outcome.seed}"
        yield f"command    {' '.join(words).replace(folder, str(crate.path))}"
        inside = f"{version_folder(self.version)}/"
        for file, sha256 in sorted(crate.hashes.items()):
            if file.startswith(inside):
                yield f"file       {file}  SHA-256 {sha256[:_SHOWN]}…"
        for name, value in given.environment:
            yield f"variable   {name}={value}"
        for name, value in self.order.script_parameters.items():
            yield f"  {name} = {value!r}"

    @property
    def version(self) -> str:
        """The version of the code that is recorded."""
        return self.outcome.code_hash or self.contents.code_hash

    def run(self) -> Outcome:
        """Run it; files that it keeps stay in the folder of the opened crate."""
        keep = self.workload.call.keep
        with prepared_for(Path(keep.place), keep):
            return self.simulator.simulate(self.workload, self.order)


def again_of(crate: OpenedCrate, name: str, profile_name: str | None, command: str | None) -> Again:
    """Say what is to be run for a simulation of a crate.

    Parameters
    ----------
    crate : OpenedCrate
    name : str
        Its id, or the beginning of it; empty for the one that is done and took least time.
    profile_name : str or None
        Says how engines are started here. The crate's own profiles are never used.
    command : str or None
        What starts scripts, in place of that.

    Raises
    ------
    InputError
        If there is no such simulation, or its code is not in the crate.
    """
    contents = read_store(crate.store)
    outcome = _chosen(crate, contents, name)
    version = outcome.code_hash or contents.code_hash
    study = load_study(crate.folder / STUDY)
    if study.program:
        study = _with_program_of(crate, study, version, contents)
    script = _script(crate, outcome, version)
    if study.script and script is None:
        raise InputError(
            f"{crate.path}: does not hold the script of {outcome.id}, of version "
            f"{version or outcome.script_hash[:16]}; choose one of version "
            f"{', '.join(crate.scripts) or 'none'} with --id"
        )
    if study.script and script:
        file = crate.folder / script
        study = study.with_script(ScriptFile(file, crate.hashes[script]))
    folders = module_folders(version, contents.provenance.get(version, {}))
    modules = [str(crate.folder / folder) for folder in folders]
    profile = _profile(study, outcome, profile_name, command, modules)
    study = with_program(study, profile)
    workload = Workload.of(study, profile, str(files_path(crate.folder / "again.h5")))
    _check_modules(crate, workload)
    workload = replace(workload, engine=replace(workload.engine, start="spawn"))
    order = Order(outcome.id, outcome.parameters, outcome.replica, outcome.seed, attempt=1)
    return Again(outcome, workload, order, contents, Simulator())


def _chosen(crate: OpenedCrate, contents: StoreContents[Outcome], name: str) -> Outcome:
    ids = list(contents.outcomes)
    if name:
        found = matching(ids, name)
        if len(found) != 1:
            raise InputError(f"{crate.path}: {not_one(ids, name, found)}")
        outcome = contents.outcomes[ids[found[0]]]
        if not outcome.status.has_result:
            raise InputError(
                f"{crate.path}: {outcome.id} is {outcome.status.label}: there are no results of "
                "it to compare with; name another --id"
            )
        return outcome
    done = [outcome for outcome in contents.outcomes.values() if outcome.is_done]
    has_code = [o for o in done if (o.code_hash or contents.code_hash) in crate.scripts]
    if not done:
        raise InputError(
            f"{crate.path}: none of its simulations is done; there is nothing to compare"
        )
    return min(has_code or done, key=_time)


def _time(outcome: Outcome) -> float:
    return math.inf if math.isnan(outcome.elapsed_time) else outcome.elapsed_time


def _script(crate: OpenedCrate, outcome: Outcome, version: str) -> str | None:
    if version in crate.scripts:
        return crate.scripts[version]
    same = [s for s in crate.scripts.values() if crate.hashes.get(s) == outcome.script_hash]
    return same[0] if same and not outcome.code_hash else None


def _with_program_of(
    crate: OpenedCrate, study: Study, version: str, contents: StoreContents[Outcome]
) -> Study:
    """Give the study with the files that the program's command named then."""
    about = contents.provenance.get(version, {})
    given = contents.study.get("program")
    if not given:
        raise InputError(
            f"{crate.path}: {STUDY} has a `program`, but the store was run without one"
        )
    words = placed_command(given, version, about, crate.hashes)
    study = study.model_copy(update={"program": words})
    path = Path(found_words(words, crate.folder)[0])
    if study.script or not path.is_file():
        return study
    return study.with_script(ScriptFile(path, file_hash(path)))


def _profile(
    study: Study, outcome: Outcome, name: str | None, command: str | None, modules: list[str]
) -> Profile:
    """Give how the engine is started here: nothing of it is the crate's but the number of ranks."""
    profile = load_profile(name)
    known = profile.engines.get(study.engine)
    settings = known or EngineSettings()
    if command:
        words = EngineSettings.model_validate({"command": command}).command
        settings = settings.model_copy(update={"command": words})
    if not name and outcome.n_ranks and outcome.n_ranks > 1:
        settings = settings.model_copy(update={"ranks": outcome.n_ranks})
    if modules and not study.program:
        ours = settings.environment.get("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        path = ":".join(filter(None, [*modules, ours]))
        environment = {**settings.environment, "PYTHONPATH": path}
        settings = settings.model_copy(update={"environment": environment})
    if settings == (known or EngineSettings()):
        return profile
    return profile.model_copy(update={"engines": {**profile.engines, study.engine: settings}})


def _check_modules(crate: OpenedCrate, workload: Workload) -> None:
    """Refuse to take for the crate's code what is not in it."""
    for module in workload.modules:
        is_inside = Path(module.path).is_relative_to(crate.folder)
        if module.path and not is_inside and not workload.engine.is_program:
            raise InputError(
                f"{module.name}: would be imported from {module.path}, which is not of the crate; "
                "take it off PYTHONPATH, or out of the profile"
            )


@dataclass
class Comparison:
    """What a comparison has come to.

    Attributes
    ----------
    different : list of str
        Results, and files, that are not the same bit for bit, and by how much.
    count : int
        Of those that were compared.
    others : list of str
        What else is not as it was: versions, engine, processor.
    """

    different: list[str]
    count: int
    others: list[str]


def compare(again: Again, now: Outcome) -> Comparison:
    """Compare what was recorded with what came now."""
    before = own_result(again.outcome) or {}
    found = now.result or {}
    different = list(differences_of_results(before, found))
    files, n_files = differences_of_files(again.outcome, now)
    return Comparison(
        different + files, len({*before, *found}) + n_files, list(_others(again, now))
    )


def _others(again: Again, now: Outcome) -> Iterator[str]:
    """Say what else is not as it was, and may be why results are not."""
    outcome, contents = again.outcome, again.contents
    if outcome.engine_version != now.engine_version:
        yield f"engine: {outcome.engine_version or 'unknown'} then, {now.engine_version} now"
    recorded = contents.versions.get(outcome.code_hash, {})
    here = {module.name: module.hash for module in again.workload.modules}
    here[Path(again.workload.script).name] = again.workload.script_hash
    # a program's words are paths, which in a crate are others
    for name in sorted({*recorded, *here} - {"program"} if recorded else ()):
        if recorded.get(name) != here.get(name):
            what = "is not there now" if name not in here else "is another one"
            yield f"{name}: {what if name in recorded else 'was not there then'}"
    runs = contents.provenance.get(again.version, {}).get("runs", [])
    if not runs:
        yield "which versions and processor it ran with was not recorded"
        return
    ours = run_of(Profile(), again.simulator.probe(again.workload.engine))
    run = next((r for r in runs if r.get("engine", {}).get("host") == outcome.host), runs[0])
    for name, version in run.get("versions", {}).items():
        if ours["versions"].get(name) != version:
            yield f"{name}: {version} then, {ours['versions'].get(name)} now"
    theirs, mine = run.get("engine", {}), ours["engine"]
    at = "" if theirs.get("host") == outcome.host else f" ({theirs.get('host')}, of the same run)"
    for key, what in (("python", "Python of the engine"), ("numpy", "numpy of the engine"),
                      ("cpu", "processor"), ("system", "system")):  # fmt: skip
        if key in theirs and theirs[key] != mine.get(key):
            yield f"{what}: {theirs[key]}{at} then, {mine.get(key)} now"
    if theirs.get("build") and theirs["build"] != mine.get("build"):
        yield "features or packages of the engine are other ones; `show --provenance` has them"
