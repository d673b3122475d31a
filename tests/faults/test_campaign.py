"""The campaign's short form: every fault at least once."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_outcome_is_lost_whatever_goes_wrong():
    program = Path(__file__).with_name("campaign.py")
    done = subprocess.run(
        [sys.executable, str(program), "--short"],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
