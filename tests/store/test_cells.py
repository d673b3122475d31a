from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.store import cells as module
from dask_espresso.store.cells import Cells

VALUES = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(0, 9), st.floats(allow_nan=False), st.booleans(),
    st.none(), st.text(max_size=2),
)  # fmt: skip


@given(st.dictionaries(st.integers(0, 40), VALUES), st.integers(1, 5))
def test_cells_come_back_as_they_were(values, piece):
    rows = dict(sorted(values.items()))
    cells, usual = Cells(), module._PIECE
    module._PIECE = piece
    try:
        for row, value in rows.items():
            cells.append(row, value)
    finally:
        module._PIECE = usual
    assert list(cells.rows()) == list(rows)
    assert list(map(repr, cells.values())) == list(map(repr, rows.values()))
    assert list(cells) == list(rows.items())


def test_plain_numbers_and_rows_without_gaps_take_little():
    cells = Cells()
    for row in range(8192):
        cells.append(row, row * 1.5)
    assert [piece.typecode for piece in cells._pieces] == ["d", "d"]
    assert len(cells._firsts) == 1
    assert not cells._latest
