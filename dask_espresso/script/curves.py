"""Results that are curves: values, and the axes along which they stand."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs every simulation some milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CURVE, ALONG = "$curve", "along"  # the keys of the dict that a curve is on its way


def curve(values: Any, /, **axes: Any) -> dict[str, Any]:
    """Say along which axes a result stands.

    Parameters
    ----------
    values : array or list
        Numbers: a row of them for one axis, a table for two, and so on.
    **axes : array or list
        For each dimension of `values`, in their order, the numbers along it; their names are those
        of results. Curves along an axis of the same name have to have the same numbers there.

    Returns
    -------
    dict
        The curve as it is handed over: ``{"$curve": values, "along": axes}``, plain data that can
        be written as it stands where there is no ``dask_espresso``. The store has `values` under
        the name of the result, and each axis as a result beside it; both come back as arrays.

    Raises
    ------
    ValueError
        If values and axes do not have the same lengths.

    Examples
    --------
    >>> curve([0.0, 0.9, 1.2], r=[0.5, 1.0, 1.5])
    {'$curve': [0.0, 0.9, 1.2], 'along': {'r': [0.5, 1.0, 1.5]}}
    """
    check_lengths(values, axes)
    return {CURVE: values, ALONG: axes}


def check_lengths(values: Any, axes: Mapping[str, Any]) -> None:
    """Refuse axes that do not fit values."""
    shape = _shape(values)
    if not axes:
        raise ValueError("a curve has an axis: say which, as in curve(g, r=r)")
    if len(axes) != len(shape):
        raise ValueError(
            f"values of the shape {shape} have {len(shape)} dimensions, and "
            f"{', '.join(axes)} are axes of {len(axes)}: name one axis for each, in their order"
        )
    for size, name in zip(shape, axes):  # noqa: B905 - Python 3.9; both are as long
        axis = axes[name]
        if len(_shape(axis)) != 1:
            raise ValueError(f"the axis {name!r} has the shape {_shape(axis)}: give a row")
        if len(axis) != size:
            raise ValueError(
                f"the axis {name!r} has {len(axis)} numbers, and the values along it are {size}; "
                "of a histogram, give the middles of the bins, not their edges"
            )


def _shape(values: Any) -> tuple[int, ...]:
    """Give the shape of an array, or of lists in lists, without numpy."""
    if hasattr(values, "shape"):
        return tuple(values.shape)
    if not isinstance(values, (list, tuple)):
        return ()
    shapes = {_shape(value) for value in values}
    if len(shapes) > 1:
        raise ValueError("the values are rows of several lengths: give rows of one length")
    return (len(values), *(shapes.pop() if shapes else ()))
