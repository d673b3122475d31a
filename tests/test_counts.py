"""What a simulation costs does not grow by a fifth: in counts, which hold on a busy machine too."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.counts import grown, kept_counts, kind_of_machine

ROOT = Path(__file__).parent.parent


def counter(*trials):
    """Give what counts, and the trials that are left."""
    left = list(trials)
    return lambda: {"calls": left.pop(0)}, left


def test_a_fifth_more_is_found_where_no_trial_is_below():
    count, left = counter(130, 121, 125)
    assert grown({"calls": 100}, count) == {"calls": 121}
    assert left == []


def test_one_good_trial_is_enough():
    count, left = counter(130, 119, 125)
    assert grown({"calls": 100}, count) == {}
    assert left == [125]


@pytest.mark.slow
def test_a_simulation_costs_no_more_than_it_did():
    """In a process of its own, since it ends all that it has started."""
    if not kept_counts():
        pytest.skip(
            f"no counts are kept for {kind_of_machine()}: python -m benchmarks.counts --keep"
        )
    command = [sys.executable, "-m", "benchmarks.counts", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"{done.stdout}{done.stderr}\nIf that has to be so, keep what it costs now: CONTRIBUTING.md"
    )
