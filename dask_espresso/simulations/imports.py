"""Say what importing modules has made of this process.

Parameters: ``preload``, the modules. Result: ``values`` and ``generators``, see
:class:`dask_espresso.fingerprint.Fingerprint`, and ``directories``, where the process works and
has its temporary files. In a forked process, the modules have been imported before it was forked.
"""

import os

import dask_espresso
from dask_espresso import preload

scratch = os.path.dirname(os.getcwd())
found = preload.fingerprint(dask_espresso.get_data_from_stdin()["preload"])
places = (os.getcwd(), os.environ.get("TMPDIR", ""))
result = {
    "values": found.values,
    "generators": found.generators,
    "directories": [place.replace(scratch, "scratch") for place in places],
}
print(dask_espresso.encode_transport_data(result))
