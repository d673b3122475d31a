"""Curves that scripts hand over with their axes."""

import base64
import pickle

import numpy as np
import pytest

from dask_espresso.process.curves import unfold
from dask_espresso.process.payload import PayloadScanner
from dask_espresso.script.curves import curve
from dask_espresso.script.transport import encode_transport_data
from dask_espresso.values import storable

R = [0.5, 1.0, 1.5]


def same(found, expected):
    np.testing.assert_equal(found, expected)
    return True


@pytest.mark.parametrize("kind", [list, tuple, np.array])
@pytest.mark.parametrize(
    "encode",
    [encode_transport_data, lambda data: base64.b64encode(pickle.dumps(data)).decode()],
    ids=["framed", "original"],
)
def test_a_curve_comes_through_and_its_axis_is_a_result(kind, encode):
    given = {"e": 1.0, "g": curve(kind([0, 1, 2]), r=kind(R)), "pair": (1, 2)}
    scanner = PayloadScanner(lambda noise: None)
    scanner.feed(encode(given).encode() + b"\n")
    scanner.close()
    result, axes = unfold(scanner.payload())
    assert axes == {"g": ["r"]}
    assert list(result) == ["e", "g", "r", "pair"]
    assert same(result, {"e": 1.0, "g": np.array([0, 1, 2]), "r": np.array(R), "pair": (1, 2)})


def test_curves_share_an_axis_and_maps_have_two():
    given = {
        "r": R,
        "g": curve(R, r=R),
        "h": curve(np.ones(3), r=np.array(R)),
        "m": curve(np.ones((3, 2)), r=R, q=[1, 2]),
    }
    result, axes = unfold(given)
    assert axes == {"g": ["r"], "h": ["r"], "m": ["r", "q"]}
    assert same(result["r"], np.array(R))
    assert set(result) == {"r", "g", "h", "m", "q"}


def test_what_is_no_curve_stays_as_it_is():
    for given in ({"g": (R, R), "d": {"values": R, "along": {"r": R}}}, {}):
        assert unfold(given) == (given, {})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: curve(R, r=R[:2]), "the axis 'r' has 2 numbers, and the values along it are 3"),
        (lambda: curve(np.ones((3, 2)), r=R), r"\(3, 2\) have 2 dimensions, and r are axes of 1"),
        (lambda: curve([[1, 2], [3]], r=R), "rows of several lengths"),
        (lambda: curve(R, r=[R, R, R]), r"axis 'r' has the shape \(3, 3\)"),
        (lambda: curve(1.0, r=R), r"shape \(\) have 0 dimensions"),
        (lambda: curve(R), "a curve has an axis"),
    ],
)
def test_axes_that_do_not_fit_are_refused_in_the_script(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"g": curve(R, r=R), "r": 2.0}, "called 'r', as is another result or axis, of other"),
        ({"r": R[:2], "g": curve(R, r=R)}, "called 'r', as is another result"),
        ({"g": curve(R, r=R), "h": curve(R, r=[1, 2, 3])}, "of the curve 'h' is called 'r', as is"),
        ({"g": curve(R, r=R), "r": curve(R, x=R)}, "called 'r', which is a curve itself"),
        ({"g": curve(R, T=R)}, "called 'T', as is a parameter"),
        ({"g": curve(R, g=R)}, "called 'g'; give the axis another name"),
        ({"g": curve(R, q=R), "r": R}, "along q, as the script says, and along r, as the study"),
        ({"g": curve([0, None, 1], r=R)}, "the curve 'g' holds something else than numbers"),
        ({"g": curve(R, r=["a", "b", "c"])}, "the axis 'r' of 'g' holds something else"),
        ({"g": {"$curve": R}}, "has the key '\\$curve', and is no curve"),
        ({"g": {"$curve": R, "along": {"r": [1]}}}, "the curve 'g': the axis 'r' has 1 numbers"),
        ({"g": {"$curve": R, "along": {1: R}}}, "is called 1"),
    ],
)
def test_axes_that_clash_are_refused_with_the_reason(given, said):
    with pytest.raises(ValueError, match=said):
        unfold(given, {"g": ["r"]} if "along q" in said else None, {"T": 1.0})


def test_a_curve_inside_of_something_is_refused():
    with pytest.raises(TypeError, match=r"result\['a'\]\['g'\] is a curve inside of something"):
        storable(unfold({"a": {"g": curve(R, r=R)}})[0])


def test_the_study_may_say_the_same():
    assert unfold({"g": curve(R, r=R)}, {"g": ["r"]})[1] == {"g": ["r"]}
