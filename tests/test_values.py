"""Results whose numbers are not all finite."""

import tracemalloc

import numpy as np
import pytest

from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack, unpack
from dask_espresso.values import not_finite, storable

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"pressure": NAN}, "result['pressure'] is nan"),
        ({"energy": 1.0, "pressure": -INF}, "result['pressure'] is -inf"),
        ({"pressure": np.float32("nan")}, "result['pressure'] is nan"),
        ({"z": complex(0, NAN)}, "result['z'] is nanj"),
        ({"z": complex(INF, 1)}, "result['z'] is (inf+1j)"),
        ({"series": [1.0, 2, INF]}, "result['series'][2] is inf"),
        ({"pair": (1.0, NAN)}, "result['pair'][1] is nan"),
        ({"a": {"b": [{"c d": NAN}]}}, "result['a']['b'][0]['c d'] is nan"),
        ({"a": NAN, "b": INF}, "result['a'] is nan"),
        (
            {"rdf": np.array([NAN, 1, INF, -INF])},
            "result['rdf'] is nan or infinite in 3 of 4 places",
        ),
        (
            {"a": {"rdf": np.array([[1, NAN]], np.float16)}},
            "result['a']['rdf'] is nan or infinite in 1 of 2 places",
        ),
        ({"z": np.array(complex(1, NAN))}, "result['z'] is nan or infinite in 1 of 1 places"),
        (
            {"z": [np.ones(2), np.array([NAN])]},
            "result['z'][1] is nan or infinite in 1 of 1 places",
        ),
        ({"rdf": np.arange(6.0)[::-2] / 0.5}, ""),
        # a standard error that is not known
        ({"pressure": 1.0, "pressure_sem": NAN}, ""),
        ({"p": 1.0, "p_sem": NAN, "p_dof": NAN, "p_n_eff": NAN}, ""),
        ({"rdf": np.ones(2), "rdf_sem": np.array([NAN, NAN])}, ""),
        ({"series_sem": [NAN]}, ""),
        ({"pressure_sem": -INF}, "result['pressure_sem'] is -inf"),
        ({"x_sem": [NAN, {"a": INF}]}, "result['x_sem'][1]['a'] is inf"),
        ({"x_sem": np.array([NAN, INF])}, "result['x_sem'] is infinite in 1 of 2 places"),
        ({"pressure": NAN, "pressure_sem": NAN}, "result['pressure'] is nan"),
        ({"a": {"pressure_sem": NAN}}, "result['a']['pressure_sem'] is nan"),
        ({"semi": NAN}, "result['semi'] is nan"),
        # no value, and what is never NaN
        ({}, ""),
        ({"a": None, "b": [None, {"c": None}]}, ""),
        ({"n": 3, "b": True, "label": "nan", "huge": 10**600, "list": [10**400, -(2**63)]}, ""),
        (
            {"n": np.arange(3), "b": np.eye(2) > 0, "s": np.array(["nan"]), "e": np.zeros((0, 3))},
            "",
        ),
        ({"large": 1.7976931348623157e308, "sum": np.full(9, 1e308), "zero": -0.0}, ""),
    ],
    ids=repr,
)
def test_the_first_number_that_is_not_finite_is_named(result, said):
    with np.errstate(all="raise"):
        assert not_finite(storable(result)) == said


@pytest.mark.parametrize("where", [0, 2_500_000, 4_999_999])
def test_large_arrays_are_looked_at_piece_by_piece(where):
    array = np.zeros((2, 2_500_000))
    array.flat[where] = NAN
    tracemalloc.start()
    try:
        assert not_finite({"a": array}) == "result['a'] is nan or infinite in 1 of 5000000 places"
        assert tracemalloc.get_traced_memory()[1] < array.nbytes / 10
    finally:
        tracemalloc.stop()


def test_status_of_its_own():
    outcome = Outcome("1", {}, status=Status.NOT_FINITE, result={"y": INF})
    assert (int(outcome.status), outcome.status.label) == (4, "not finite")
    assert not outcome.is_done
    back = unpack(b"".join(pack(outcome)))
    assert (back.status, back.result) == (Status.NOT_FINITE, {"y": INF})
    assert {status for status in Status if status.has_result} == {Status.DONE, Status.NOT_FINITE}
