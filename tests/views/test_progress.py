"""What is said while a study runs."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from dask_espresso.outcome import Status
from dask_espresso.views import progress
from dask_espresso.views.progress import Counts, LiveDisplay, PlainDisplay

SAID = "jobs: 1 waiting ([/b] :smile: [bold])"


@pytest.mark.parametrize("display", [PlainDisplay, LiveDisplay])
def test_what_the_batch_system_says_is_shown_as_it_is(display):
    stream = io.StringIO()
    terminal = display is LiveDisplay
    console = Console(file=stream, width=200, force_terminal=terminal, emoji=False)
    with display(console) as shown:
        shown.say("[/c] :cat:")
        shown.update(Counts(total=2, recorded={Status.DONE: 1}, jobs=SAID))
    assert SAID in stream.getvalue()
    assert "[/c] :cat:" in stream.getvalue()


def test_a_log_has_a_line_every_few_seconds_and_one_at_the_end(monkeypatch):
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(progress, "time", clock)
    stream = io.StringIO()
    shown = PlainDisplay(Console(file=stream, width=200))
    for clock.now, count in ((1000, 0), (1000.2, 1), (1100, 1), (1100.2, 2), (1100.4, 3)):
        shown.update(Counts(total=3, recorded={Status.DONE: count}, started=1000.0))
    lines = [line.partition(":")[0] for line in stream.getvalue().splitlines()]
    assert lines == ["0/3", "1/3", "3/3"]
