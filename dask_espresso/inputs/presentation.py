"""What a study says of figures: what names mean, and what results are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from pydantic import BeforeValidator

from ..errors import BadValueError
from .labels import checked_labels
from .reference import checked_reference


class Presentation(pydantic.BaseModel):
    r"""How results are shown. Nothing runs again where that changes; `run` records it.

    Attributes
    ----------
    reference : str, dict or None
        The curve that `plot` draws beside results: ``wca``, of a pressure against
        ``volume_fraction``, the equation of state of the WCA fluid at kT = epsilon; ``{file:
        theory.csv, x: phi, y: pressure}``, columns that are named like the parameter and the
        result; or ``theory.py:pressure``, a Python function of the parameter that its argument is
        named after. A ``label`` beside `file` or `function` is for the legend.
    labels : dict of str to str or None
        What figures show for parameters and results, with symbols and units: ``{phi: 'volume
        fraction $\phi$'}``.
    """

    reference: Annotated[Any, BeforeValidator(checked_reference)] = None
    labels: Annotated[dict[str, str] | None, BeforeValidator(checked_labels)] = None

    if TYPE_CHECKING:
        names: Any

    @pydantic.model_validator(mode="after")
    def _check_reference(self) -> Presentation:
        if self.reference == "wca" and "volume_fraction" not in self.names:
            raise BadValueError(
                "is wca, a pressure against `volume_fraction`, which is no parameter of this "
                "study; remove it",
                "reference",
            )
        return self
