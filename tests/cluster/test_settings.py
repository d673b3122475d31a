import re
from pathlib import Path

import dask
import pytest
from dask.utils import parse_timedelta

from dask_espresso.cluster.settings import SETTINGS, setting

DOCS = Path(__file__).parents[2] / "docs" / "clusters.md"


def test_the_documented_settings_are_those_that_there_are():
    rows = re.findall(r"^\| `dask-espresso\.([a-z.-]+)` \| ([^|]+) \|", DOCS.read_text(), re.M)
    documented = {name: parse_timedelta(default.replace("min", "m")) for name, default in rows}
    assert documented == {name: setting(name) for name in SETTINGS}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_looked_up_when_it_is_used(name):
    before = setting(name)
    section, key = name.split(".")
    with dask.config.set({"dask-espresso": {section: {key.replace("-", "_"): "10ms"}}}):
        assert setting(name) == 0.01
    assert setting(name) == before
    with dask.config.set({f"dask-espresso.{section}": None}):  # an empty section of a file
        assert setting(name) == before
