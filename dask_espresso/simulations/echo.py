"""Give the parameters back with ``processed=True`` added: a simulation for trying a set-up."""

import dask_espresso

params = dask_espresso.get_data_from_stdin()
params["processed"] = True
print(dask_espresso.encode_transport_data(params))
