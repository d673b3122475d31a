"""What parameters were called, and what they had, before a study was changed.

Ids and seeds are made of that, so that nothing runs again: `rename` and `defaults` of a study.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from ..errors import BadValueError, describe, unknown
from ..identity import canonical_json
from .parameters import check_name, checked_parameters, constant

if TYPE_CHECKING:
    from .simulations import Simulations


def checked_rename(given: Any) -> Any:
    """Give the new name of each old one; None where there is none.

    Raises
    ------
    BadValueError
        Says what cannot be used, and what to write.
    """
    if given is None:
        return None
    if not isinstance(given, dict):
        said = f"is {describe(given)} but must be a mapping; write OLD: NEW lines under it"
        raise BadValueError(said)
    for old, new in given.items():
        check_name(old)
        if not isinstance(new, str):
            raise BadValueError(
                f"is {describe(new)} but must be the new name of `{old}`; write it", old
            )
    return given or None


def checked_defaults(given: Any) -> Any:
    """Give what simulations had that were run without a parameter; None where there is nothing.

    Raises
    ------
    BadValueError
        Says what cannot be used, and what to write.
    """
    if given is None:
        return None
    if not isinstance(given, dict):
        said = f"is {describe(given)} but must be a mapping; write NAME: VALUE lines under it"
        raise BadValueError(said)
    for name, value in given.items():
        if isinstance(value, list) or (isinstance(value, dict) and value.keys() != {"value"}):
            raise BadValueError(
                f"is {describe(value)} but must be the one value that simulations without "
                f"`{name}` had; write it, or {{value: …}} around it if it is {describe(value)}",
                name,
            )
    checked_parameters(given)
    return given or None


class Lineage:
    """How the parameters of a study are recorded: ids and seeds are made of that.

    Parameters
    ----------
    rename : dict of str to str or None
        The new name of each old one.
    defaults : dict or None
        What simulations had that were run without a parameter, by its name now.

    Attributes
    ----------
    defaults : dict
        These values.
    """

    def __init__(self, rename: dict[str, str] | None, defaults: dict[str, Any] | None) -> None:
        self.defaults = {name: constant(value) for name, value in (defaults or {}).items()}
        self._new = rename or {}
        self._first = {new: old for old, new in self._new.items()}
        self._texts = {name: canonical_json(value) for name, value in self.defaults.items()}

    @classmethod
    def of(cls, study: Simulations) -> Lineage:
        """Give that of a study.

        Raises
        ------
        BadValueError
            If it speaks of parameters that the study has not, or of names that are taken.
        """
        _check_rename(study.rename or {}, study.names)
        for name in study.defaults or {}:
            if name in (study.rename or {}):
                raise BadValueError(
                    f"is called `{study.rename[name]}` now; write that", "defaults", name
                )
            if name not in study.names:
                raise BadValueError(
                    f"{unknown('parameter', name, study.names)}; give the parameter itself under "
                    "`parameters`, too, or remove this", "defaults", name,
                )  # fmt: skip
        return cls(study.rename, study.defaults)

    def __bool__(self) -> bool:
        return bool(self._new or self.defaults)

    def first(self, name: str) -> str:
        """Give the name under which a parameter was recorded first."""
        return self._first.get(name, name)

    def identity(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Give what ids and seeds are made of: what there would be without this."""
        if not self:
            return parameters
        return {
            self.first(name): value
            for name, value in parameters.items()
            if name not in self._texts or canonical_json(value) != self._texts[name]
        }

    def writer(self, name: str) -> Callable[[Any], str]:
        """Give what writes a value for ids, with its name; nothing where it is the default."""
        head, default = f"{canonical_json(self.first(name))}:", self._texts.get(name)

        def write(value: Any) -> str:
            text = canonical_json(value)
            return "" if text == default else head + text

        return write

    def now(self, recorded: dict[str, Any]) -> dict[str, Any]:
        """Give parameters that were recorded before with their names and values of now."""
        named = {
            name if (new := self._new.get(name, name)) in recorded else new: value
            for name, value in recorded.items()
        }
        return {**named, **{n: value for n, value in self.defaults.items() if n not in named}}


def _check_rename(rename: dict[str, str], names: Collection[str]) -> None:
    given: dict[str, str] = {}
    for old, new in rename.items():
        if new in rename and new != old:
            raise BadValueError(
                f"is `{new}`, which is renamed, too; write `{old}: {rename[new]}` in place of "
                "both: the old name is the one that was recorded first", "rename", old,
            )  # fmt: skip
        if old in names:
            raise BadValueError(
                "is the name of a parameter of this study; the old name comes first, then the "
                f"new one: write `{new}: {old}`, or remove this", "rename", old,
            )  # fmt: skip
        if new in given:
            raise BadValueError(
                f"is `{new}`, as `{given[new]}` is; two cannot become one: remove one of them",
                "rename", old,
            )  # fmt: skip
        if new not in names:
            raise BadValueError(
                f"{unknown('parameter', new, names)}; name the parameter of this study that was "
                f"`{old}`", "rename", old,
            )  # fmt: skip
        given[new] = old
