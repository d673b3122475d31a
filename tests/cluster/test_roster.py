import json

from dask_espresso.cluster.roster import read_roster, roster_path


def test_names_that_could_be_anybody_s_are_not_taken(tmp_path):
    store = tmp_path / "s.h5"
    names = ["", "dask-espresso", "dask-espresso-", "my job-0a1b2c-"]
    roster_path(store).write_text(json.dumps({"jobs": [], "problem": "", "names": names}))
    assert read_roster(store).names == ("my job-0a1b2c-",)
