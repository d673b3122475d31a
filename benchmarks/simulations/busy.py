"""Keep a slot, or a core, busy for ``seconds``: asleep, or with ``spin`` for as much CPU time."""

import time

import dask_espresso

params = dask_espresso.get_data_from_stdin()
if params["spin"]:
    while time.process_time() < params["seconds"]:
        pass
else:
    time.sleep(params["seconds"])
print(dask_espresso.encode_transport_data({"seconds": params["seconds"]}))
