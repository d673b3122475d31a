"""Where a study says that results come from."""

import pytest

from dask_espresso import load_study
from dask_espresso.errors import InputError
from dask_espresso.inputs.collect import Source, sources_of
from dask_espresso.inputs.stored_study import stored_study
from dask_espresso.inputs.study import Study

TABLE = {"file": "rdf.dat", "columns": ["r", "g"]}


@pytest.fixture
def load(study_file, script):
    script("import sys; sys.stdin.read()", "sim.py")

    def load(text, more=""):
        head = "name: s\nengine: python\nscript: sim.py\nparameters: {x: [1, 2]}\n"
        return load_study(study_file(f"{head}collect: {text}\n{more}"))

    return load


@pytest.mark.parametrize(
    ("collect", "sources"),
    [
        ("result.json", [Source("", "file", "result.json")]),
        (TABLE, [Source("", "file", "rdf.dat", columns=("r", "g"))]),
        ({"stdout": "last"}, [Source("", "stdout")]),
        ({"log": r"p = (?P<p>\S+)"}, [Source("", "log", pattern=r"p = (?P<p>\S+)")]),
        ({"a": "result.json", "gr": TABLE, "e": {"stdout": "last"}},
         [Source("a", "file", "result.json"), Source("gr", "file", "rdf.dat", ("r", "g")),
          Source("e", "stdout")]),
        ({"file": "x.log", "pattern": "(?P<v>.*)", "texts": "v"},
         [Source("", "file", "x.log", texts=("v",), pattern="(?P<v>.*)")]),
        ({"file": "out.h5p", "columns": ["a"]}, [Source("", "file", "out.h5p", ("a",))]),
    ],
)  # fmt: skip
def test_sources(collect, sources):
    assert list(sources_of(collect)) == sources


def test_it_is_stored_and_comes_back(load):
    study = load("{gr: {file: 'rdf_{x}.dat', columns: [r, g]}}")
    assert study.snapshot()["collect"] == {"gr": {**TABLE, "file": "rdf_{x}.dat"}}
    assert Study.from_snapshot(study.snapshot()).sources == study.sources
    assert [*stored_study(study.snapshot()).ids()] == [*study.ids()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a.json]", "study.yaml:5: collect: is a list; write a file such as result.json"),
        ("{}", "collect: names nothing"),
        ("{file: a.json, stdout: last}", "collect: names file and stdout"),
        ("{gr: {columns: [r]}}", "study.yaml:5: collect.gr: names no file"),
        ("{gr: {file: a.dat, colums: [r]}}", "collect.gr.colums: unknown key 'colums'; did you "
         "mean 'columns'?"),
        ("{stdout: first}", "collect.stdout: is the text 'first' but must be last"),
        ("{log: 'p = (\\S+)'}", "collect.log: names no result; write a group such as"),
        ("{log: '(?P<p>'}", "collect.log: is no regular expression ("),
        ("{file: a.json, columns: [r]}", "collect.columns: are of tables, not of .json"),
        ("a.h5", "collect.file: is a .h5, which is not known; write .json, .yaml"),
        ("/tmp/a.json", "collect.file: is the text '/tmp/a.json'; write a path in the sim"),
        ("../a.json", "write a path in the simulation's own directory"),
        ("{file: '{directory}/a.json'}", "is there already: files are looked for in {directory}"),
        ("{a: '{y}.json'}", "study.yaml:5: collect.a: unknown name 'y'; known names: id, "),
        ("{file: a.dat, columns: []}", "collect.columns: is a list; write a list of names"),
        ("{file: a.dat, columns: [r, r]}", "collect.columns: has 'r' twice"),
        ("{file: a.dat, columns: [r, 2]}", "collect.columns[1]: is the number 2; write a name"),
        ("{file: a.dat, columns: [r], texts: [s]}", "collect.texts: unknown result 's'"),
        ("{a: {file: a.dat, columns: [r]}, b: {log: '(?P<r>.)'}}", "collect.b: has the result 'r' "
         "twice"),
        ("{file: a.log, pattern: '(?P<r>.)', columns: [r]}", "collect.columns: is of tables"),
    ],
)  # fmt: skip
def test_messages(load, text, message):
    with pytest.raises(InputError) as error:
        load(text)
    assert message in str(error.value)


def test_a_script_that_asks_for_nothing(load, script, caplog):
    load("result.json")
    assert not caplog.messages
    script("", "sim.py")
    load("result.json")
    assert "script: asks for no parameters, as far as can be seen" in caplog.text
    caplog.clear()
    load("result.json", "arguments: ['{x}']")
    assert not caplog.messages
