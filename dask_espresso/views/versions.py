"""Which versions of the code, and of the engine, the outcomes of a store are of."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ..outcome import Outcome
from ..store.reader import Reader

_SHOWN = 8  # digits of a version


class Versions:
    """The versions that some outcomes are of.

    Parameters
    ----------
    outcomes : iterable of Outcome
    files : mapping
        The hashes of the files of each version of the code, as a store has them.

    Attributes
    ----------
    code, engine : Counter
        Outcomes of each version of the code and of the engine, in the order of recording; without
        those of which it is not known.
    """

    def __init__(self, outcomes: Iterable[Outcome], files: Mapping[str, Mapping[str, str]]) -> None:
        self._files = files
        in_order = sorted(outcomes, key=lambda outcome: outcome.sequence)
        self.code = collections.Counter(filter(None, map(self._code_of, in_order)))
        self.engine = collections.Counter(filter(None, map(_engine_of, in_order)))

    @classmethod
    def read(cls, reader: Reader, files: Mapping[str, Mapping[str, str]]) -> Versions:
        """Find the versions of what a reader reads."""
        versions = cls((), files)
        versions.code = _count(reader, ("code_hash", "script_hash"), versions._code)
        versions.engine = _count(reader, ("engine", "engine_version"), _engine)
        return versions

    def _code_of(self, outcome: Outcome) -> str:
        return self._code(outcome.code_hash, outcome.script_hash)

    def _code(self, code_hash: str, script_hash: str) -> str:
        """Give the version of the code; where only the script is known, the one that has it."""
        if code_hash or not script_hash:
            return code_hash
        with_it = [v for v, files in self._files.items() if script_hash in files.values()]
        return with_it[0] if len(with_it) == 1 else script_hash[:16]

    def marks(self, outcome: Outcome) -> dict[str, str]:
        """Give what tells an outcome from those of other versions; empty texts are not known."""
        marks = {}
        if len(self.code) > 1:
            marks["version"] = self._code_of(outcome)[:_SHOWN]
        if len(self.engine) > 1:
            marks["engine"] = _engine_of(outcome)
        return marks

    def describe(self) -> list[str]:
        """Say in a line each that there are several; nothing where there are not."""
        lines = []
        if len(self.code) > 1:
            said = [f"{n} of {v[:_SHOWN]}{self._changed(v)}" for v, n in self.code.items()]
            lines.append(f"outcomes of {len(said)} versions of the code: {', '.join(said)}")
        if len(self.engine) > 1:
            said = [f"{n} of {version}" for version, n in self.engine.items()]
            lines.append(f"outcomes of {len(said)} versions of the engine: {', '.join(said)}")
        return lines

    def _changed(self, version: str) -> str:
        """Say which files are others than in the version before, as far as that is known."""
        in_order = list(self.code)
        before = in_order[max(0, in_order.index(version) - 1)]
        here, there = self._files.get(version, {}), self._files.get(before, {})
        if not here or not there:
            return ""
        changed = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
        return f" (changed: {', '.join(changed)})" if changed else ""


def _engine_of(outcome: Outcome) -> str:
    return _engine(outcome.engine, outcome.engine_version)


def _engine(engine: str, version: str) -> str:
    return f"{engine} {version}".strip() if version else ""


def _count(
    reader: Reader, names: tuple[str, str], version: Callable[[str, str], str]
) -> collections.Counter[str]:
    """Count the outcomes of each version, which two fields tell, in the order of recording."""
    (one, ones), (other, others) = map(reader.coded, names)
    both = ones * len(other) + others
    if len(one) * len(other) > 1:
        both = both[np.argsort(reader.field("sequence"), kind="stable")]
    codes, firsts, counts = np.unique(both, return_index=True, return_counts=True)
    found: collections.Counter[str] = collections.Counter()
    for i in np.argsort(firsts).tolist():
        place, other_place = divmod(int(codes[i]), len(other))
        if name := version(one[place], other[other_place]):
            found[name] += int(counts[i])
    return found
