"""What a script expects of its parameters is checked in one place, on both sides."""

import math
import re

import numpy as np
import pytest

import dask_espresso.checks
from dask_espresso.checks import positive_number, switch, whole_number
from dask_espresso.script import checks


def test_both_sides_have_the_same():
    assert dask_espresso.checks is checks


@pytest.mark.parametrize(
    ("check", "arguments", "value"),
    [
        (whole_number, (None, 1), 3),
        (whole_number, (None, 0), np.int64(0)),
        (positive_number, (None,), 0.5),
        (positive_number, (None,), 2),
        (positive_number, (None, 2.0), 2.0),
        (switch, (None,), False),
    ],
)
def test_what_is_right_is_given(check, arguments, value):
    assert check({"x": value}, "x", *arguments) == value
    assert check({}, "x", value, *arguments[1:]) == value


@pytest.mark.parametrize(
    ("check", "arguments", "values", "message"),
    [
        (whole_number, (None, 1), (0, -1, 1.5, "1", None, True), "x has to be a whole number of "),
        (whole_number, (None, 0), (False, [1], 1j), "x has to be a whole number of at least 0"),
        (positive_number, (None,), (0, -1.0, "1", None, True, [1]), "x has to be a number above 0"),
        (positive_number, (None,), (math.nan, math.inf, 10**400), "x has to be a number above 0"),
        (positive_number, (None, 0.6, " here"), (0.7,), r"x has to be in \(0, 0.6\] here, not 0.7"),
        (switch, (None,), (1, "yes", None), "x has to be true or false, not"),
    ],
)
def test_what_is_wrong_is_named(check, arguments, values, message):
    for value in values:
        with pytest.raises(ValueError, match=message) as caught:
            check({"x": value}, "x", *arguments)
        assert re.search(rf"not {re.escape(repr(value))}$", str(caught.value))
