"""What a study says of figures: what names mean, and what results are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator

from ..errors import BadValueError
from .labels import checked_labels


class Presentation(pydantic.BaseModel):
    r"""How results are shown. Nothing runs again where that changes; `run` records it.

    Attributes
    ----------
    reference : str or None
        The curve that a plot of pressure against volume fraction is compared with: ``wca``, the
        equation of state of the WCA fluid at kT = epsilon.
    labels : dict of str to str or None
        What figures show for parameters and results, with symbols and units: ``{phi: 'volume
        fraction $\phi$'}``.
    """

    reference: Literal["wca"] | None = None
    labels: Annotated[dict[str, str] | None, BeforeValidator(checked_labels)] = None

    if TYPE_CHECKING:
        names: Any

    @pydantic.model_validator(mode="after")
    def _check_reference(self) -> Presentation:
        if self.reference and "volume_fraction" not in self.names:
            raise BadValueError(
                "is wca, a pressure against `volume_fraction`, which is no parameter of this "
                "study; remove it",
                "reference",
            )
        return self
