"""What a store says: a table of its results, and their plot."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console

from ..errors import InputError
from ..inputs.study import Study
from ..outcome import Outcome
from ..script.statistics import pool
from ..store.columns import Path as ColumnPath
from ..store.columns import flatten
from ..store.contents import StoreContents
from ..store.names import column_names
from ..store.store import read_store
from .dependence import missing_dependence
from .export import check_free, write_output
from .texts import literal, say
from .versions import Versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .plot import Curve

# parameters that the reference curve is in units of
_UNITS = frozenset({"kT", "temperature", "epsilon", "sigma"})
_MAX_NAMES = 20  # that a message lists
_LONG_LABEL = 30  # characters
_LARGEST = 1e300  # matplotlib needs room for margins and ticks, and floats end at 1.8e308
_KINDS = {"bool": "true or false", "str": "text", "ndarray": "array", "complex": "complex",
          "list": "list", "tuple": "list", "dict": "nested"}  # fmt: skip
_GAP = "  "  # between columns


@dataclass(frozen=True)
class Point:
    """One set of parameters with what its replicas gave.

    Attributes
    ----------
    parameters : dict
        The same for all its replicas.
    outcomes : list of Outcome
        One a replica.
    """

    parameters: dict[str, Any]
    outcomes: list[Outcome]

    def values(self, name: str) -> list[float]:
        """Give a result of every replica that is done and has it."""
        return [_float(result[name]) for result in self._results_with(name)]

    def pooled(self, name: str) -> tuple[float, float]:
        """Give a result's mean over the replicas, and its standard error.

        Both are NaN where they are not known; the mean is infinite if a value is beyond floats.
        """
        values = self.values(name)
        if not all(map(math.isfinite, values)):
            return math.inf, math.nan
        errors = [_standard_error(r.get(f"{name}_sem")) for r in self._results_with(name)]
        return pool(values, errors)

    def _results_with(self, name: str) -> list[dict[str, Any]]:
        results = [o.result for o in self.outcomes if o.is_done and o.result is not None]
        return [result for result in results if _is_number(result.get(name))]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(number: float) -> float:
    """Give the nearest float, infinity for whole numbers that are beyond all of them."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _standard_error(value: Any) -> float:
    error = _float(value) if _is_number(value) else math.nan
    return error if 0 <= error < math.inf else math.nan


def _read(path: Path) -> tuple[StoreContents[Outcome], Study]:
    contents = read_store(path)
    try:
        return contents, Study.from_snapshot(contents.study)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def points(contents: StoreContents[Outcome]) -> list[Point]:
    """Group the outcomes of the study, as it was run last, by their parameters.

    Returns
    -------
    list of Point
        In the study's order; nested results have names such as ``energy.total``.
    """
    grouped: dict[str, Point] = {}
    nested: list[Outcome] = []
    for simulation in Study.from_snapshot(contents.study).simulations():
        outcome = contents.outcomes.get(simulation.id)
        if outcome is not None:
            if any("." in n or isinstance(v, dict) for n, v in (outcome.result or {}).items()):
                nested.append(outcome)
            key = repr(simulation.parameters)
            grouped.setdefault(key, Point(simulation.parameters, [])).outcomes.append(outcome)
    return _unnested(list(grouped.values())) if nested else list(grouped.values())


def _unnested(rows: list[Point]) -> list[Point]:
    """Give leaves of nested results, and names with dots, the names that their columns have."""
    results = [outcome.result or {} for point in rows for outcome in point.outcomes]
    paths = dict.fromkeys(path for result in results for path in flatten(result))
    dotted = {path for path in paths if "." in ".".join(path)}
    names = {path: path[0] for path in paths if path not in dotted}
    names |= {path: name for (_, path), name in column_names({"result": dotted}, str).items()}
    return [
        Point(point.parameters, [_renamed(outcome, names) for outcome in point.outcomes])
        for point in rows
    ]


def _renamed(outcome: Outcome, names: dict[ColumnPath, str]) -> Outcome:
    leaves = flatten(outcome.result or {})
    result = {names[path]: leaf for path, leaf in leaves.items()}
    return replace(outcome, result=None if outcome.result is None else result)


def _apart(rows: Sequence[Point], versions: Versions) -> tuple[list[Point], list[str]]:
    """Give the points for each version apart, which are not to be pooled.

    Returns
    -------
    points : list of Point
        What tells the versions apart is among their parameters.
    names : list of str
        Of these parameters; empty where all outcomes are of one version.
    """
    apart: list[Point] = []
    names: dict[str, None] = {}
    for point in rows:
        for marks, outcomes in _groups(point.outcomes, versions):
            free = {n if n not in point.parameters else f"outcome.{n}": v for n, v in marks.items()}
            names.update(dict.fromkeys(free))
            apart.append(Point(point.parameters | free, outcomes))
    return apart, list(names)


def _groups(
    outcomes: Sequence[Outcome], versions: Versions
) -> Iterable[tuple[dict[str, str], list[Outcome]]]:
    """Group outcomes by their versions; those that do not know theirs get no group of their own."""
    groups: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: "" in versions.marks(o).values()):
        key = tuple(versions.marks(outcome).values())
        groups.setdefault(next(iter(groups)) if "" in key and groups else key, []).append(outcome)
    return [(versions.marks(group[0]), group) for group in groups.values()]


def print_table(path: Path, console: Console) -> list[str]:
    """Print a row a point: its swept parameters and its results, replicas of a version pooled.

    A terminal gets the columns that it has room for, and is told of the others.

    Returns
    -------
    list of str
        What is to be said beside it.
    """
    contents, study = _read(path)
    rows = points(contents)
    names = result_names(rows)
    versions = Versions((o for point in rows for o in point.outcomes), contents.versions)
    rows, marks = _apart(rows, versions)
    done = [sum(outcome.is_done for outcome in point.outcomes) for point in rows]
    columns = [
        *(
            [literal(name), *_told_apart([p.parameters[name] for p in rows])]
            for name in [*study.swept, *marks]
        ),
        ["done", *(f"{n}/{study.replicas}" for n in done)],
        *([_heading(study, n), *(format_with_error(*p.pooled(n)) for p in rows)] for n in names),
    ]
    first = len(columns) - len(names)  # result
    shown = columns[: max(_how_many_fit(columns, console), first + 1)]
    header, *lines = zip(*map(_right_justified, shown), strict=True)
    console.out(_GAP.join(header), style="bold", highlight=False)
    if lines:
        console.out("\n".join(map(_GAP.join, lines)), highlight=False)
    if left_out := names[len(shown) - first :]:
        say(console, f"no room for {_some(left_out)}; widen the terminal, or write into a file")
    said = [*versions.describe(), *_note(path, contents, study)]
    if others := _no_numbers(rows):
        said.append(
            f"not shown: {_some(others)}; they are in `dask-espresso export {path} FILE.csv`"
        )
    if gone := len(contents.outcomes) - sum(len(point.outcomes) for point in rows):
        said.append(f"not shown: {gone} recorded simulations that are not in the study now")
    return said


def _no_numbers(rows: list[Point]) -> list[str]:
    """Name the results that are no numbers, and what they are."""
    kinds: dict[str, str] = {}
    for point in rows:
        for outcome in point.outcomes:
            for name, value in (outcome.result or {}).items():
                if value is not None and not _is_number(value):
                    kinds.setdefault(name, _KINDS.get(type(value).__name__, "no number"))
    return [f"{name} ({kind})" for name, kind in kinds.items()]


def _note(path: Path, contents: StoreContents[Outcome], study: Study) -> list[str]:
    """Give the warnings in one line."""
    outcomes = [contents.outcomes.get(name) for name in study.ids()]
    first, *others = missing_dependence(study, outcomes) or [""]
    more = f"; {len(others)} more: dask-espresso status {path}" if others else ""
    return [f"warning: {first}{more}"] if first else []


def _heading(study: Study, name: str) -> str:
    """Name a result's column as the store does."""
    return literal(f"result.{name}" if name in study.parameters else name)


def _how_many_fit(columns: Sequence[Sequence[str]], console: Console) -> int:
    if not console.is_terminal:
        return len(columns)
    room = console.width + len(_GAP)
    for i, column in enumerate(columns):
        room -= max(map(cell_len, column)) + len(_GAP)
        if room < 0:
            return i
    return len(columns)


def _right_justified(column: Sequence[str]) -> list[str]:
    width = max(map(cell_len, column))
    return [" " * (width - cell_len(text)) + text for text in column]


def result_names(rows: list[Point]) -> list[str]:
    """Name the numbers that the simulations gave, without standard errors, which go along.

    Parameters that a script merely gives back are left out too.

    Returns
    -------
    list of str
        Those with a standard error first: they are what the study is about.
    """
    names: dict[str, None] = {}
    for point in rows:
        for outcome in point.outcomes:
            names.update(
                (name, None) for name, v in (outcome.result or {}).items() if _is_number(v)
            )
    results = {name: None for name in names if not _is_given_back(rows, name)}
    alone = [n for n in results if not n.endswith("_sem") or n.removesuffix("_sem") not in results]
    return sorted(alone, key=lambda name: f"{name}_sem" not in names)


def _is_given_back(rows: list[Point], name: str) -> bool:
    """Say whether a result is no more than the parameter of that name."""
    return all(
        name in point.parameters and outcome.result[name] == point.parameters[name]
        for point in rows
        for outcome in point.outcomes
        if outcome.result and _is_number(outcome.result.get(name))
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    listed = literal(", ".join(names[:_MAX_NAMES]))
    return f"{listed} and {more} more" if more > 0 else listed


def _told_apart(values: Sequence[Any]) -> list[str]:
    """Write values with as few digits as tell them apart, and in quotes where 1 and "1" differ."""
    distinct = len(set(map(repr, values)))
    for digits in (6, 9, 12, 15):
        texts = [f"{v:.{digits}g}" if isinstance(v, float) else str(v) for v in values]
        if len(set(texts)) == distinct:
            return [literal(text) for text in texts]
    return [literal(repr(value)) for value in values]


def format_with_error(value: float, error: float) -> str:
    """Write a value with its standard error in the last two digits.

    Examples
    --------
    >>> format_with_error(2.4183, 0.0021)
    '2.4183(21)'
    >>> format_with_error(20000, 0)
    '20000'
    """
    if math.isnan(value):
        return "-"
    if math.isinf(value):  # a whole number; other infinite ones are no success
        return "too large"
    if not math.isfinite(error) or error <= 1e-12 * abs(value):
        return f"{value:.6g}"
    # decimals, since a float cannot hold 10**digits for the smallest errors
    exponent = _place(max(abs(value), error))
    power = "" if -6 < exponent < 16 else f"e{exponent:+03d}"
    shift = exponent if power else 0
    digits = max(0, 1 + shift - _place(error))
    shown, uncertainty = Decimal(value).scaleb(-shift), Decimal(error).scaleb(digits - shift)
    return f"{shown:.{digits}f}({uncertainty:.0f}){power}"


def _place(number: float) -> int:
    """Give the power of ten of the first of a number's two leading digits, rounded."""
    return Decimal(f"{number:.1e}").adjusted()


def plot_store(path: Path, output: Path, x_name: str | None, y_name: str | None) -> list[str]:
    """Plot a result against a parameter into a picture.

    Parameters
    ----------
    path : Path
        The store.
    output : Path
        The picture; its suffix says which kind.
    x_name, y_name : str or None
        By default the first parameter swept over numbers and the first result.

    Returns
    -------
    list of str
        What is to be said beside it.

    Raises
    ------
    InputError
        If there is nothing to plot, no such parameter or result, or no such kind of picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    kinds = figure.canvas.get_supported_filetypes()
    kind = output.suffix[1:].lower()
    if kind not in kinds:
        raise InputError(f"{output}: name a picture that ends in .{', .'.join(sorted(kinds))}")
    check_free(output, path)
    notes = _draw(figure, path, x_name, y_name)
    write_output(output, _picture(figure, output, kind))
    return notes


def _picture(figure: Figure, output: Path, kind: str) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # what the font lacks is drawn as a box
        try:
            figure.savefig(stream, format=kind, dpi=150)
        except Exception as error:  # a backend may need programs, and say so in any way
            said = literal(str(error).partition("\n")[0])
            raise InputError(
                f"{output}: cannot be drawn ({type(error).__name__}: {said}); "
                "try another kind of picture, such as .png"
            ) from error
    return stream.getvalue()


def _draw(figure: Figure, path: Path, x_name: str | None, y_name: str | None) -> list[str]:
    """Draw a curve for each setting of the other swept parameters; say what is to be said."""
    from .plot import MAX_LEGEND, Curve, plot_curves, wca_pressure

    contents, study = _read(path)
    rows = points(contents)
    if not any(outcome.is_done for point in rows for outcome in point.outcomes):
        raise InputError(
            f"{path}: no simulation is done, so there is nothing to plot; "
            f"`dask-espresso status {path}` says why"
        )
    numeric = [n for n in study.swept if all(_is_number(p.parameters[n]) for p in rows)]
    x = _choose(path, "parameter", x_name, numeric, [n for n in study.swept if n not in numeric])
    y = _choose(path, "result", y_name, result_names(rows), _no_numbers(rows))
    rows, marks = _apart(rows, Versions((o for p in rows for o in p.outcomes), contents.versions))
    others = [name for name in [*study.swept, *marks] if name != x]
    found = _curves(rows, x, y, others)
    curves = []
    for texts, points_ in found.items():
        label = ", ".join(f"{name} = {text}" for name, text in zip(others, texts, strict=True))
        if len(found) > MAX_LEGEND:
            label = ", ".join(texts)  # the colour bar has the names
        values = [point.pooled(y) for point in points_]
        curve = Curve(
            label=_drawable(label or study.name),
            x=[point.parameters[x] for point in points_],
            y=[mean for mean, _ in values],
            y_err=[error for _, error in values],
        )
        _check_range(f"{path}: parameter {x!r}", curve.x)
        _check_range(f"{path}: result {y!r}", [*curve.y, *curve.y_err])
        curves.append(curve)
    if not curves:
        raise InputError(
            f"{path}: no simulation that is done has a number {y!r}, so there is nothing to plot; "
            f"`dask-espresso status {path}` says why"
        )
    is_reference = study.reference == "wca" and (x, y) == ("volume_fraction", "pressure")
    refusal = _no_reference(rows, curves) if is_reference else ""
    plot_curves(
        curves,
        x_label=_drawable(x).replace("_", " "),
        y_label=_drawable(y).replace("_", " "),
        curves_label=_drawable(", ".join(others)).replace("_", " "),
        reference=wca_pressure if is_reference and not refusal else None,
        reference_label="WCA equation of state",
        ax=figure.add_subplot(),
    )
    said = [f"no reference curve: {refusal}"] if refusal else []
    if without := len(rows) - sum(map(len, found.values())):
        said.append(
            f"{without} of {len(rows)} points have no {y!r} of a simulation that is done: "
            f"dask-espresso status {path}"
        )
    return said + _note(path, contents, study)


def _no_reference(rows: list[Point], curves: Sequence[Curve]) -> str:
    """Say why the equation of state of the WCA fluid does not hold here; empty if it does."""
    for point in rows:
        for name, value in point.parameters.items():
            if name in _UNITS and value != 1:
                return f"that of wca holds for {name} = 1, not for {name} = {value}"
    if not all(0 <= fraction < 1 for curve in curves for fraction in curve.x):
        return "that of wca holds for volume fractions from 0 to 1"
    return ""


def _choose(
    path: Path, kind: str, name: str | None, known: list[str], others: Sequence[str] = ()
) -> str:
    if name in known:
        return str(name)
    if name is None and known:
        return known[0]
    wanted = f"no {kind} {name!r}" if name else f"no numeric {kind}"
    there = f"; there are {_some(known)}" if known else ""
    there += f"; no numbers: {_some(others)}" if others else ""
    raise InputError(f"{path}: {wanted} to plot{there}")


def _check_range(what: str, values: Iterable[float]) -> None:
    for value in values:
        if abs(value) > _LARGEST:  # NaN is not
            said = f"{value:.6g}" if math.isfinite(value) else "beyond floats"
            raise InputError(f"{what} is {said}; numbers above {_LARGEST:g} cannot be drawn")


def _drawable(text: str) -> str:
    """Give a text of the user's for a picture: no formula, and not too long."""
    short = text if len(text) <= _LONG_LABEL else f"{text[: _LONG_LABEL - 10]} … {text[-7:]}"
    return literal(short).replace("$", r"\$")


def _curves(
    rows: list[Point], x: str, y: str, others: Sequence[str]
) -> dict[tuple[str, ...], list[Point]]:
    """Give the points of each curve by its other parameters, without those that lack the result."""
    there = [point for point in rows if point.values(y)]
    if len(others) == 1 and all(_is_number(p.parameters[others[0]]) for p in there):
        there.sort(key=lambda point: float(point.parameters[others[0]]))
    texts = [_told_apart([point.parameters[name] for point in there]) for name in others]
    curves: dict[tuple[str, ...], list[Point]] = {}
    for i, point in enumerate(there):
        curves.setdefault(tuple(text[i] for text in texts), []).append(point)
    return {
        setting: sorted(curve, key=lambda point: float(point.parameters[x]))
        for setting, curve in curves.items()
    }
