"""Tables of text."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.process.text_table import TableError, read_table


def read(text, suffix=".dat", columns=(), texts=()):
    found = read_table(io.StringIO(text), suffix, tuple(columns), tuple(texts))
    return {name: values.tolist() for name, values in found.items()}


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("r,g\n0,1\n2,3\n", {"suffix": ".csv"}, {"r": [0, 2], "g": [1, 3]}),
        ('"r (a, b)", g\r\n0, 1\r\n', {"suffix": ".csv"}, {"r (a, b)": [0], "g": [1]}),
        ("#r,g\n0,1\n", {"suffix": ".csv"}, {"r": [0], "g": [1]}),
        ("r\tg\n0\t1e-3\n", {"suffix": ".tsv"}, {"r": [0], "g": [0.001]}),
        ("# made by x 1.2\n# r g\n\n0 1\n#end\n2 3", {}, {"r": [0, 2], "g": [1, 3]}),
        ("# bins and what is in them, normalised\n0 1", {"columns": "rg"}, {"r": [0], "g": [1]}),
        ("r g n\n0 1 2\n", {"columns": ["n", "r"]}, {"n": [2], "r": [0]}),
        ("# x y\n0 1\n", {"columns": ["r", "g"]}, {"r": [0], "g": [1]}),
        ("# r g(r)\n0 1\n", {"columns": ["r", "g"]}, {"r": [0], "g": [1]}),
        ("r g\n0 1\n", {"columns": ["g", "r"]}, {"g": [1], "r": [0]}),
        ("@ title \"x\"\n# c\n0 -1.5\n", {"suffix": ".xvg", "columns": "rg"},
         {"r": [0], "g": [-1.5]}),
        ("name,e\nA,1\nB,2\n", {"suffix": ".csv", "texts": ["name"]},
         {"name": ["A", "B"], "e": [1, 2]}),
        ("name e\nA 1\nB x\n", {"columns": ["name"], "texts": ["name"]}, {"name": ["A", "B"]}),
        ("7\n", {"columns": ["n"]}, {"n": [7]}),
        ("# R G(r)\n1.0D+02 -.5d-1\n", {"columns": "rg"}, {"r": [100], "g": [-0.05]}),
        ("# e E\n0 1\n", {"columns": ["e", "E"]}, {"e": [0], "E": [1]}),
        ("E\n7\n", {"columns": ["n"]}, {"n": [7]}),
        ("Na Cl\nK Br\n", {"columns": "ab", "texts": "ab"}, {"a": ["Na", "K"], "b": ["Cl", "Br"]}),
        ("a b\nK Br\n", {"columns": "ab", "texts": "ab"}, {"a": ["K"], "b": ["Br"]}),
    ],
)  # fmt: skip
def test_tables(text, options, expected):
    assert read(text, **options) == expected


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("r g\n0 1\n2\n", {}, "line 3 has 1 values, those above 2"),
        ("r g\n0 1 2\n", {}, "line 2 has 3 values, the header 2"),
        ("r,g\n0,\n", {"suffix": ".csv"}, "line 2: '' in column 'g' is no number"),
        ("0 1\n", {}, "has 2 columns, and no header; name them"),
        ("0 1\n", {"columns": ["r"]}, "has 2 columns, and no header; `columns` names 1"),
        ("# a b\n0 1\n", {"columns": ["r"]}, "has 2 columns, with the header a, b; `columns` na"),
        ("r g\n0 1\n", {"columns": ["g", "rr"]}, "unknown column 'rr'"),
        ("r g n\n0 1 2\n", {"columns": ["r", "gr"]}, "unknown column 'gr'"),
        ("r r\n0 1\n", {}, "has 2 columns 'r'; name all"),
        ("r g\n0 1\n1 ****\n", {}, "line 3: '****' in column 'g' is no number; where that"),
        ("r g\n0 1,5\n", {}, "'1,5' in column 'g' is no number"),
        ("# G R\n0 1\n", {"columns": "rg"}, "has the header G, R, and `columns` are r, g: write"),
        ("****\n-1\n", {"columns": ["E"]}, "line 1: '****' in column 'E' is no number"),
        ("- -\n1 2\n", {"columns": "rg"}, "line 1: '-' in column 'r' is no number"),
        ("1.0D+2D\n1\n", {"columns": ["E"]}, "line 1: '1.0D+2D' in column 'E' is no number"),
        ("r g\n0 1_0\n", {}, "'1_0' in column 'g' is no number"),
        ("", {}, "has no rows"),
        ("r g\n", {}, "has no rows"),
        ("# r g\n\n", {"columns": "rg"}, "has no rows"),
        ("r g\n0 1\n", {"texts": ["s"]}, "unknown column 's'"),
    ],
)  # fmt: skip
def test_what_is_none(text, options, message):
    with pytest.raises(TableError) as error:
        read(text, **options)
    assert message in str(error.value)


@given(st.text(), st.sampled_from([".csv", ".tsv", ".dat", ".xvg"]))
def test_any_text_is_a_table_or_is_not(text, suffix):
    try:
        found = read(text, suffix)
    except TableError:
        return
    assert len({len(values) for values in found.values()}) == 1


@given(st.lists(st.tuples(st.floats(), st.floats()), min_size=1))
def test_numbers_come_back_equal(rows):
    for suffix, between in ((".csv", ","), (".dat", " ")):
        text = f"a{between}b\n" + "".join(f"{x!r}{between}{y!r}\n" for x, y in rows)
        found = read_table(io.StringIO(text), suffix)
        np.testing.assert_array_equal(np.transpose([found["a"], found["b"]]), rows)
