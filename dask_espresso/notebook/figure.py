"""A plot of a store as a figure that shows itself in a notebook."""

from __future__ import annotations

import functools
import io
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..errors import InputError, unknown
from ..store.reading import look
from ..views.drawing import Picture, drawing_of
from ..views.picture import draw

logger = logging.getLogger(__name__)


class ShownFigure(Figure):
    """A figure that needs no pyplot, and so none of its windows, to be seen."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=100)
        return stream.getvalue()


def figure_of(path: Path, settings: dict[str, Any]) -> Figure:
    """Draw what :class:`~dask_espresso.views.drawing.Picture` says, by these settings.

    Raises
    ------
    InputError
        If there is nothing to plot, or no such setting.
    """
    known = [field.name for field in fields(Picture)]
    for name in settings:
        if name not in known:
            raise InputError(f"plot: {unknown('setting', name, known)}")
    if isinstance(where := settings.get("where"), str):
        settings = {**settings, "where": [where]}
    picture = Picture(**settings)
    drawing = look(path, functools.partial(drawing_of, path, picture))
    figure = ShownFigure(figsize=(6.4, 4.8), layout="constrained")
    for note in [*drawing.notes, *draw(figure, drawing, picture)]:
        logger.warning("%s", note)
    return figure
