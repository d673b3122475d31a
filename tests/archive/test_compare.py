"""Results compared to the last bit: what is the same, what is not, and what is said of it."""

import math

import numpy as np
import pytest

from dask_espresso.archive.compare import differences_of_results, is_same

A, B = np.arange(3.0), np.array([0.0, math.nan, 2.0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (math.nan, math.nan), (-0.0, -0.0), (B, B.copy()), (None, None), ("\u00fc", "\u00fc"),
        ({"z": 1, "a": {"q": B}}, {"a": {"q": B}, "z": 1}),  # a store does not keep the sequence
        ([1, (2.0, None)], [1, (2.0, None)]),
        (1.0, 1), ({"q": 1.0}, {"q": 1}),  # as a store has it beside a simulation that gave 1.5
    ],
)  # fmt: skip
def test_the_same(one, other):
    assert is_same(one, other)
    assert not list(differences_of_results({"y": one}, {"y": other}))


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (0.0, -0.0, "equal as numbers, but not in type, sign of zero"),
        (-0.0, 0, "equal as numbers, but not in type"),
        (1, 1.0, "equal as numbers, but not in type"),
        (1, True, "equal as numbers, but not in type"),
        (math.nan, 1.0, "1 are NaN or infinite in one only"),
        (math.inf, -math.inf, "differ by inf"),
        (2**53, 2**53 + 1, "they differ by 1, relative 1.11e-16"),
        (float(2**53), 2**53 + 1, "then, 9007199254740993 now"),
        (np.array([2**60, 5]), np.array([2**60 + 1, 5]), "2 values; they differ in 1 of them by 1"),
        (np.array([2**64 - 1], "u8"), np.array([-1]), "differ in 1 of them by 1.84e+19"),
        (A, B, "3 values; 1 are NaN or infinite in one only"),
        (A, A.astype("f4"), "3 values; equal as numbers"),
        (A, -A, "3 values; they differ in 2 of them by 4, relative 2"),
        (A, A[:2], "shape (3,) then, (2,) now"),
        (A, A.tolist(), "equal as numbers, but not in type"),
        ([1, 2], (1, 2), "equal as numbers, but not in type"),
        (1 + 1j, 1 - 1j, "they differ by 2"),
        ("a", "b", "'a' then, 'b' now"),
        ({"q": 1}, {"q": 1, "r": None}, "{'q': 1} then"),
        (None, 0.0, "None then, 0.0 now"),
    ],
)
def test_different(one, other, said):
    assert not is_same(one, other)
    (line,) = differences_of_results({"y": one}, {"y": other})
    assert said in line


def test_missing_results_are_different():
    said = list(differences_of_results({"y": None}, {"z": None}))
    assert said == ["y: is not given any more", "z: was not given then"]
