"""What is written in figures: names as the study labels them, and values of any kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ..errors import InputError, unknown
from .plot import MAX_LEGEND
from .texts import literal

_LONGEST = 30  # characters of a name without a label, or of a value
_LINE = 60  # characters of a line in a legend


class Captions:
    """Texts for figures.

    Parameters
    ----------
    labels : mapping of str to str or None
        What the study says that parameters and results are called; formulas between dollars are
        set as such. All other texts are shown as they are.
    """

    def __init__(self, labels: Mapping[str, str] | None) -> None:
        self._labels = labels or {}

    def name(self, name: str) -> str:
        """Give what an axis of a parameter or a result shows."""
        return self._labels.get(name) or drawable(name).replace("_", " ")

    def setting(self, setting: Mapping[str, str]) -> str:
        """Write values of parameters, as in ``phi = 0.1, kT = 1``; long ones in several lines."""
        lines: list[str] = []
        for name, value in setting.items():
            text = f"{self._labels.get(name) or drawable(name)} = {drawable(value)}"
            if lines and len(lines[-1]) + len(text) < _LINE:
                lines[-1] += f", {text}"
            else:
                lines.append(text)
        return ",\n".join(lines)

    def curves(self, settings: Sequence[Mapping[str, str]], alone: str) -> list[str]:
        """Give what a legend calls curves, or a colour bar, which has the names itself.

        Parameters
        ----------
        settings : sequence of mapping
            What tells each curve from the others.
        alone : str
            What one is called that has no others.
        """
        if len(settings) > MAX_LEGEND:
            return [", ".join(map(drawable, setting.values())) for setting in settings]
        return [self.setting(setting) or drawable(alone) for setting in settings]

    def check(self, known: Collection[str]) -> Iterator[str]:
        """Say which labels are of nothing that there is."""
        for name in self._labels:
            if name not in known:
                yield f"warning: labels: {unknown('name', name, known)}; correct it in the study"

    def check_formulas(self) -> None:
        """Refuse labels that cannot be set.

        Raises
        ------
        InputError
        """
        from matplotlib.mathtext import MathTextParser  # late: it takes a second

        for name, text in self._labels.items():
            try:
                if text.replace(r"\$", "").count("$") % 2 == 0:  # else it is shown as it is
                    MathTextParser("path").parse(text)
            except ValueError as error:
                said = str(error).strip().splitlines()[-1]
                raise InputError(
                    f"labels: {name}: {text!r} has no formula between its dollars that matplotlib "
                    f"can set ({said}); correct it in the study, and `run` that: nothing runs again"
                ) from error


def drawable(text: str) -> str:
    """Give a text of the user's for a figure: no formula, and not too long."""
    shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 10]} … {text[-7:]}"
    return literal(shown).replace("$", r"\$")
