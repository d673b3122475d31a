"""A study: what to simulate, and the simulations that it comes to."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, Field

from ..errors import BadValueError, InputError, describe
from ..identity import canonical_json
from ..script.engine_table import ENGINES
from ..walltime import parse_duration
from .axes import checked_axes
from .blocks import checked_blocks, checked_conditions, checked_formulas, optional
from .document import Document
from .interface import Interface
from .lineage import checked_defaults, checked_rename
from .notes import notes
from .overrides import with_override
from .parameters import checked_parameters
from .point_files import with_point_files
from .point_list import checked_points
from .presentation import Presentation
from .program import program_name
from .reference_table import tabulated
from .samples import checked_sample
from .script_file import ScriptFile, find_script
from .shipped import file_or_template, study_names
from .simulations import Simulation as Simulation
from .simulations import Simulations
from .until import checked_until

logger = logging.getLogger(__name__)

_LATER = (
    "points", "sample", "blocks", "where", "exclude", "derived", "defaults", "rename", "until",
    "axes", "labels",
)  # fmt: skip
# keys whose values may be misread
_LITERAL = (
    "parameters", "points", "blocks", "defaults", "seed", "replicas", "retries", "arguments",
)  # fmt: skip
_LONG_SETTINGS = 80  # characters of a store's name


def _checked_name(name: Any) -> Any:
    if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        raise BadValueError(
            f"is {describe(name)}, but it names the store's file; use up to 100 letters, digits, "
            "'_', '-' and '.', a letter or digit first"
        )
    return name


@dataclass(frozen=True)
class Origin:
    """The files that a study was loaded from.

    Attributes
    ----------
    path : Path
        The study file.
    source : str
        Its text.
    script : ScriptFile
        The simulation script, or the program.
    """

    path: Path
    source: str
    script: ScriptFile


class Study(Simulations, Interface, Presentation):
    """What to simulate.

    Attributes
    ----------
    name : str
        Also names the store.
    engine : str
        What runs the script; the profile knows it.
    script : str
        A shipped simulation, or a path relative to the study file; empty for a program without.
    parameters : dict
        Scalars and ``{value: …}`` are constant, lists and ranges are swept. May be left out beside
        `points`, `sample` or `blocks`.
    sweep : str
        ``product``: every value with every other; ``zip``: the first with the first, and so on.
    points : list or str
        Points one by one, as ``{x: 0.1, y: 2}``, or the path of a ``.csv`` or ``.parquet`` file
        with a column for each parameter; each of them with every value of the others.
    sample : dict
        Points that are drawn: ``method`` (``sobol``, ``random`` or ``lhs``), ``num``, ``seed``,
        and ``parameters``, each ``{low: 0.1, high: 10}``, with ``scale: log`` or ``integer: true``
        if wanted, or ``{choices: [a, b]}``.
    blocks : list of dict
        Several sets of points that are united, each with all of `parameters`, and with its own
        parameters, `points`, `sample`, `sweep`, `where` and `exclude`.
    where : str or list of str
        Conditions that all points meet, such as ``kappa * L > 3 and phi < 0.5``.
    exclude : str or list of str
        Conditions of which points meet none.
    derived : dict
        Parameters that are computed of others, such as ``box_l: (N / rho) ** (1/3)``.
    defaults : dict
        What simulations had that were run before a parameter was added, such as ``gamma: 1.0``:
        those at this value are the recorded ones.
    rename : dict of str to str
        New names of parameters, by the names under which they were recorded, as in ``kappa: k``.
    replicas : int
        How often every point is simulated, each time with another seed; with `until`, at most.
    until : dict or None
        Replicas until results are known well enough, point by point, in place of `replicas`: for
        each result ``{relative: 0.5 %}`` or ``{absolute: 0.01}``, one standard error of the
        point's mean, and ``replicas: {minimum: 4, maximum: 64}``, which are these without it.
    seed : int
        What all seeds are derived from.
    time_limit : float or None
        For one simulation, in seconds.
    retries : int
        How often a failed simulation is tried again.
    axes : dict of str to list of str
        Results that are curves, and the results along which they stand: ``{g: [r], msd: [lag]}``.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, BeforeValidator(_checked_name)]
    engine: str = "espresso"
    script: str
    parameters: Annotated[dict[str, Any], BeforeValidator(checked_parameters)]
    sweep: Literal["product", "zip"] = "product"
    points: Annotated[dict[str, list[Any]] | None, BeforeValidator(optional(checked_points))] = None
    sample: Annotated[dict[str, Any] | None, BeforeValidator(optional(checked_sample))] = None
    blocks: Annotated[list[dict[str, Any]] | None, BeforeValidator(checked_blocks)] = None
    where: Annotated[list[str] | None, BeforeValidator(checked_conditions)] = None
    exclude: Annotated[list[str] | None, BeforeValidator(checked_conditions)] = None
    derived: Annotated[dict[str, str] | None, BeforeValidator(checked_formulas)] = None
    defaults: Annotated[dict[str, Any] | None, BeforeValidator(checked_defaults)] = None
    rename: Annotated[dict[str, str] | None, BeforeValidator(checked_rename)] = None
    replicas: int = Field(default=1, ge=1)
    until: Annotated[dict[str, Any] | None, BeforeValidator(checked_until)] = None
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    time_limit: Annotated[
        float | None, BeforeValidator(lambda v: None if v is None else parse_duration(v))
    ] = None
    retries: int = Field(default=1, ge=0)
    axes: Annotated[dict[str, list[str]] | None, BeforeValidator(checked_axes)] = None

    _origin: Origin | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _may_have_no_parameters(cls, given: Any) -> Any:
        """Do without `parameters` where something else gives all of them."""
        others = ("points", "sample", "blocks")
        if isinstance(given, dict) and any(given.get(key) for key in others):
            return {"parameters": {}, **given}
        return given

    @pydantic.model_validator(mode="after")
    def _set_replicas(self) -> Study:
        """Have as many replicas as there may be: those that are never run change nothing."""
        if self.until is not None:
            most = self.until["replicas"]["maximum"]
            if "replicas" in self.model_fields_set and self.replicas != most:
                raise BadValueError(
                    f"is {self.replicas}, but `until` says how many there are; remove this line, "
                    "or write `until: {…, replicas: {maximum: …}}` for the most",
                    "replicas",
                )
            self.__dict__["replicas"] = most
        return self

    @pydantic.model_validator(mode="after")
    def _check_engine(self) -> Study:
        """Call a program by its name, as an engine."""
        if self.program and "engine" not in self.model_fields_set:
            self.__dict__["engine"] = program_name(self.program)
        if self.program and self.engine in ENGINES:
            raise BadValueError(
                f"is {self.engine}, which runs scripts itself; remove it, or `program`", "engine"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _check_size(self) -> Study:
        self.check_size()
        for block in self.space.blocks:
            block.check()
        return self

    def snapshot(self) -> dict[str, Any]:
        """Give what :meth:`from_snapshot` needs; it can be written as JSON."""
        later = (*_LATER, *Interface.model_fields)  # without them it is as it was before them
        given = self.model_dump(exclude={name for name in later if getattr(self, name) is None})
        shown = {name: given.pop(name) for name in Presentation.model_fields if name in given}
        return given | shown  # in the order that people see: the name first

    @classmethod
    def from_snapshot(cls, snapshot: dict[str, Any]) -> Study:
        """Make a study again, without its files.

        Raises
        ------
        InputError
            If that is not what :meth:`snapshot` gave.
        """
        try:
            return cls.model_validate(snapshot)
        except pydantic.ValidationError as error:
            raise InputError(
                f"the stored study cannot be used ({error.errors()[0]['msg']}); "
                "it was written by another version of dask_espresso"
            ) from error

    @property
    def path(self) -> Path:
        """The study file."""
        return self._loaded().path

    @property
    def source(self) -> str:
        """The study file's text."""
        return self._loaded().source

    @property
    def script_path(self) -> Path:
        """The simulation script, absolute; of a program without one, the program."""
        return self._loaded().script.path

    @property
    def script_hash(self) -> str:
        """SHA-256 of the script when the study was loaded, as hexadecimal digits."""
        return self._loaded().script.hash

    @property
    def problem(self) -> str:
        """Why its program cannot be found, where that is so and no profile knows it."""
        return self._loaded().script.problem

    def with_script(self, script: ScriptFile) -> Study:
        """Give this study with the file that is run somewhere else."""
        study = self.model_copy()
        study._origin = replace(self._loaded(), script=script)
        return study

    def _loaded(self) -> Origin:
        if self._origin is None:
            raise InputError(f"study {self.name!r} has no files; load it with load_study(PATH)")
        return self._origin


def load_study(path: str | os.PathLike[str], overrides: dict[str, str] | None = None) -> Study:
    """Load a study.

    Parameters
    ----------
    path : str or path
        A study file, or the name of one that comes with the package.
    overrides : dict, optional
        Texts of values that replace those of parameters, written as in the file.

    Returns
    -------
    Study
        Validated, its script found.

    Raises
    ------
    InputError
        Names the file, the line, the key, what is wrong and what to do.

    Notes
    -----
    What looks like something else than what it is read as, such as ``no`` or ``0,5``, ranges that
    do not meet their stop, and time limits without a unit are logged as warnings.
    """
    document = Document.load(file_or_template(path, "study", study_names()))
    if "cluster" in document.data and "parameters" not in document.data:
        where = f"--profile {document.path}"
        raise InputError(f"{document.path}: is a profile; name a study, and this one as `{where}`")
    document = with_point_files(document)
    for name, text in (overrides or {}).items():
        document = with_override(document, name, text, Study.model_fields)
    for note in document.misreadings(*_LITERAL):
        logger.warning("%s", note)  # what is wrong may be so because of these
    study = document.validate(Study)
    script = find_script(document, study.script, study.program)
    study.__dict__["reference"] = tabulated(document, study)
    study._origin = Origin(document.path.absolute(), document.text, script)
    for note in notes(document, study):
        logger.warning("%s", note)
    return study


def store_name(study: Study, overrides: Iterable[str]) -> str:
    """Name the store of a study: one of its own where parameters were replaced for a quick look.

    Parameters
    ----------
    study : Study
        As it was loaded, with the replaced parameters.
    overrides : iterable of str
        Names of these.
    """
    names = sorted(overrides)
    if not names:
        return f"{study.name}.h5"
    text = "-".join(f"{name}={_in_file_name(study.parameters[name])}" for name in names)
    safe = re.sub(r"[^A-Za-z0-9_.,=+-]+", "_", text)[:_LONG_SETTINGS]
    if safe != text:  # no longer the only one that comes to this
        safe += "-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{study.name}-{safe}.h5"


def _in_file_name(value: Any) -> str:
    text = canonical_json(value)
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*", value):
        return value if value not in ("null", "true", "false") else text
    return text[1:-1] if isinstance(value, list) else text
