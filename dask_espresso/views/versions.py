"""Which versions of the code, and of the engine, the outcomes of a store are of."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping

import numpy as np

from ..analyses import analyses_of
from ..store.arrays import Values
from ..store.reader import Reader

_SHOWN = 8  # digits of a version


class Versions:
    """The versions that the outcomes of a study are of.

    Parameters
    ----------
    reader : Reader
    files : mapping
        The hashes of the files of each version of the code, as a store has them.

    Attributes
    ----------
    code, engine : Counter
        Outcomes of each version of the code and of the engine, in the order of recording; without
        those of which it is not known.
    analyses : dict of str to Counter
        The same of each analysis, by the name of its script.
    marks : dict of str to (list of str, array of int)
        What tells outcomes from those of other versions, by its name: the different texts, and
        which of them each row has. An empty text is not known.
    """

    def __init__(self, reader: Reader, files: Mapping[str, Mapping[str, str]]) -> None:
        self._files = files
        code = _names(reader, ("code_hash", "script_hash"), self._code)
        engine = _names(reader, ("engine", "engine_version"), _engine)
        self.code, self.engine = _count(reader, *code), _count(reader, *engine)
        self.marks = {}
        if len(self.code) > 1:
            self.marks["version"] = _merged([name[:_SHOWN] for name in code[0]], code[1])
        if len(self.engine) > 1:
            self.marks["engine"] = engine
        self.analyses = {}
        for name, versions in _analyses(reader).items():
            self.analyses[name] = _count(reader, *versions)
            if len(self.analyses[name]) > 1:
                self.marks[name] = _merged([text[:_SHOWN] for text in versions[0]], versions[1])

    def _code(self, code_hash: str, script_hash: str) -> str:
        """Give the version of the code; where only the script is known, the one that has it."""
        if code_hash or not script_hash:
            return code_hash
        with_it = [v for v, files in self._files.items() if script_hash in files.values()]
        return with_it[0] if len(with_it) == 1 else script_hash[:16]

    def describe(self) -> list[str]:
        """Say in a line each that there are several; nothing where there are not."""
        lines = []
        if len(self.code) > 1:
            said = [f"{n} of {v[:_SHOWN]}{self._changed(v)}" for v, n in self.code.items()]
            lines.append(f"outcomes of {len(said)} versions of the code: {', '.join(said)}")
        if len(self.engine) > 1:
            said = [f"{n} of {version}" for version, n in self.engine.items()]
            lines.append(f"outcomes of {len(said)} versions of the engine: {', '.join(said)}")
        for name, versions in self.analyses.items():
            if len(versions) > 1:
                said = [f"{n} of {version[:_SHOWN]}" for version, n in versions.items()]
                lines.append(f"results of {len(said)} versions of {name}: {', '.join(said)}")
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


def _engine(engine: str, version: str) -> str:
    return f"{engine} {version}".strip() if version else ""


def _names(
    reader: Reader, fields: tuple[str, str], version: Callable[[str, str], str]
) -> tuple[list[str], Values]:
    """Name the versions, which two fields tell, and say for each row which it is of."""
    (one, ones), (other, others) = map(reader.coded, fields)
    pairs, codes = np.unique(ones * len(other) + others, return_inverse=True)
    places = [divmod(pair, len(other)) for pair in pairs.tolist()]
    return _merged([version(one[i], other[j]) for i, j in places], codes)


def _analyses(reader: Reader) -> dict[str, tuple[list[str], Values]]:
    """Give the versions of each analysis, and say for each row which it is of; empty for none."""
    texts, codes = reader.coded("analyses")
    read = [analyses_of(text) for text in texts]
    names = dict.fromkeys(name for found in read for name in found)
    versions = {
        name: [found[name].version if name in found else "" for found in read] for name in names
    }
    return {name: _merged(found, codes) for name, found in versions.items()}


def _merged(names: list[str], codes: Values) -> tuple[list[str], Values]:
    """Give those of the same name one number."""
    numbers: dict[str, int] = {}
    merged = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.intp)
    return list(numbers), merged[codes]


def _count(reader: Reader, names: list[str], codes: Values) -> collections.Counter[str]:
    """Count the outcomes of each version, in the order of recording."""
    if len(names) > 1:
        codes = codes[np.argsort(reader.field("sequence"), kind="stable")]
    found, firsts, counts = np.unique(codes, return_index=True, return_counts=True)
    in_order = [(names[found[i]], int(counts[i])) for i in np.argsort(firsts).tolist()]
    return collections.Counter({name: count for name, count in in_order if name})
