"""Any value that the store can hold, as JSON text."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np


def to_json(value: Any) -> str:
    """Write any value that the store can hold as JSON; the reverse is :func:`from_json`."""
    if type(value) is int:  # as the seeds of all simulations are
        return str(value)
    return _ENCODER.encode(_tagged(value))


def from_json(text: str) -> Any:
    """Read what :func:`to_json` wrote."""
    return _DECODER.decode(text)


def _tagged(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if isinstance(value, complex):
        return {"$complex": [_tagged(value.real), _tagged(value.imag)]}
    if isinstance(value, tuple):
        return {"$tuple": [_tagged(item) for item in value]}
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    if isinstance(value, np.ndarray):
        data = [_tagged(item) for item in value.ravel().tolist()]
        return {"$array": [value.dtype.str, list(value.shape), data]}
    if isinstance(value, dict):
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: _tagged(item) for key, item in value.items()}
        return {"$dict": [[_tagged(key), _tagged(item)] for key, item in value.items()]}
    return value


def _untagged(found: dict[str, Any]) -> Any:
    if len(found) != 1:
        return found
    tag, content = next(iter(found.items()))
    if tag == "$float":
        return float(content)
    if tag == "$complex":
        return complex(*content)
    if tag == "$tuple":
        return tuple(content)
    if tag == "$dict":
        return dict(content)
    if tag == "$array":
        dtype, shape, data = content
        return np.array(data, dtype).reshape(shape)
    return found


# as json.dumps and json.loads would make them for every single value
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(object_hook=_untagged)
