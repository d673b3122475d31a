"""Which results stand along which others."""

import pytest
import yaml

from dask_espresso.errors import InputError
from dask_espresso.inputs.axes import axes_of
from dask_espresso.inputs.study import load_study


@pytest.fixture
def load(tmp_path):
    (tmp_path / "s.py").touch()

    def load(**keys):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({"name": "s", "script": "s.py", "engine": "python"} | keys))
        return load_study(path)

    return load


def test_axes_of_the_study_and_of_tables(load):
    collect = {"gr": {"file": "rdf.dat", "columns": ["r", "g", "n"], "axis": "r"}}
    study = load(
        parameters={"x": 1}, axes={"msd": "lag"}, collect=collect, arguments=["{x}"]
    ).snapshot()
    assert study["axes"] == {"msd": ["lag"]}
    assert axes_of(study) == {"g": ["r"], "n": ["r"], "msd": ["lag"]}


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"g": "g"}, "axes.g: is its own axis"),
        ({"g": ["r", "r"]}, r"axes.g\[1\]: has the axis `r` twice"),
        ({"g": ["r"], "r": ["i"]}, "axes.g: has the axis `r`, which has axes itself"),
        ({"g": []}, "axes.g: is an empty list; write the results along which it stands"),
        ({"g": [1]}, r"axes.g\[0\]: is the number 1; write the name of a result"),
        (["g"], "axes: is a list; write the results"),
    ],
)
def test_what_is_no_axis_is_refused(load, axes, said):
    with pytest.raises(InputError, match=said):
        load(parameters={"x": 1}, axes=axes)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"columns": ["r", "g"], "axis": "R"}, "unknown column 'R'; did you mean 'r'"),
        ({"axis": "r"}, "write `columns"),
    ],
)
def test_an_axis_of_a_table_is_one_of_its_columns(load, table, said):
    with pytest.raises(InputError, match=said):
        load(parameters={"x": 1}, arguments=["{x}"], collect={"file": "rdf.dat", **table})
