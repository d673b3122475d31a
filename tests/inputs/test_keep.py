"""What a study may say of files that stay."""

import re

import pytest

from dask_espresso import load_study
from dask_espresso.errors import InputError
from dask_espresso.inputs.keep import Keep, keep_of
from dask_espresso.inputs.stored_study import stored_study

STUDY = "name: s\nengine: python\nscript: sim.py\nparameters: {x: [1, 2]}\n\n"


@pytest.mark.parametrize(
    ("given", "patterns", "limit"),
    [
        (None, (), 0),
        ("traj.h5", ("traj.h5",), 2**30),
        (["*.vtf", "out"], ("*.vtf", "out"), 2**30),
        ({"files": ["a"]}, ("a",), 2**30),
        ({"files": "a", "limit": "1.5 GB"}, ("a",), 1_500_000_000),
        ({"files": "a", "limit": "20MiB"}, ("a",), 20 * 2**20),
    ],
)
def test_what_it_says(given, patterns, limit):
    assert keep_of(given) == Keep(patterns, limit)


def test_it_is_part_of_the_study_that_is_stored(script, study_file):
    script("stdin", "sim.py")
    study = load_study(study_file(STUDY + "keep: ['*.vtf']"))
    assert stored_study(study.snapshot()).keep == ["*.vtf"]
    assert "keep" not in load_study(study_file(STUDY)).snapshot()


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ("[]", ":6: keep: is a list; write patterns such as"),
        ("3", ":6: keep: is the number 3; write patterns"),
        ("[3]", "keep[0]: is the number 3; put it in quotes"),
        ("[../x]", "keep[0]: is the text '../x'; write a path in the simulation's own directory"),
        ("/tmp/x", "keep: is the text '/tmp/x'; write a path in the simulation's own"),
        ('["**/x"]', "name a folder, such as out, and all in it stays"),
        ('["{sed}.vtf"]', "unknown name 'sed'; did you mean 'seed'?"),
        ('["*.{vtf,h5}"]', "unknown name 'vtf,h5'"),
        ("{limit: 5 GiB}", "keep: names no files; write patterns"),
        ("{files: x, most: 3}", "unknown key 'most'"),
        ("{files: x, limit: 5}", "limit: is the number 5; write a size such as 5 GiB"),
        (f"{{files: x, limit: {'9' * 400} GB}}", "write a size such as 5 GiB"),
        ("{files: x, limit: 0 GB}", "write a size such as 5 GiB"),
        ("{files: x, limit: 5 gb}", "limit: is the text '5 gb'; write a size such as 5 GiB"),
        ("{files: [x, ..]}", "keep.files[1]: is the text '..'"),
    ],
)
def test_what_is_no_keep(keep, said, script, study_file):
    script("stdin", "sim.py")
    path = study_file(f"{STUDY}keep: {keep}\n")
    with pytest.raises(InputError, match=re.escape(said)):
        load_study(path)
