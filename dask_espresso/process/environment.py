"""The environment variables of a simulation process."""

from __future__ import annotations

import functools
import os
import re
import shutil
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..engines import DEFAULT_LAUNCHER, Engine, engine_command
from ..errors import BadValueError
from ..paths import absolute_entries, expand_setting
from ..script.engine_table import ENGINES
from ..script.rank import RANK_VARIABLES
from ..script.supervisor import MARK
from .launcher import LOCAL_SETTINGS

SCRIPT = Path(__file__).resolve().parents[1] / "script"  # all of us that a simulation can see

# A one-rank simulation started inside a batch job takes these for its own MPI job and hangs or
# fails; OMPI_MCA_* and OMPI_ALLOW_* are the user's own settings of Open MPI.
_LEAKING = re.compile(
    r"(SLURM|SLURMD|SRUN|SBATCH|PMI|PMI2|PMIX|PALS|HYDRA)_|OMPI_(?!MCA_|ALLOW_)|PMIX?$"
)
_NEEDS_MPI_OF_WHEEL = {kind.module for kind in ENGINES.values() if kind.finds_no_mpi}


class OwnEnvironment:
    """A worker's own variables, decoded when they have changed and not for each simulation."""

    def __init__(self) -> None:
        self._seen: tuple[dict[bytes, bytes], dict[str, str]] = ({}, {})

    def variables(self) -> Mapping[str, str]:
        """Give them as they are now."""
        now: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
        seen, variables = self._seen
        if seen != now:
            seen = dict(now)
            variables = {os.fsdecode(name): os.fsdecode(seen[name]) for name in seen}
            self._seen = seen, variables
        return variables


class ProcessEnvironments:
    """The environments of processes: what those of an engine have in common is made once."""

    def __init__(self) -> None:
        self._own = OwnEnvironment()
        self._common: dict[Engine, _Common] = {}

    def give(self, engine: Engine, scratch: str, mark: str) -> dict[str, str]:
        """Give that of one process.

        Parameters
        ----------
        engine : Engine
            That the process is of.
        scratch : str
            The process's own directory.
        mark : str
            By which all that it starts is found.
        """
        of, where = self._own.variables(), os.getcwd()  # noqa: PTH109
        common = self._common.get(engine)
        if common is None or common.of is not of or common.where != where:
            common = self._common[engine] = _common(engine, of, where)
        own = {
            name: text.replace(_A_SCRATCH, scratch).replace(_A_MARK, mark)
            for name, text in common.own.items()
        }
        return common.shared | own


# stand for those of a process; no variable can have them in it
_A_SCRATCH, _A_MARK = "/\0scratch", "\0mark"


class _Common(NamedTuple):
    """What processes of an engine have in common, for these variables and this directory."""

    of: Mapping[str, str]
    where: str
    shared: dict[str, str]
    own: dict[str, str]  # with something that stands for what is a process's own


def _common(engine: Engine, of: Mapping[str, str], where: str) -> _Common:
    # MPI and others leave files in TMPDIR if they are killed
    base = {**of, "TMPDIR": f"{_A_SCRATCH}/tmp", MARK: _A_MARK}
    shared = simulation_environment(engine, base)
    own = {name: text for name, text in shared.items() if "\0" in text}
    return _Common(of, where, shared, own)


def simulation_environment(engine: Engine, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a simulation process.

    Parameters
    ----------
    engine : Engine
        Its own variables have the last word.
    base : mapping, optional
        The environment to start from, by default this process's own.

    Returns
    -------
    dict
        Without what batch systems and MPI launchers left for other programs (source: measurements
        on Slurm with Open MPI singletons), which only a launcher of the user's own may need; with
        this package, and nothing that is installed beside it, in front of PYTHONPATH. Relative
        entries of lists of paths are those of the engine's directory.

    Raises
    ------
    ValueError
        If the engine's own variables want one that is not set.
    """
    base = os.environ if base is None else base
    # a rank left by what has started this worker would be taken for that of each process
    kept = {name: value for name, value in base.items() if name not in RANK_VARIABLES}
    if engine.ranks == 1 or engine.launcher == DEFAULT_LAUNCHER:
        kept = {name: value for name, value in base.items() if not _leaks(name)}
    if engine.ranks > 1:
        kept = LOCAL_SETTINGS | kept if engine.launcher == DEFAULT_LAUNCHER else kept
    else:
        # no daemon beside it, for which MPI_Abort would wait in a forked process
        kept.setdefault("OMPI_MCA_ess_singleton_isolated", "1")
    kept.setdefault("OMPI_MCA_hwloc_base_binding_policy", "none")
    kept.setdefault("PYTHONHASHSEED", "0")  # sets of texts have one order, forked or not
    kept["OMP_NUM_THREADS"] = "1"
    for name, value in engine.environment:
        kept[name] = _expanded(name, value, base)
    directory = engine.directory or os.getcwd()  # noqa: PTH109
    for name in kept:
        if _has_paths(name):
            kept[name] = _absolute_entries(name, kept[name], directory)
    if _NEEDS_MPI_OF_WHEEL & {engine.module, *engine.preload}:
        kept |= _library_path_of_wheels(engine_command(engine)[0], kept)
    kept["PYTHONPATH"] = os.pathsep.join(
        [str(SCRIPT / "for_scripts"), *_foreign_python_path(kept.get("PYTHONPATH", ""))]
    )
    return kept


def of_any_directory(engine: Engine) -> Engine:
    """Give an engine that is the same for studies of all directories, if no path is relative.

    So they share what was found of it, and its warm process.
    """
    return replace(engine, directory="") if _are_absolute(engine.environment) else engine


def _are_absolute(variables: Iterable[tuple[str, str]]) -> bool:
    """Say whether no list of paths, here and in some variables, has an entry that is relative."""
    lists = {name: text for name, text in (*os.environ.items(), *variables) if _has_paths(name)}
    entries = [entry for text in lists.values() if text for entry in text.split(os.pathsep)]
    return all(entry.startswith(os.sep) for entry in entries)


def _has_paths(name: str) -> bool:
    return name.endswith("PATH")


def _library_path_of_wheels(program: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Give where a wheel finds the libmpi of the mpich wheel, if that is installed."""
    found = Path(shutil.which(program, path=environment.get("PATH")) or program)
    libraries = found.absolute().parent.parent / "lib"
    if not (libraries / "libmpi.so.12").exists():
        return {}
    before = environment.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, [before, str(libraries)]))}


def _expanded(name: str, value: str, base: Mapping[str, str]) -> str:
    try:
        return expand_setting(name, value, base)
    except BadValueError as error:
        raise BadValueError(f"environment.{name} {error}") from None


_absolute_entries = functools.lru_cache(maxsize=1024)(absolute_entries)


@functools.lru_cache(maxsize=1024)
def _leaks(name: str) -> bool:
    return bool(_LEAKING.match(name))


@functools.lru_cache(maxsize=8)
def _foreign_python_path(python_path: str) -> tuple[str, ...]:
    """Give the entries of PYTHONPATH that are not this interpreter's own packages."""
    own = {SCRIPT.parents[1], *map(Path, _own_site_packages())}
    entries = filter(None, python_path.split(os.pathsep))
    return tuple(entry for entry in entries if Path(entry).resolve() not in own)


@functools.cache
def _own_site_packages() -> tuple[str, ...]:
    return tuple(str(Path(sysconfig.get_path(kind)).resolve()) for kind in ("purelib", "platlib"))
