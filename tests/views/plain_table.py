"""Tables, made of outcomes one by one: slow, and plain to read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from outcome_tables import filled_table

from dask_espresso.outcome import FIELDS, Status
from dask_espresso.script.statistics import pool
from dask_espresso.store.columns import ABSENT, DIMENSION
from dask_espresso.store.names import ROLES, column_names
from dask_espresso.store.nested import flatten
from dask_espresso.views.plain_values import plain
from dask_espresso.views.texts import format_with_error, literal, told_apart

KINDS = {"bool": "true or false", "str": "text", "ndarray": "array", "complex": "complex",
         "list": "list", "tuple": "list", "dict": "nested"}  # fmt: skip


@dataclass
class Point:
    """One set of parameters with what its replicas gave."""

    parameters: dict
    outcomes: list

    def pooled(self, name):
        results = [o.result for o in self.outcomes if o.is_done and o.result is not None]
        there = [result for result in results if is_number(result.get(name))]
        values = [as_float(result[name]) for result in there]
        if not all(map(math.isfinite, values)):
            return math.inf, math.nan
        return pool(values, [standard_error(r.get(f"{name}_sem")) for r in there])


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_float(number):
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def standard_error(value):
    error = as_float(value) if is_number(value) else math.nan
    return error if 0 <= error < math.inf else math.nan


def points_of(study, outcomes):
    """Group the outcomes of a study, by id, by their parameters."""
    grouped = {}
    for simulation in study.simulations():
        if outcome := outcomes.get(simulation.id):
            key = repr(simulation.parameters)
            grouped.setdefault(key, Point(simulation.parameters, [])).outcomes.append(outcome)
    points = list(grouped.values())
    results = [outcome.result or {} for point in points for outcome in point.outcomes]
    paths = dict.fromkeys(path for result in results for path in flatten(result))
    dotted = {path for path in paths if "." in ".".join(path)}
    names = {path: path[0] for path in paths if path not in dotted}
    names |= {path: name for (_, path), name in column_names({"result": dotted}, str).items()}
    for point in points:
        point.outcomes = [renamed(outcome, names) for outcome in point.outcomes]
    return points


def renamed(outcome, names):
    leaves = flatten(outcome.result or {})
    result = {names[path]: leaf for path, leaf in leaves.items()}
    return replace(outcome, result=None if outcome.result is None else result)


def marks_of(outcome, codes, engines):
    marks = {}
    if len(codes) > 1:
        marks["version"] = outcome.code_hash[:8]
    if len(engines) > 1:
        version = outcome.engine_version
        marks["engine"] = f"{outcome.engine} {version}" if version else ""
    return marks


def apart(points):
    """Give the points for each version apart; outcomes that do not know theirs get none."""
    every = [outcome for point in points for outcome in point.outcomes]
    codes = {o.code_hash for o in every} - {""}
    engines = {o.engine_version and f"{o.engine} {o.engine_version}" for o in every} - {""}
    found, names = [], {}
    for point in points:
        groups = {}
        in_order = sorted(point.outcomes, key=lambda o: "" in marks_of(o, codes, engines).values())
        for outcome in in_order:
            key = tuple(marks_of(outcome, codes, engines).values())
            key = next(iter(groups)) if "" in key and groups else key
            groups.setdefault(key, []).append(outcome)
        for group in groups.values():
            marks = marks_of(group[0], codes, engines)
            free = {n if n not in point.parameters else f"outcome.{n}": v for n, v in marks.items()}
            names |= dict.fromkeys(free)
            found.append(Point(point.parameters | free, group))
    return found, list(names)


def result_names(points):
    names = {}
    for point in points:
        for outcome in point.outcomes:
            names |= {name: None for name, v in (outcome.result or {}).items() if is_number(v)}
    results = [name for name in names if not is_given_back(points, name)]
    alone = [n for n in results if not n.endswith("_sem") or n.removesuffix("_sem") not in results]
    return sorted(alone, key=lambda name: f"{name}_sem" not in names)


def is_given_back(points, name):
    return all(
        name in point.parameters and outcome.result[name] == point.parameters[name]
        for point in points
        for outcome in point.outcomes
        if outcome.result and is_number(outcome.result.get(name))
    )


def no_numbers(points):
    kinds = {}
    for point in points:
        for outcome in point.outcomes:
            for name, value in (outcome.result or {}).items():
                if value is not None and not is_number(value):
                    kinds.setdefault(name, KINDS.get(type(value).__name__, "no number"))
    return [f"{name} ({kind})" for name, kind in kinds.items()]


def table_of(study, outcomes):
    """Give the columns of a table, and what of the results is not in it."""
    points = points_of(study, outcomes)
    names = result_names(points)
    points, marks = apart(points)
    done = [sum(outcome.is_done for outcome in point.outcomes) for point in points]
    columns = [
        [literal(name), *told_apart([p.parameters[name] for p in points])]
        for name in [*study.swept, *marks]
    ]
    columns.append(["done", *(f"{n}/{study.replicas}" for n in done)])
    for name in names:
        heading = literal(f"result.{name}" if name in study.parameters else name)
        columns.append([heading, *(format_with_error(*p.pooled(name)) for p in points)])
    return columns, no_numbers(points)


def exported(outcomes):
    """Give the columns of an export, a value an outcome, or ABSENT."""
    table = filled_table(outcomes)
    paths = {role: table.paths(role) for role in ROLES}
    names = column_names(paths, plain)
    columns = {DIMENSION: [outcome.id for outcome in outcomes]}
    for role in ("parameter", "result", "outcome"):
        for path, values in table.columns(role, paths[role]):
            columns[names[role, path]] = [plain(value) for value in values]
    del columns["log"]
    columns["status"] = [Status(number).label for number in columns["status"]]
    for name in FIELDS:
        if name in columns:
            columns[name] = [None if value is ABSENT else value for value in columns[name]]
    return columns
