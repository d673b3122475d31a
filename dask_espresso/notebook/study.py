"""A study made in Python, which is the same study as one that is written as YAML."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadValueError, InputError
from ..inputs.document import Document
from ..inputs.notes import notes
from ..inputs.plain_yaml import dotted, readable
from ..inputs.point_files import with_point_files
from ..inputs.profile import load_profile
from ..inputs.script_file import find_script
from ..inputs.simulations import Simulation
from ..inputs.study import Origin, load_study
from ..inputs.study import Study as CheckedStudy
from ..paths import expand
from ..views.frame import pandas_or_error
from ..views.texts import some_of
from .before_run import check_run, choice_of
from .begun import Order
from .card import Lines, as_html, as_text
from .run import Run
from .values import plain, swept
from .written import placed, write_study

if TYPE_CHECKING:
    import pandas

logger = logging.getLogger(__name__)

_MOST_POINTS = 1_000_000  # of a table; more take gigabytes
_WHERE = "Study"  # what errors name in place of a file


class Study:
    """What to simulate, made in Python.

    It is the study that a YAML file with the same keys and values makes, with the same ids: results
    of the two go into one store. Values may also be those of numpy (arrays, numbers of any type),
    ranges, tuples, pandas' series and paths. As in a file, each list, array, tuple or range below
    `parameters` is swept, and ``{"value": [1, 2, 3]}`` is a constant.

    Parameters
    ----------
    name : str
        Also names the store.
    script : str or path
        The simulation script, relative to the current directory, or a shipped simulation.
    parameters : dict
        By name: constants, what is swept, and ranges such as ``{"start": 0.1, "stop": 0.5, "num":
        5}``. May be left out beside `points`, `sample` or `blocks`.
    **settings
        All other keys of a study: ``engine``, ``replicas``, ``seed``, ``points`` (also a data
        frame), ``sample``, ``where``, ``until``, ``time_limit`` (also a timedelta) and so on.

    Raises
    ------
    InputError
        Names the key, what is wrong and what to do.

    Notes
    -----
    What may not be meant, such as two values that agree in 12 digits, is logged as a warning.

    Examples
    --------
    >>> study = Study(
    ...     name="s", script="lj_pressure_lammps", engine="lammps", replicas=2,
    ...     parameters={"volume_fraction": np.linspace(0.1, 0.3, 3), "n_particles": 100},
    ... )
    >>> study.count
    6
    """

    def __init__(
        self,
        name: str | None = None,
        script: str | os.PathLike[str] | None = None,
        parameters: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        given = {"name": name, "script": script, "parameters": parameters, **settings}
        given = {key: value for key, value in given.items() if value is not None}
        self._given, self._base = _plain_settings(given), Path.cwd()
        self._path: Path | None = None
        self._checked = _checked(self._given)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Study:
        """Load a study file, or one that comes with the package, by its name."""
        study = cls.__new__(cls)
        study._given, study._checked = {}, load_study(path)
        study._path = study._checked.path
        return study

    @property
    def checked(self) -> CheckedStudy:
        """The same, as :func:`dask_espresso.load_study` gives it."""
        return self._checked

    @property
    def name(self) -> str:
        """The name, which names the store, too."""
        return self._checked.name

    @property
    def count(self) -> int:
        """How many simulations it comes to; with targets, at most."""
        return self._checked.count

    @property
    def n_points(self) -> int:
        """How many points it has."""
        return self._checked.n_points

    def ids(self) -> Iterator[str]:
        """Give the ids of the simulations, in their order."""
        return self._checked.ids()

    def simulations(self) -> Iterator[Simulation]:
        """Give the simulations, each with its parameters, replica, seed and id."""
        return self._checked.simulations()

    def points(self, start: int = 0, stop: int | None = None) -> pandas.DataFrame:
        """Give the points as a table: a row a point, a column a parameter.

        Parameters
        ----------
        start, stop : int, optional
            Which points, as in a slice; by default all, up to a million of them.

        Raises
        ------
        InputError
            If these are more than a million, or there is no pandas.
        """
        pandas = pandas_or_error()
        wanted = range(self.n_points)[start:stop]
        if len(wanted) > _MOST_POINTS:
            raise InputError(
                f"{self.name}: a table of {len(wanted):,} points takes gigabytes; give start and "
                f"stop, at most {_MOST_POINTS:,} apart"
            )
        places, space = np.arange(wanted.start, wanted.stop), self._checked.space
        columns = {name: space.column(name, places) for name in self._checked.names}
        index = pandas.RangeIndex(wanted.start, wanted.stop, name="point")
        return pandas.DataFrame(columns, index)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as a study file, with paths relative to that; one that is there is replaced.

        Returns
        -------
        Path
            The file.
        """
        if self._path:
            raise InputError(f"{self.name}: is in {self._path} already; copy that file")
        file = Path(path)
        self._write(file, ours=False)
        return file

    def run(
        self,
        profile: str | os.PathLike[str] | None = None,
        store: str | os.PathLike[str] | None = None,
        *,
        retry_failed: bool = False,
        changed_script: str | None = None,
        only: str | Sequence[str] = (),
        where: str | Sequence[str] = (),
        status: str | Sequence[str] = (),
        progress: bool = True,
    ) -> Run:
        """Begin to run what of the study is not in its store yet, and return at once.

        A driver runs in a process of its own, which ends with this one. It reads the study from a
        file beside the store, ``NAME.study.yaml``, with which the command line can go on.

        Parameters
        ----------
        profile : path, optional
            Where; by default on this machine.
        store : path, optional
            The HDF5 file, by default ``NAME.h5`` here.
        retry_failed : bool
            Also run again what did not end as done.
        changed_script : {None, 'keep', 'rerun'}
            If the script has changed since: keep what is recorded, or run everything again.
        only, where, status : str or sequence of str
            Only these simulations: their ids, conditions that they meet, and how they ended
            (``failed``, ``timed out``, ``lost``, ``not finite``), as ``dask-espresso run`` has
            them. Of these, all that is not done runs, also what has failed.
        progress : bool
            Whether those who wait are shown how far it is.

        Returns
        -------
        Run
            With ``wait()``, ``cancel()``, ``done``, ``store``; ``await run`` waits, too.

        Raises
        ------
        InputError
            If something cannot be used as it is; nothing was started then.

        Examples
        --------
        >>> run = study.run("slurm.yaml")                                          # doctest: +SKIP
        >>> run.wait().recorded                                                    # doctest: +SKIP
        {<Status.DONE: 0>: 168}
        """
        choice = choice_of(only, where, status)
        path = Path(expand(str(store)) if store else f"{self.name}.h5").absolute()
        chosen = load_profile(profile)
        check_run(self._checked, chosen, path, choice, retry_failed, changed_script)
        file = self._path or path.with_name(f"{path.stem}.study.yaml")
        if not self._path:
            self._write(file, ours=True)
        order = Order(
            str(file), str(chosen.path) if chosen.path else None, str(path), retry_failed,
            changed_script, choice.only, choice.where, [*map(int, choice.statuses)],
        )  # fmt: skip
        return Run(order, show=progress)

    def _write(self, file: Path, *, ours: bool) -> None:
        write_study(placed(self._given, self._base, file.parent), self._checked, file, ours=ours)

    def __repr__(self) -> str:
        return as_text(f"Study {self.name}", _lines(self._checked))

    def _repr_html_(self) -> str:
        return as_html(f"Study {self.name}", _lines(self._checked))


def _lines(study: CheckedStudy) -> Lines:
    most = " at most" if study.targets else ""
    replicas = f"{study.replicas:,} replica{'s' * (study.replicas != 1)}{most}"
    first = study.space.point(0)
    constants = [f"{name} = {value}" for name, value in first.items() if name not in study.swept]
    lines = [
        ("script", str(study.script or study.engine)),
        ("points", f"{study.n_points:,}, each with {replicas}"),
        ("simulations", f"{study.count:,}{most}"),
        ("swept", some_of(study.swept) or "nothing"),
    ]
    return [*lines, ("constant", some_of(constants))] if constants else lines


def _signature() -> inspect.Signature:
    """Give the signature with all keys that a study has, for those who ask what there is."""
    fields = CheckedStudy.model_fields
    first = [key for key in ("name", "script", "parameters", "engine") if key in fields]
    keys = [*first, *(key for key in fields if key not in first)]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(
        [
            inspect.Parameter(
                key, inspect.Parameter.POSITIONAL_OR_KEYWORD if key in first[:3] else kind,
                default=None if fields[key].is_required() else fields[key].default,
            )
            for key in keys
        ]
    )  # fmt: skip


Study.__signature__ = _signature()  # type: ignore[attr-defined]


def _plain_settings(given: dict[str, Any]) -> dict[str, Any]:
    try:
        return {key: _plain_setting(key, value) for key, value in given.items()}
    except BadValueError as error:
        raise _error(error.at, str(error)) from None


def _plain_setting(key: str, value: Any) -> Any:
    if key in ("script", "points") and isinstance(value, PurePath):
        return _literal_path(value)
    if key == "parameters" and isinstance(value, dict):
        return {plain(n): swept(v, key, str(n)) for n, v in value.items()}
    return plain(value, key)


def _literal_path(path: PurePath) -> str:
    """Give a path for a study, which would take some of its letters for a shell's."""
    return os.path.join(".", path).replace("$", "$$")  # noqa: PTH118  it would lose the dot


def _error(at: Iterable[str | int], message: str) -> InputError:
    key = dotted(tuple(at))
    return InputError(readable(f"{_WHERE}: {key}: {message}" if key else f"{_WHERE}: {message}"))


def _checked(given: dict[str, Any]) -> CheckedStudy:
    for key, example in (("name", "name='my_study'"), ("script", "script='simulation.py'")):
        if key not in given and not (key == "script" and "program" in given):
            raise _error([key], f"is missing; write Study({example}, …)")
    document = with_point_files(Document(Path(_WHERE), "", given, {}))
    study = document.validate(CheckedStudy)
    study._origin = Origin(Path(_WHERE), "", find_script(document, study.script, study.program))
    for note in notes(document, study):
        logger.warning("%s", note)
    return study
