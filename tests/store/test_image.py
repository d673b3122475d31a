"""A file in memory is like any other."""

import io

from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.store import image as image_module
from dask_espresso.store.image import Image

STEPS = st.lists(
    st.tuples(st.just("write"), st.binary(max_size=40))
    | st.tuples(st.sampled_from(["seek", "read", "truncate"]), st.integers(0, 60)),
    max_size=20,
)


@given(STEPS)
def test_it_is_like_a_file(steps):
    piece = image_module._PIECE
    image_module._PIECE = 16
    try:
        one, other = Image(), io.BytesIO()
        for name, argument in steps:
            if name == "truncate" and argument > len(other.getvalue()):
                continue  # io.BytesIO does not grow
            assert getattr(one, name)(argument) == getattr(other, name)(argument)
            assert one.tell() == other.tell()
        assert b"".join(one.parts()) == other.getvalue()
        assert one.seek(0, io.SEEK_END) == other.seek(0, io.SEEK_END)
    finally:
        image_module._PIECE = piece
