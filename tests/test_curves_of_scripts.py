"""A script says its own axes, through driver, store and xarray; and where it is tried."""

import h5py
import numpy as np
import xarray
from click.testing import CliRunner

import dask_espresso
from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.inputs.axes import axes_of
from dask_espresso.outcome import Status
from dask_espresso.store.store import read_store

GIVES = """
import dask_espresso
p = dask_espresso.get_data_from_stdin()
r = [0.5, 1.0, 1.5]
result = {"pair": (1, 2), "g": dask_espresso.curve([p["x"] * one for one in r], r=r)}
if p["x"] == 3:
    result["r"] = 7
print(dask_espresso.encode_transport_data(result))
"""
STUDY = "name: s\nengine: python\nscript: sim.py\nparameters: {x: [1, 2, 3]}\nretries: 0\n"


def test_a_script_says_its_axes(workers, script, study_file, tmp_path):
    script(GIVES, "sim.py")
    study, store = study_file(STUDY), tmp_path / "s.h5"
    run_study(study, workers, store)
    outcomes = {o.parameters["x"]: o for o in read_store(store).outcomes.values()}
    np.testing.assert_equal(
        outcomes[2].result,
        {"pair": (1, 2), "g": np.array([1.0, 2.0, 3.0]), "r": np.array([0.5, 1.0, 1.5])},
    )
    assert outcomes[3].status is Status.FAILED
    assert outcomes[3].error.startswith("the axis of the curve 'g' is called 'r', as is another")
    with h5py.File(store) as file:
        assert file["r"].attrs["kind"] == "axis"  # once, for all
    with xarray.open_dataset(store) as data:
        assert data.g.dims == ("simulation", "r")
        assert data.r.values.tolist() == [0.5, 1.0, 1.5]
    g = dask_espresso.dataset(store).g
    assert g.dims == ("x", "replica", "r")
    assert g.sel(x=2, replica=0, r=1.0) == 2.0

    shown = CliRunner().invoke(main, ["try", str(tmp_path / "study.yaml")]).output
    assert "g along r = array([0.5, 1. , 1.5])" in shown


def test_axes_on_which_scripts_do_not_agree_are_none():
    said = ['{"g": ["r"], "h": ["r"]}', '{"g": ["q"]}', ""]
    assert axes_of({}, said) == {"h": ["r"]}
    assert axes_of({"axes": {"g": ["q"]}}, said) == {"h": ["r"], "g": ["q"]}
