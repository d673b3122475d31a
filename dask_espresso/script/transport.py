"""What crosses the pipe between a worker and a simulation script.

Parameters go to the script's standard input and the result comes back on its
standard output, both pickled and then base64 encoded. Large results can take a
pipe of their own, without that and without copies (:func:`send_result`). This
module runs on both sides: in the driver's environment and inside the
simulation's own interpreter, which may have another Python (3.9 or newer),
another numpy or none at all.
"""

from __future__ import annotations

import base64
import binascii
import io
import pickle
import sys

from .frame import HEAD_SIZE, write_head
from .parameters import Parameters
from .result_pipe import MAGIC, result_pipe, send

TYPE_CHECKING = False  # importing typing costs every simulation some milliseconds
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "TransportError",
    "decode_transport_data",
    "encode_transport_data",
    "get_data_from_stdin",
    "send_result",
]

# Protocol 5 is what the oldest supported script side (Python 3.9) can read.
_PROTOCOL = 5

# What ESPResSo gives that is plain data by another name: arrays that only refuse to be written to,
# and numbers with names.
ESPRESSO = {
    ("espressomd.utils", "array_locked"): ("numpy", "ndarray"),
    ("espressomd.propagation", "Propagation"): ("builtins", "int"),
}


class TransportError(ValueError):
    """What came through the pipe is not one whole payload."""


class PortableUnpickler(pickle.Unpickler):
    """Unpickles arrays of another numpy, and of ESPResSo without ESPResSo.

    numpy 2 renamed its private package ``numpy.core``, which pickled arrays
    name, to ``numpy._core``.
    """

    def find_class(self, module: str, name: str) -> Any:
        module, name = ESPRESSO.get((module, name), (module, name))
        if module.split(".")[:2] in (["numpy", "core"], ["numpy", "_core"]):
            rest = module.split(".", 2)[2:]
            package = "_core" if _numpy_major() >= 2 else "core"
            module = ".".join(["numpy", package, *rest])
        return super().find_class(module, name)


def _numpy_major() -> int:
    import numpy

    return int(numpy.__version__.split(".")[0])


def encode_transport_data(data: Any) -> str:
    """Encode an object as one line of text.

    Parameters
    ----------
    data
        Numbers, strings, booleans, None, numpy arrays, lists, tuples, sets and
        dicts of these; dates, times and decimals.

    Returns
    -------
    str
        base64 of a pickle, without line breaks, that other output cannot be taken for.

    Examples
    --------
    >>> decode_transport_data(encode_transport_data({"pressure": 2.5}))
    {'pressure': 2.5}
    """
    return _encoded(data).decode("ascii")  # the pickle is gone by now


def decode_transport_data(text: Any) -> Any:
    """Decode what :func:`encode_transport_data` encoded.

    Only for text from one's own simulations: like every pickle, a forged
    payload can run code.

    Parameters
    ----------
    text : str or bytes
        The encoded object. White space around it is ignored.

    Returns
    -------
    object
        The object, equal to the one encoded.

    Raises
    ------
    TransportError
        If the text is not one whole payload.
    """
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else bytes(text)
    raw = raw.strip()
    if not raw:
        raise TransportError("there is no payload: the text is empty")
    try:
        return PortableUnpickler(io.BytesIO(base64.b64decode(raw, validate=True))).load()
    except Exception as error:  # unpickling garbage raises nearly anything
        raise TransportError(
            f"this is not a whole payload ({type(error).__name__}: {error}): {excerpt(raw)}"
        ) from error


def get_data_from_stdin() -> Any:
    """Read the simulation's parameters from standard input.

    Returns
    -------
    object
        The parameters, usually a dict, as the driver encoded them, or of JSON, which begins with a
        brace. Under a worker, the dict takes note of which of them the script asks for, so that
        those that it never does can be named.

    Raises
    ------
    TransportError
        If standard input holds no payload. A script started by hand can be
        given JSON: ``dask-espresso try STUDY --write params.json`` writes it.
    """
    text = sys.stdin.read()
    data = _read_json(text) if text.lstrip()[:1] == "{" else decode_transport_data(text)
    return Parameters.of(data) if type(data) is dict and result_pipe() is not None else data


def _read_json(text: str) -> Any:
    """Read parameters that somebody has written by hand."""
    import json  # workers send none, and need not wait for it

    try:
        return json.loads(text)
    except ValueError as error:
        raise TransportError(f"standard input is no JSON: {error}") from error


def send_result(data: Any) -> None:
    """Hand over the simulation's result, in place of printing it.

    Under a worker it goes through a pipe of its own, large numpy arrays straight from their
    memory. Without one it is printed, as ``print(encode_transport_data(data))`` does.

    Parameters
    ----------
    data
        As for :func:`encode_transport_data`, up to 4 GiB.
    """
    pipe = result_pipe()
    if pipe is None:
        print(encode_transport_data(data))
        return
    buffers: list[Any] = []
    with _pickled(data, buffer_callback=buffers.append).getbuffer() as pickled:
        send(pipe, MAGIC, [pickled, *(buffer.raw() for buffer in buffers)])


def _encoded(data: Any) -> bytes:
    with _pickled(data, HEAD_SIZE).getbuffer() as payload:
        write_head(payload)
        return binascii.b2a_base64(payload, newline=False)


def _pickled(data: Any, room: int = 0, buffer_callback: Any = None) -> io.BytesIO:
    """Pickle an object, behind so many bytes of room."""
    stream = io.BytesIO()
    stream.write(bytes(room))
    try:
        pickle.Pickler(stream, _PROTOCOL, buffer_callback=buffer_callback).dump(data)
    except Exception as error:  # such as ESPResSo's assertions, without a word
        raise TransportError(_culprit(data, "the data")) from error
    return stream


def _culprit(data: Any, where: str) -> str:
    """Say what of an object is no data."""
    items: Any = ()
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, (list, tuple)):
        items = enumerate(data)
    for key, item in items:
        try:
            pickle.dumps(item, protocol=_PROTOCOL)
        except Exception:
            return _culprit(item, f"{where}[{key!r}]")
    kind = type(data)
    return (
        f"{where} is a {kind.__module__}.{kind.__qualname__}, which cannot be handed over; "
        "give numbers, strings, numpy arrays, lists and dicts of these"
    )


def excerpt(raw: bytes, size: int = 200) -> str:
    """Show a text, shortened in the middle."""
    if len(raw) > size:
        raw = raw[: size // 2] + " […] ".encode() + raw[-size // 2 :]
    return repr(raw.decode("utf-8", "replace"))
