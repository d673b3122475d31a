"""The figures of a report: bokeh draws them, in the reader's browser, with what is in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..store.arrays import Values
from .plot import MAX_LEGEND

if TYPE_CHECKING:
    from bokeh.plotting import figure
    from markupsafe import Markup

_HEIGHT = 360
_BINS = 40  # of a histogram
_MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "plus", "cross", "star",
            "hex", "asterisk")  # fmt: skip
_MILLISECONDS = 1000
_LONG_LABEL = 40  # characters; the hover box has all of it


class Bars(NamedTuple):
    """Points with error bars.

    Attributes
    ----------
    title : str
    x_name, y_name : str
        What is on the axes.
    is_log : bool
        Whether that of `x` is logarithmic.
    x, y, widths : array of float, shape (n,)
        The points, and how far the bars reach; nan draws none.
    series : array of int, shape (n,)
        Which series each is of.
    labels : list of str
        What the series are called.
    """

    title: str
    x_name: str
    y_name: str
    is_log: bool
    x: Values
    y: Values
    widths: Values
    series: Values
    labels: list[str]


class Histogram(NamedTuple):
    """How often something is between two of its edges."""

    title: str
    unit: str
    edges: Values
    counts: Values


def histogram(title: str, unit: str, values: Values) -> Histogram:
    """Count values between edges at equal distances."""
    edges = np.linspace(*_ends(values), _BINS + 1)
    return Histogram(title, unit, edges, np.histogram(values, edges)[0])


def _ends(values: Values) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.5 * abs(low) or 0.5
    return (low, high) if high > low else (low - margin, high + margin)


class Work(NamedTuple):
    """How many simulations ran at times, in seconds since 1970, by where they ran."""

    title: str
    times: Values
    lines: dict[str, Values]


Columns = Bars | Histogram | Work


def drawn(
    figures: Mapping[str, Sequence[Columns]],
) -> tuple[Markup, dict[str, list[tuple[str, Markup]]]]:
    """Give what a page needs once, with bokeh, and for each figure its title and its place.

    Bokeh escapes what comes from here: in scripts, names of series, and hover boxes.
    """
    from bokeh.document import Document
    from bokeh.embed import components
    from bokeh.resources import Resources
    from markupsafe import Markup

    models = {
        f"{place}-{i}": _drawn(one) for place, many in figures.items() for i, one in enumerate(many)
    }
    if not models:
        return Markup(), {place: [] for place in figures}
    document = Document()
    with document.models.freeze():  # else bokeh looks through all that it has with each one more
        for model in models.values():
            document.add_root(model)
    script, places = components(models)
    bokeh = Resources(mode="inline", components=["bokeh"]).render()
    return Markup(bokeh + script), {
        place: [(one.title, Markup(places[f"{place}-{i}"])) for i, one in enumerate(many)]
        for place, many in figures.items()
    }


def _drawn(given: Columns) -> figure:
    if isinstance(given, Bars):
        return _bars(given)
    return _histogram(given) if isinstance(given, Histogram) else _work(given)


def _new(x: str, y: str, tips: Sequence[tuple[str, str]] = (), **keys: str) -> figure:
    from bokeh.models import HoverTool
    from bokeh.plotting import figure

    plot = figure(
        x_axis_label=_cut(x), y_axis_label=_cut(y), height=_HEIGHT, sizing_mode="stretch_width",
        tools="pan,box_zoom,wheel_zoom,save,reset", active_scroll=None, toolbar_location="above",
        **keys,
    )  # fmt: skip
    plot.toolbar.logo = None
    if tips:
        plot.add_tools(HoverTool(tooltips=list(tips)))
    return plot


def _bars(given: Bars) -> figure:
    """Draw points with error bars; up to ten series have a legend, more have colours in order."""
    from bokeh.palettes import viridis

    tips = [(given.x_name, "@x{0.[000000]}"), (given.y_name, "@y{0.[000000]} ± @width{0.[000000]}")]
    tips += [("", "@label")] if len(given.labels) > 1 else []
    kind = "log" if given.is_log else "linear"
    plot = _new(given.x_name, given.y_name, x_axis_type=kind)
    colours = viridis(max(len(given.labels) + 1, 2))[: len(given.labels)]
    tipped = []
    for number, label in enumerate(given.labels):
        of_series = given.series == number
        x, y, widths = given.x[of_series], given.y[of_series], given.widths[of_series]
        order = np.argsort(x, kind="stable")
        x, y, widths = x[order], y[order], widths[order]
        has_bar = np.isfinite(widths)
        colour = colours[number]
        plot.segment(
            x[has_bar], (y - widths)[has_bar], x[has_bar], (y + widths)[has_bar], color=colour
        )
        points = {"x": x, "y": y, "width": widths, "label": [label] * len(x)}
        has_legend = 1 < len(given.labels) <= MAX_LEGEND
        tipped.append(plot.scatter(
            "x", "y", source=points, size=7, color=colour, marker=_MARKERS[number % len(_MARKERS)],
            **({"legend_label": _cut(label)} if has_legend else {}),
        ))  # fmt: skip
    _tip(plot, tipped, tips)
    _put_legend_below(plot)
    return plot


def _cut(label: str) -> str:
    return label if len(label) <= _LONG_LABEL else f"{label[: _LONG_LABEL - 1]}…"


def _tip(plot: figure, renderers: Sequence[object], tips: Sequence[tuple[str, str]]) -> None:
    from bokeh.models import HoverTool

    plot.add_tools(HoverTool(renderers=list(renderers), tooltips=list(tips)))


def _histogram(given: Histogram) -> figure:
    tips = [(given.unit, "@low{0.[000]} to @high{0.[000]}"), ("simulations", "@count")]
    plot = _new(given.unit, "simulations", tips)
    bars = {"low": given.edges[:-1], "high": given.edges[1:], "count": given.counts}
    plot.quad(
        left="low", right="high", top="count", bottom=0, source=bars, line_color="white",
        fill_color="#31688e",
    )  # fmt: skip
    plot.y_range.start = 0
    return plot


def _work(given: Work) -> figure:
    """Draw how many simulations ran, machine upon machine."""
    from bokeh.palettes import viridis

    names = list(given.lines)
    below = np.cumsum([np.zeros_like(given.times), *given.lines.values()], axis=0)
    times = given.times * _MILLISECONDS
    plot = _new("UTC", "simulations", x_axis_type="datetime")
    tipped = []
    for number, name in enumerate(names):
        areas = {"time": times, "low": below[number], "high": below[number + 1],
                 "count": given.lines[name], "name": [name] * len(times)}  # fmt: skip
        colour = viridis(len(names) + 1)[number]
        plot.varea_step("time", "low", "high", source=areas, fill_color=colour, legend_label=name)
        tipped.append(plot.scatter("time", "high", source=areas, size=4, color=colour, alpha=0.01))
    _tip(plot, tipped, [("machine", "@name"), ("simulations", "@count"), ("", "$snap_x{%F %T}")])
    plot.hover.formatters = {"$snap_x": "datetime"}
    plot.y_range.start = 0
    plot.xaxis.ticker.desired_num_ticks = 4  # they are long, and a phone is narrow
    _put_legend_below(plot)
    return plot


def _put_legend_below(plot: figure) -> None:
    """Let the figure have all of the width; a series that is clicked there is hidden."""
    if plot.legend:
        plot.add_layout(plot.legend[0], "below")
        plot.legend.click_policy, plot.legend.location = "hide", "top_left"
        plot.legend.label_text_font_size = "11px"
        plot.legend.spacing, plot.legend.padding, plot.legend.border_line_color = 2, 2, None
