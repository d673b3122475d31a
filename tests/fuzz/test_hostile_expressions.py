"""Conditions and formulas that nobody would write, or that somebody would to do harm."""

import sys
from pathlib import Path

import pytest
from fuzzing import examples, in_time
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.errors import BadValueError
from dask_espresso.inputs.expression import Expression

pytestmark = pytest.mark.slow

NAMES = ["x", "kind", "lambda", "φ", "none"]
TOKENS = [
    *NAMES, *"+-*/%()[]{},.:;=<>!@#$^&|~\\\"'`\n\t\0", "**", "//", "==", "<=", "->", ":=", "<<",
    " and ", " or ", " not ", " in ", " is ", " if ", " else ", " for ", " lambda ", " await ",
    "0", "1", "9", "9**9", "1e999", "1e308", "0x", "3j", "b'", "f'{", "}'", "...", "__class__",
    "__import__('os').system('false')", "open('/dev/null')", "exec('1')", "print", "globals()",
    "sqrt(", "exp(", "round(", "min(", "pi", "true", "null", "'a'", "\ud800", "\U0001f4a5", "ﬁ",
]  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=3),
    st.floats(allow_nan=False, allow_infinity=False), st.just([1, {"a": 2}]),
)  # fmt: skip
LEAVES = st.sampled_from(["x", "kind", "φ", "lambda", "0", "1", "2.5", "1e300", "9", "'a'", "true"])


def _larger(inner):
    signs = st.sampled_from(
        ["+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "!=", " and ", " or "]
    )
    calls = st.sampled_from(["sqrt", "exp", "log", "abs", "round", "floor", "ceil", "sin", "min"])
    return st.one_of(
        st.tuples(inner, signs, inner).map(lambda parts: f"({''.join(parts)})"),
        st.tuples(calls, inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(calls, inner, inner).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]} in [{parts[1]}])"),
        inner.map(lambda part: f"(-{part})"),
        inner.map(lambda part: f"(not {part})"),
    )


SEEN: list = []  # what was done that reading never does
IS_INSIDE = [False]
WATCHED = ("exec", "open", "import", "os.", "subprocess.", "socket.", "ctypes.")


def note(event, arguments):
    if IS_INSIDE[0] and event.startswith(WATCHED):
        SEEN.append((event, arguments))


sys.addaudithook(note)  # ast.parse compiles, too, but to nothing that could run


def use(text, values):
    """Read and compute it as a study does."""
    SEEN.clear()
    said, found = "", None
    with in_time(20):
        IS_INSIDE[0] = True
        try:
            expression = Expression(text, NAMES)
            found = expression.value([values[name] for name in expression.names])
        except BadValueError as error:
            said = str(error)
        finally:
            IS_INSIDE[0] = False
    assert not SEEN
    assert len(said) < 2000
    assert found is None or isinstance(found, str | int | float | list)


def test_what_runs_would_be_seen():
    IS_INSIDE[0] = True
    try:
        Path("/dev/null").open().close()
    finally:
        IS_INSIDE[0] = False
    assert SEEN


VALUES_OF_ALL = st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES))


@examples(400)
@given(st.lists(st.sampled_from(TOKENS), max_size=30).map("".join), VALUES_OF_ALL)
def test_any_text_gives_an_error_or_a_value(text, values):
    use(text, values)


@examples(200)
@given(st.text(max_size=60), VALUES_OF_ALL)
def test_any_characters_give_an_error_or_a_value(text, values):
    use(text, values)


@examples(400)
@given(st.recursive(LEAVES, _larger, max_leaves=20), VALUES_OF_ALL)
def test_any_formula_gives_an_error_or_a_value(text, values):
    use(text, values)


@examples(100)
@given(
    st.sampled_from(["(", "[", "-", "not ", "x+", "9**", "min(1,", "x if x else ", "x<", "'"]),
    st.integers(1, 1200),
    st.sampled_from(["", "x", "1"]),
    st.sampled_from(["", ")", "]"]),
)
def test_depth_and_length_give_an_error_or_a_value(opening, count, middle, closing):
    use(opening * count + middle + closing * count, dict.fromkeys(NAMES, 1))
