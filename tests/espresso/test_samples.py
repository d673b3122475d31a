"""Scripts as ESPResSo's own samples are written, forked and fresh."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulators import close_all, probe, run_process

from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile

pytestmark = pytest.mark.espresso

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.py"))


@pytest.fixture(scope="module")
def espresso(pypresso):
    engine = Profile(engines={"espresso": EngineSettings(command=pypresso)}).engine("espresso")
    assert probe(engine).start == "fork"
    yield engine
    close_all()


@pytest.mark.parametrize("sample", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_forked_and_fresh_are_equal(espresso, sample):
    results = {}
    for seed in (1, 2):
        for start in ("fork", "spawn"):
            report = run_process(replace(espresso, start=start), sample, {"seed": seed})
            assert report.failure() == ""
            results[seed, start] = report.output.payload()
        for name, forked in results[seed, "fork"].items():
            np.testing.assert_array_equal(forked, results[seed, "spawn"][name])
    assert any(
        not np.array_equal(value, results[2, "fork"][name])
        for name, value in results[1, "fork"].items()
    )
