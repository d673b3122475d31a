"""A store to look at: what the command line says of one, as objects."""

from __future__ import annotations

import collections
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from rich.console import Console

from ..errors import InputError
from ..outcome import Outcome, Status
from ..paths import expand
from ..store.claim import describe_owner
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look, read_store
from ..views.dataset import dataset
from ..views.failures import failures_report, print_failures
from ..views.frame import dataframe
from ..views.numbers import Numbers
from ..views.pooled import PooledPoint, pooled
from ..views.show import result_names
from ..views.status import status_report
from ..views.texts import some_of
from .card import Lines, as_html, as_text

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure

_MOST_LINES = 40  # of failures that are shown


def open_store(path: str | os.PathLike[str]) -> OpenStore:
    """Open a store to look at it.

    Parameters
    ----------
    path : path
        The HDF5 file; a driver may be writing it.

    Returns
    -------
    OpenStore

    Raises
    ------
    InputError
        If there is no store.

    Examples
    --------
    >>> store = open_store("my_study.h5")                                          # doctest: +SKIP
    >>> store.pooled("pressure")[0].mean                                           # doctest: +SKIP
    2.4233
    """
    store = OpenStore(path)
    look(store.path, lambda reader, contents: None)
    return store


class OpenStore:
    """A store to look at.

    Nothing is read before it is asked for, and everything is read anew each time: what is there
    now counts, also while a driver writes it. No file stays open.

    Parameters
    ----------
    path : path
        The HDF5 file; it need not be there yet.

    Attributes
    ----------
    path : Path
        Absolute.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(expand(str(path))).absolute()

    def dataset(self) -> xarray.Dataset:
        """Read the results along the swept parameters and replicas.

        See :func:`dask_espresso.dataset`.
        """
        return dataset(self.path)

    def pooled(self, name: str, confidence: float = 95) -> list[PooledPoint]:
        """Pool a result over the replicas of each point; see :func:`dask_espresso.pooled`."""
        return pooled(self.path, name, confidence)

    def dataframe(self) -> pandas.DataFrame:
        """Read a row a simulation, with the columns that `dask-espresso export` writes.

        Whole numbers stay whole where some are missing; arrays are objects.
        """
        return dataframe(self.path)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """All outcomes, by the simulations' ids; they are read as a whole."""
        return read_store(self.path).outcomes

    @property
    def failures(self) -> Failures:
        """What is recorded and not done, grouped by cause, the largest group first."""
        return Failures(failures_report(self.path))

    def status(self) -> dict[str, Any]:
        """Say how far the study is, as ``dask-espresso status --json`` does."""
        return status_report(self.path)

    def plot(
        self,
        x: str | None = None,
        y: str | None = None,
        **settings: Any,
    ) -> Figure:
        """Plot a result against a parameter, with error bars.

        Parameters
        ----------
        x : str, optional
            A swept parameter; by default the first one that is numbers. Of a result that is a
            curve, the result along which it stands.
        y : str, optional
            The result, by default the first.
        **settings
            What :class:`~dask_espresso.views.drawing.Picture` has besides: ``series``, ``where``,
            ``log``, ``confidence``.

        Returns
        -------
        matplotlib.figure.Figure
            It shows itself in a notebook; ``figure.axes[0]`` is for changes, and
            ``figure.savefig("curve.pdf")`` writes it. What is to be said beside it is logged as a
            warning.

        Raises
        ------
        InputError
            If there is nothing to plot, or no such parameter, result or setting.
        """
        from .figure import figure_of

        return figure_of(self.path, {"x": x, "y": y, **settings})

    def __repr__(self) -> str:
        return as_text(self._title, self._lines())

    def _repr_html_(self) -> str:
        return as_html(self._title, self._lines())

    @property
    def _title(self) -> str:
        return f"Store {self.path.name}"

    def _lines(self) -> Lines:
        """Say what is in it; what cannot be read is said, too, since nothing else would say it."""
        try:
            return look(self.path, _lines)
        except InputError as error:
            return [("cannot be read", str(error))]


def _lines(reader: Reader, contents: StoreContents[Outcome]) -> Lines:
    study = reader.study
    counts = collections.Counter(Status(n).label for n in reader.field("status").tolist())
    said = [f"{counts[status.label]:,} {status.label}" for status in Status if counts[status.label]]
    most = " at most" if study.targets else ""
    if not most and (pending := study.count - len(reader)):
        said.append(f"{pending:,} pending")
    replicas = f"{study.replicas:,} replica{'s' * (study.replicas != 1)}{most}"
    lines = [
        ("study", study.name),
        ("points", f"{study.n_points:,}, each with {replicas}"),
        ("simulations", f"{study.count:,}{most}: {', '.join(said)}"),
        ("swept", some_of(_swept(reader)) or "nothing"),
        ("results", some_of(_results(reader)) or "none yet"),
    ]
    if contents.owner:
        lines.append(("running", describe_owner(contents.owner)))
    return lines


def _swept(reader: Reader) -> list[str]:
    every = np.arange(reader.study.n_points)
    return [f"{name} ({len(reader.study.coded(name, every)[0])})" for name in reader.study.swept]


def _results(reader: Reader) -> list[str]:
    numbers = Numbers(reader)
    return [*result_names(reader, numbers), *numbers.others(np.arange(len(reader)))]


class Failures(Sequence[dict[str, Any]]):
    """What is recorded in a store and not done: a sequence of groups, each of one cause.

    A group has its ``status``, ``cause``, ``example``, ``count``, what its simulations have in
    ``common``, a ``region`` of parameters that only they are in, and its ``simulations``, each with
    ``id`` and ``parameters``; see :func:`~dask_espresso.views.failures.failures_report`.

    Parameters
    ----------
    report : dict
        What that function gives.
    """

    def __init__(self, report: dict[str, Any]) -> None:
        self._report = report

    def __len__(self) -> int:
        return len(self._report["groups"])

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._report["groups"][index]

    def __repr__(self) -> str:
        stream = io.StringIO()
        print_failures(self._report, Console(file=stream, width=100))
        lines = stream.getvalue().splitlines()
        more = [f"… and {len(lines) - _MOST_LINES} lines more"] * (len(lines) > _MOST_LINES)
        return "\n".join([*lines[:_MOST_LINES], *more])
