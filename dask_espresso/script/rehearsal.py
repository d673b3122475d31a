"""What each simulation does at its start and its end, done beforehand, with nothing left of it.

Python then has looked up names, has fitted its code to what it meets, and has found functions of C
libraries. Each forked process would do that anew, in copies of its own of the memory in question.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import atexit
import os

from .parameters import Parameters
from .result_pipe import RESULT, result_pipe
from .transport import decode_transport_data, encode_transport_data

_TIMES = 10  # code that was run less often is not fitted yet


def rehearse() -> None:
    """Read parameters, and encode them as a result."""
    for _ in range(_TIMES):
        os.environ[RESULT] = "0:no pipe"
        parameters = Parameters.of(decode_transport_data(encode_transport_data({"seed": 1})))
        atexit.unregister(parameters._tell)
        encode_transport_data(parameters)
        result_pipe()
        del os.environ[RESULT]
