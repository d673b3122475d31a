"""A study: what to simulate, and the simulations that it comes to."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, Field

from ..errors import BadValueError, InputError, describe, unknown
from ..files import file_hash, open_file
from ..identity import canonical_json
from ..paths import expand
from ..walltime import parse_duration
from .document import Document, without_unit
from .interface import Interface
from .parameters import checked_parameters
from .shipped import SIMULATIONS, file_or_template, study_names
from .simulations import Simulation as Simulation
from .simulations import Simulations
from .until import checked_until

logger = logging.getLogger(__name__)

_PARTS = {"probe", "abort", "imports"}  # of the package, among the simulations
_LARGE = 0.1  # a relative error that may have been meant in percent
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
    script_path : Path
        The simulation script, absolute.
    script_hash : str
        SHA-256 of the script, as hexadecimal digits.
    """

    path: Path
    source: str
    script_path: Path
    script_hash: str


class Study(Simulations, Interface):
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
    reference : str or None
        The curve that a plot of pressure against volume fraction is compared with: ``wca``, the
        equation of state of the WCA fluid at kT = epsilon.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, BeforeValidator(_checked_name)]
    engine: str = "espresso"
    script: str
    parameters: Annotated[dict[str, Any], BeforeValidator(checked_parameters)]
    sweep: Literal["product", "zip"] = "product"
    replicas: int = Field(default=1, ge=1)
    until: Annotated[dict[str, Any] | None, BeforeValidator(checked_until)] = None
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    time_limit: Annotated[
        float | None, BeforeValidator(lambda v: None if v is None else parse_duration(v))
    ] = None
    retries: int = Field(default=1, ge=0)
    reference: Literal["wca"] | None = None

    _origin: Origin | None = None

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
    def _check_size(self) -> Study:
        self.check_size()
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

    def snapshot(self) -> dict[str, Any]:
        """Give what :meth:`from_snapshot` needs; it can be written as JSON."""
        later = ("until", *Interface.model_fields)  # without them it is as it was before them
        return self.model_dump(exclude={name for name in later if getattr(self, name) is None})

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
    for note in document.misreadings("parameters", "seed", "replicas", "retries", "arguments"):
        logger.warning("%s", note)  # what is wrong may be so because of these
    study = document.validate(Study)
    script = _find_script(document, study.script)
    study._origin = Origin(document.path.absolute(), document.text, script, file_hash(script))
    for note in _notes(document, study):
        logger.warning("%s", note)
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
    yield from (document.note(at, said) for at, said in study.interface_notes(study.script_path))
    for target in study.targets.targets if study.targets else ():
        written = document.data["until"][target.result]
        if target.is_relative and target.error >= _LARGE and written["relative"] == target.error:
            yield document.note(
                ("until", target.result, "relative"),
                f"is read as {100 * target.error:g} %; write `{target.error:g} %` if that is meant",
            )


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
