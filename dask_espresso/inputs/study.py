"""A study: what to simulate, and the simulations that it comes to."""

from __future__ import annotations

import functools
import hashlib
import itertools
import logging
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, overload

import pydantic
from pydantic import BeforeValidator, Field

from ..errors import BadValueError, InputError, describe
from ..files import file_hash, open_file
from ..identity import canonical_json, id_of, simulation_seed
from ..paths import expand
from ..walltime import parse_duration
from .document import Document, without_unit
from .shipped import SIMULATIONS, file_or_template, study_names
from .wording import unknown

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_PARTS = {"probe", "abort", "imports"}  # of the package, among the simulations
_LONG_SETTINGS = 80  # characters of a store's name
MAX_SIMULATIONS = 10_000_000
_RESERVED = {"replica": "replicas", "seed": "seed"}  # the driver hands these to every script
_RANGE_FORMS = "{start: 0.1, stop: 0.5, step: 0.1} or {start: 0.1, stop: 0.5, num: 5}"


# ---- parameters ----------------------------------------------------------------------------------


class Range(Sequence[int | float]):
    """Evenly spaced numbers, each the one nearest to its exact decimal.

    Parameters
    ----------
    start, step : Fraction
        Exact.
    count : int
        How many numbers.
    whole : bool
        Whether they are integers.
    """

    def __init__(self, start: Fraction, step: Fraction, count: int, whole: bool) -> None:
        self._start, self._step, self._count, self._whole = start, step, count, whole

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> int | float: ...
    @overload
    def __getitem__(self, index: slice) -> list[int | float]: ...
    def __getitem__(self, index: int | slice) -> int | float | list[int | float]:
        places = range(self._count)[index]
        if isinstance(places, range):
            return [self[i] for i in places]
        value = self._start + places * self._step
        return int(value) if self._whole else float(value)


def swept_values(value: Any) -> Sequence[Any] | None:
    """Give the values that a parameter goes through, or None for a constant.

    Parameters
    ----------
    value
        As in a study: a list or a range is swept, anything else is constant.

    Raises
    ------
    ValueError
        If it is none of the forms that a parameter may have.
    """
    if isinstance(value, list):
        return _listed(value)
    if isinstance(value, dict) and value.keys() != {"value"}:
        return _range(value)
    _check_constant(value["value"] if isinstance(value, dict) else value)
    return None


def _constant(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) else value


def _listed(values: list[Any]) -> list[Any]:
    if not values:
        raise BadValueError("is an empty list; list the values, as in [0.1, 0.2]")
    first: dict[str, int] = {}
    for i, value in enumerate(values):
        if isinstance(value, list) or (isinstance(value, dict) and value.keys() != {"value"}):
            raise BadValueError(
                f"is {describe(value)} inside a list of values; write "
                "{value: …} around it if the script shall get it as it is",
                i,
            )
        _check_constant(_constant(value))
        if first.setdefault(canonical_json(_constant(value)), i) != i:
            raise BadValueError(f"has the value {_constant(value)!r} twice; list it once")
    return [_constant(value) for value in values]


def _many(count: int) -> str:
    return f"{count:,}" if count < 10**18 else "more than 10^18"


def _range(given: dict[str, Any]) -> Range:
    if "value" in given:
        raise BadValueError("has keys beside `value`; remove them, or put them under `value`")
    for key in given:
        if key not in ("start", "stop", "step", "num"):
            said = unknown("key", str(key), ("start", "stop", "step", "num", "value"))
            raise BadValueError(
                f"{said}; write {_RANGE_FORMS}, or {{value: …}} for a constant", key
            )
    if {"start", "stop"} - given.keys() or ("step" in given) == ("num" in given):
        has = ", ".join(given) or "nothing"
        raise BadValueError(f"is a mapping with {has}, which is no range; write {_RANGE_FORMS}")
    for key, number in given.items():
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise BadValueError(f"is {describe(number)} but must be a number; write one", key)
        _check_constant(number, key)
    exact = {key: Fraction(str(number)) for key, number in given.items()}
    start, span = exact["start"], exact["stop"] - exact["start"]
    if "num" in given:
        step, count = _spacing(span, given["num"])
    else:
        step = exact["step"]
        count = _steps(span, step)
    if count > MAX_SIMULATIONS:
        raise BadValueError(
            f"is a range of {_many(count)} values; use fewer, at most {MAX_SIMULATIONS:,}"
        )
    whole = all(isinstance(given[key], int) for key in given) and step.denominator == 1
    ends = (abs(float(start)), abs(float(start + (count - 1) * step)))
    if not whole and count > 1 and abs(step) < math.ulp(max(ends)):
        raise BadValueError("has steps too small to tell its values apart; make them larger")
    return Range(start, step, count, whole)


def _spacing(span: Fraction, num: Any) -> tuple[Fraction, int]:
    if not isinstance(num, int) or num < 1:
        raise BadValueError(f"is {num} but must be a whole number from 1; write such a one", "num")
    if (num == 1) != (span == 0):
        raise BadValueError(
            "does not fit: one value needs start = stop, more need them different; change it", "num"
        )
    return (span / (num - 1) if span else Fraction(1)), num


def _steps(span: Fraction, step: Fraction) -> int:
    if step == 0:
        raise BadValueError("is 0; write how far two values are apart", "step")
    if span / step < 0:
        raise BadValueError(
            "goes away from stop, so that the range is empty; change its sign", "step"
        )
    return span // step + 1


def _check_constant(value: Any, *at: str | int) -> None:
    """Refuse what has no place in a simulation's parameters."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadValueError(f"is {value}; write a finite number", *at)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BadValueError("has more than 64 bits; write it as a float or as text in quotes", *at)
    if isinstance(value, str) and "\0" in value:
        raise BadValueError("holds a null character; remove it", *at)
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadValueError(f"has the key {key!r}, which is not text; put it in quotes")
            _check_constant(item, *at)
    elif isinstance(value, list):
        for item in value:
            _check_constant(item, *at)
    elif not isinstance(value, str | int | float | None):
        raise BadValueError(
            f"is a {type(value).__name__}; give numbers, text, true, false, lists and dicts", *at
        )


def _checked_parameters(parameters: Any) -> Any:
    if parameters is None:  # a key with everything below it commented out
        return {}
    if not isinstance(parameters, dict):
        return parameters
    for name, value in parameters.items():
        if not isinstance(name, str) or not name:
            raise BadValueError("has a parameter without a name; write `name: value`")
        if name in _RESERVED:
            raise BadValueError(
                "is what every script gets from the study itself; "
                f"set `{_RESERVED[name]}` beside `parameters`, not inside",
                name,
            )
        if "/" in name or not name.isprintable():
            raise BadValueError("has '/' or a control character in its name; rename it", name)
        try:
            swept_values(value)
        except BadValueError as error:
            raise BadValueError(str(error), name, *error.at) from None
    return parameters


def _checked_name(name: Any) -> Any:
    if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        raise BadValueError(
            f"is {describe(name)}, but it names the store's file; use up to 100 letters, digits, "
            "'_', '-' and '.', a letter or digit first"
        )
    return name


# ---- simulations ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Simulation:
    """One set of parameters, one replica, one seed.

    Attributes
    ----------
    id : str
        16 hexadecimal digits, a hash of the parameters and the replica.
    parameters : dict
        In the order of the study.
    replica : int
        From 0.
    study_seed : int
        What the simulation's own seed is derived from, together with parameters and replica.
    """

    id: str
    parameters: dict[str, Any]
    replica: int
    study_seed: int

    @property
    def seed(self) -> int:
        """From 1 to 900,000,000; worked out when asked for, since that takes long."""
        return simulation_seed(self.study_seed, self.parameters, self.replica)


def _member(name: str, value: Any) -> str:
    """Give one member of an object in canonical JSON."""
    return canonical_json({name: value})[1:-1]


# ---- study ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """The files that a study was loaded from.

    Attributes
    ----------
    path : Path
        The study file.
    source : str
        Its text.
    script_path : Path
        The simulation script, absolute.
    script_hash : str
        SHA-256 of the script, as hexadecimal digits.
    """

    path: Path
    source: str
    script_path: Path
    script_hash: str


class Study(pydantic.BaseModel):
    """What to simulate.

    Attributes
    ----------
    name : str
        Also names the store.
    engine : str
        What runs the script; the profile knows it.
    script : str
        A shipped simulation, or a path relative to the study file.
    parameters : dict
        Scalars and ``{value: …}`` are constant, lists and ranges are swept.
    sweep : str
        ``product``: every value with every other; ``zip``: the first with the first, and so on.
    replicas : int
        How often every point is simulated, each time with another seed.
    seed : int
        What all seeds are derived from.
    time_limit : float or None
        For one simulation, in seconds.
    retries : int
        How often a failed simulation is tried again.
    reference : str or None
        The curve that a plot of pressure against volume fraction is compared with: ``wca``, the
        equation of state of the WCA fluid at kT = epsilon.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, BeforeValidator(_checked_name)]
    engine: str = "espresso"
    script: str
    parameters: Annotated[dict[str, Any], BeforeValidator(_checked_parameters)]
    sweep: Literal["product", "zip"] = "product"
    replicas: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    time_limit: Annotated[
        float | None, BeforeValidator(lambda v: None if v is None else parse_duration(v))
    ] = None
    retries: int = Field(default=1, ge=0)
    reference: Literal["wca"] | None = None

    _origin: Origin | None = None

    @pydantic.model_validator(mode="after")
    def _check_size(self) -> Study:
        lengths = {name: len(values) for name, values in self._sweeps.items()}
        if self.sweep == "zip" and len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise BadValueError(
                f"is zip, but the parameters are not equally long: {listed} values; "
                "make them equally long, or write `sweep: product`",
                "sweep",
            )
        if self.count > MAX_SIMULATIONS:
            raise BadValueError(
                f"makes {_many(self.count)} simulations, replicas included, more than the "
                f"{MAX_SIMULATIONS:,} possible; use fewer values or replicas",
                "parameters",
            )
        return self

    @pydantic.model_validator(mode="after")
    def _check_reference(self) -> Study:
        if self.reference and "volume_fraction" not in self.parameters:
            raise BadValueError(
                "is wca, a pressure against `volume_fraction`, which is no parameter of this "
                "study; remove it",
                "reference",
            )
        return self

    @functools.cached_property
    def _sweeps(self) -> dict[str, Sequence[Any]]:
        every = {name: swept_values(value) for name, value in self.parameters.items()}
        return {name: values for name, values in every.items() if values is not None}

    @property
    def _constants(self) -> dict[str, Any]:
        every = self.parameters.items()
        return {name: _constant(value) for name, value in every if name not in self._sweeps}

    @property
    def swept(self) -> list[str]:
        """Names of the parameters that take more than their one value, in the study's order."""
        return list(self._sweeps)

    def values(self, name: str) -> Sequence[Any]:
        """Give the values that a parameter takes, one if it is constant."""
        return self._sweeps[name] if name in self._sweeps else [self._constants[name]]

    @property
    def count(self) -> int:
        """Number of simulations."""
        lengths = [len(values) for values in self._sweeps.values()]
        points = math.prod(lengths) if self.sweep == "product" else max(lengths, default=1)
        return points * self.replicas

    def __len__(self) -> int:
        return self.count

    def simulations(self) -> Iterator[Simulation]:
        """Give the simulations: first all points as replica 0, the last parameter fastest."""
        sweeps = self._sweeps
        constants = dict.fromkeys(self.parameters) | self._constants  # in the order of the study
        ids = self.ids()
        for replica in range(self.replicas):
            for point in self._points(list(sweeps.values())):
                parameters = {**constants, **dict(zip(sweeps, point, strict=True))}
                yield Simulation(next(ids), parameters, replica, self.seed)

    def ids(self) -> Iterator[str]:
        """Give the ids of the simulations, in their order, at a fraction of the cost of these.

        They are those that :func:`~dask_espresso.identity.simulation_id` gives.
        """
        constants, sweeps = self._constants, self._sweeps
        fixed = [_member(name, value) for name, value in constants.items()]
        swept = [[_member(name, value) for value in values] for name, values in sweeps.items()]
        names = [*constants, *sweeps]
        in_order = sorted(range(len(names)), key=names.__getitem__)
        for replica in range(self.replicas):
            end = f'}},"replica":{replica}}}'
            for point in self._points(swept):
                members = (*fixed, *point)
                text = '{"parameters":{' + ",".join([members[i] for i in in_order]) + end
                yield id_of(text)

    def _points(self, values: Sequence[Sequence[_T]]) -> Iterator[tuple[_T, ...]]:
        """Combine the values of the swept parameters, or what stands for them."""
        if self.sweep == "product":
            return itertools.product(*values)
        return zip(*values, strict=True) if values else iter([()])

    def snapshot(self) -> dict[str, Any]:
        """Give what :meth:`from_snapshot` needs; it can be written as JSON."""
        return self.model_dump()

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
        """The simulation script, absolute."""
        return self._loaded().script_path

    @property
    def script_hash(self) -> str:
        """SHA-256 of the script when the study was loaded, as hexadecimal digits."""
        return self._loaded().script_hash

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
    for name, text in (overrides or {}).items():
        document = _with_override(document, name, text)
    for note in document.misreadings("parameters", "seed", "replicas", "retries"):
        logger.warning("%s", note)  # what is wrong may be so because of these
    study = document.validate(Study)
    for note in _notes(document, study):
        logger.warning("%s", note)
    script = _find_script(document, study.script)
    study._origin = Origin(document.path.absolute(), document.text, script, file_hash(script))
    return study


def _notes(document: Document, study: Study) -> Iterator[str]:
    """Say what may not be what was meant, though it can be used."""
    for name, given in study.parameters.items():
        if isinstance(given, dict) and "step" in given:
            last = study.values(name)[-1]
            if last != given["stop"]:
                yield document.note(
                    ("parameters", name),
                    f"ends at {last}, since steps of {given['step']} do not meet the stop "
                    f"{given['stop']}; write `stop: {last}`, another step, or `num` in its place",
                )
    yield from without_unit(document, "time_limit")


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


def _with_override(document: Document, name: str, text: str) -> Document:
    origin = f"--set {name}={text}"
    parameters = document.data.get("parameters")
    known = parameters if isinstance(parameters, dict) else {}
    if name in Study.model_fields and name not in known:
        line = document.line_of((name,))
        place = f"{document.path}:{line}" if line else str(document.path)
        raise InputError(
            f"{origin}: `{name}` is a key of the study, not one of its parameters; "
            f"write `{name}: {text}` into {place}, or into a copy"
        )
    if name not in known:
        raise InputError(f"{origin}: {unknown('parameter', name, known)} (in {document.path})")
    if not text.strip():
        raise InputError(f"{origin}: has no value; write --set {name}=VALUE")
    return document.set(("parameters", name), text, origin)


def shipped_simulations() -> dict[str, Path]:
    """Give the simulation scripts that come with the package, by name."""
    scripts = sorted(SIMULATIONS.glob("[!_]*.py"))
    return {path.stem: path for path in scripts if path.stem not in _PARTS}


def _find_script(document: Document, script: str) -> Path:
    shipped = shipped_simulations()
    if script in shipped:
        return shipped[script]
    path = Path(script)
    try:
        path = (document.path.parent / expand(script)).absolute()
        with open_file(path) as file:
            file.read(1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise document.error(
            ("script",),
            f"{script!r} cannot be read (looked for {str(path)!r}: {reason}); "
            "write a path relative to the study file, "
            f"or one of the shipped simulations: {', '.join(shipped) or 'none'}",
        ) from error
    return path
