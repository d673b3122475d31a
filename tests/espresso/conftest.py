import os
import shlex

import pytest


@pytest.fixture(scope="session")
def pypresso():
    """Give the command that starts ESPResSo, as a list."""
    return shlex.split(os.environ["PYPRESSO"])
