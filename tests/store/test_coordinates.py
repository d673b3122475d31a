"""Which variables of the file name the parameters as their coordinates, the way CF does."""

import h5py
import numpy as np
from outcome_tables import filled_table

from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome
from dask_espresso.store.hdf5 import write_hdf5


def test_all_with_an_entry_a_simulation_but_the_coordinates_themselves(tmp_path):
    study = Study(name="s", script="s.py", parameters={"x": [1, 2], "y": "a"})
    outcomes = [
        Outcome(one.id, {**one.parameters, "p": np.zeros((1 + n, 2 - n))}, result={
            "number": 1.5, "array": np.zeros(3), "rows": np.arange(1.0 + n),
            "shapes": np.zeros((1 + n, 2 - n)),
        })
        for n, one in enumerate(study.simulations())
    ]  # fmt: skip
    write_hdf5(tmp_path / "s.h5", filled_table(outcomes), study.snapshot(), "hash")
    with h5py.File(tmp_path / "s.h5") as file:
        columns = {name for name, found in file.items() if "role" in found.attrs}
        named = {name for name in columns if file[name].attrs.get("coordinates") == "x y replica"}
        assert {"number", "array", "rows", "status", "log"} <= named
        assert columns - named == {"x", "y", "p", "replica", "shapes"}
        assert not any("coordinates" in file[name].attrs for name in {*file} - named)
