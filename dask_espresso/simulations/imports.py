"""Say what importing modules has made of this process.

Parameters: ``preload``, the modules; ``after``, the time to wait for before they are imported.
Result: ``values``, ``generators``, ``drawn`` and ``time``, see
:class:`dask_espresso.fingerprint.Fingerprint`; ``libc``, what the generators of C give next; and
``directories``, where the process works and has its temporary files. In a forked process, the
modules have been imported before it was forked.
"""

import os
import time

import dask_espresso
from dask_espresso import preload
from dask_espresso.fingerprint import draw_from_libc

scratch = os.path.dirname(os.getcwd())
params = dask_espresso.get_data_from_stdin()
while time.time() < params.get("after", 0):
    time.sleep(0.01)
found = preload.fingerprint(params["preload"])
places = (os.getcwd(), os.environ.get("TMPDIR", ""))
result = {
    "values": found.values,
    "generators": found.generators,
    "drawn": found.drawn,
    "time": found.time,
    "libc": draw_from_libc(),
    "directories": [place.replace(scratch, "scratch") for place in places],
}
print(dask_espresso.encode_transport_data(result))
