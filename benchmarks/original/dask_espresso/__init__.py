"""A stand-in for the original sample's module, with what that costs a simulation: it imports dask.

The folder above this one goes on ``PYTHONPATH`` of the original way, so that the same script
imports this instead of the package. What the sample did not have comes from the package itself.
"""

import base64
import os
import pickle
import subprocess
import sys
from pathlib import Path

# last, so that a pypresso with packages of its own finds dask here, and numpy there
sys.path.append(os.environ["DASK_FROM"])
import dask

__path__.append(str(Path(__file__).parents[3] / "dask_espresso"))


def encode_transport_data(data):
    """Turn an object into one line of text."""
    return base64.b64encode(pickle.dumps(data)).decode()


def decode_transport_data(text):
    """Turn that text into the object again."""
    return pickle.loads(base64.b64decode(text))


def get_data_from_stdin():
    """Give what the simulation was started with."""
    return decode_transport_data(sys.stdin.read())


@dask.delayed
def dask_espresso_task(pypresso, script, **parameters):
    """Run a script in a fresh interpreter; its standard error is read, and otherwise ignored."""
    done = subprocess.run(
        [pypresso, script],
        input=encode_transport_data(parameters),
        capture_output=True,
        text=True,
        check=False,
    )
    return decode_transport_data(done.stdout)
