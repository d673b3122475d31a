"""The simulation's interpreter is another one than the driver's, with another numpy."""

import sys

import numpy as np
import pytest
from environments import new_environment
from simulators import run_process

from dask_espresso.engines import Engine

SCRIPT = """
    import dask_espresso, numpy as np
    params = dask_espresso.get_data_from_stdin()
    arrays = [params["a"] * 2, np.arange(6.0).reshape(2, 3), np.float32(1.5), np.array(["x", "yz"])]
    print(dask_espresso.encode_transport_data({"arrays": arrays, "numpy": np.__version__}))
"""


@pytest.fixture(scope="module")
def other_numpy(tmp_path_factory):
    """An interpreter with a numpy of the other side of the 1 to 2 divide."""
    wanted = "numpy<2" if int(np.__version__.split(".")[0]) >= 2 else "numpy>=2"
    folder = tmp_path_factory.mktemp("other_numpy")
    return Engine("other", command=(new_environment(folder, "--only-binary=:all:", wanted),))


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="numpy 1 has no wheels for this Python")
def test_arrays_cross_between_numpy_1_and_2(other_numpy, script):
    report = run_process(other_numpy, script(SCRIPT), {"a": np.arange(3, dtype=np.int16)})
    assert report.failure() == ""
    result = report.output.payload()
    assert result["numpy"].split(".")[0] != np.__version__.split(".")[0]
    expected = [np.arange(3, dtype=np.int16) * 2, np.arange(6.0).reshape(2, 3), np.float32(1.5)]
    for got, wanted in zip(result["arrays"], [*expected, np.array(["x", "yz"])], strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype
