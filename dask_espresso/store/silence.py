"""Results of which some simulations have said axes, and others have not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..inputs.axes import named_in
from .arrays import Values


def silent_names(texts: Sequence[str], codes: Values, has: Callable[[str], Values]) -> set[str]:
    """Name the results that stand somewhere without an axis that they have elsewhere.

    Parameters
    ----------
    texts : sequence of str
        The different ways in which axes are said, as `result_axes` of outcomes.
    codes : array of int, shape (n,)
        Which of them each row has.
    has : callable
        Says of a result, by its name, which rows have it: an array of bool of shape (n,).
    """
    named = [set(named_in(text)) for text in texts]
    found = set()
    for name in set().union(*named) if named else ():
        says = np.array([name in names for names in named], bool)[codes]
        if (has(name) & ~says).any():
            found.add(name)
    return found
