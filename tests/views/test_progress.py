"""What is said while a study runs."""

import io

import pytest
from rich.console import Console

from dask_espresso.outcome import Status
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
