"""What a script asks its parameters for, and that these are a dict all the same."""

import pytest
from simulators import run_process

from dask_espresso.inputs.shipped import SIMULATIONS

PARAMETERS = {"a": 1, "b": {"c": [2]}, "seed": 3}

# what a script does with `p`, and what it then has not asked for
USES = {
    "nothing": ("pass", "a b seed"),
    "item": ("p['a']", "b seed"),
    "nested": ("p['b']['c']", "a seed"),
    "get": ("p.get('a'), p.get('n_steps', 7), p.get(None)", "b seed"),
    "pop": ("p.pop('a')", "b seed"),
    "setdefault": ("p.setdefault('a', 5); p.setdefault('z', 5)", "b seed"),
    "in": ("'seed' in p", "a b"),
    "print": ("print(p); str(p); f'{p}'; len(p); bool(p); isinstance(p, dict)", "a b seed"),
    "write": ("p['a'] = 2; p.update(b=3); p['new'] = 1; p['new']", "a b seed"),
    "delete": ("del p['seed']; dict(p)", "seed"),
    "missing": ("\ntry: p['n']\nexcept KeyError: p.get('n')", "a b seed"),
    "no key": ("\ntry: p[[1]]\nexcept TypeError: p", "a b seed"),
    "format": ("'{a}'.format_map(p), '%(b)s' % p", "seed"),
    "stars": ("(lambda **given: given)(**p)", ""),
    "display": ("{**p}", ""),
    "copy": ("p.copy()", ""),
    "dict": ("dict(p)", ""),
    "loop": ("[p for _ in p]", ""),
    "keys": ("list(p.keys())", ""),
    "items": ("list(p.items())", ""),
    "values": ("list(p.values())", ""),
    "equal": ("p == {}", ""),
    "update": ("{}.update(p)", ""),
    "union": ("p | {}" if hasattr(dict, "__or__") else "{**p}", ""),
    "namespace": ("import types; types.SimpleNamespace(**p)", ""),
    "attributes": ("class Given: pass\ngiven = Given()\ngiven.__dict__ = p\ngiven.a", ""),
    "json": ("import json; assert json.loads(json.dumps(p)) == p", ""),
    "deepcopy": ("import copy; assert type(copy.deepcopy(p)) is dict", ""),
    "pickle": ("import pickle; assert type(pickle.loads(pickle.dumps(p))) is dict", ""),
    "fork": ("import os\npid = os.fork()\nif not pid: p['a']; sys.exit()\nos.wait()", "b seed"),
    "pool": (
        "import multiprocessing as m\n"
        "with m.get_context('fork').Pool(1) as pool: pool.map(len, [p])",
        "",
    ),
}
SCRIPT = """
import sys, dask_espresso
p = dask_espresso.get_data_from_stdin()
{use}
print(dask_espresso.encode_transport_data({{"y": 1.5}}))
"""


@pytest.mark.parametrize(("use", "unread"), USES.values(), ids=USES)
def test_what_was_never_asked_for(python, script, use, unread):
    report = run_process(python, script(SCRIPT.format(use=use)), PARAMETERS)
    assert (report.failure(), report.output.payload()) == ("", {"y": 1.5})
    assert report.output.unread == unread.split()


def test_yaml_writes_them_as_it_writes_a_dict(python, script):
    path = script("""
        import dask_espresso, yaml
        p = dask_espresso.get_data_from_stdin()
        dask_espresso.send_result([yaml.safe_dump(p), yaml.dump(p)])
    """)
    report = run_process(python, path, {"a": 1, "b": [2]})
    assert report.output.payload() == ["a: 1\nb:\n- 2\n"] * 2


def test_parameters_are_a_result_as_a_dict_is(python, script):
    report = run_process(python, SIMULATIONS / "echo.py", PARAMETERS)
    assert report.output.payload() == {**PARAMETERS, "processed": True}
    assert type(report.output.payload()) is dict
    path = script("""
        import dask_espresso
        p = dask_espresso.get_data_from_stdin()
        dask_espresso.send_result({"p": p, "is": isinstance(p, dict)})
    """)
    report = run_process(python, path, PARAMETERS)
    assert report.output.payload() == {"p": PARAMETERS, "is": True}
    assert type(report.output.payload()["p"]) is dict
    assert report.output.unread == []


@pytest.mark.parametrize(
    "end",
    ["os._exit(0)", "os.environ.clear()", "os.closerange(3, 90)", "os.kill(os.getpid(), 9)"],
)
def test_what_is_not_told_is_not_known(python, script, end):
    path = script(f"""
        import os, dask_espresso
        p = dask_espresso.get_data_from_stdin()
        print(dask_espresso.encode_transport_data(1), flush=True)
        {end}
    """)
    report = run_process(python, path, PARAMETERS)
    assert (report.output.unread, report.output.payload()) == (None, 1)


def test_a_script_that_reads_them_by_itself(python, script):
    path = script("""
        import sys, dask_espresso
        p = dask_espresso.decode_transport_data(sys.stdin.read())
        print(dask_espresso.encode_transport_data(type(p) is dict))
    """)
    report = run_process(python, path, PARAMETERS)
    assert (report.output.unread, report.output.payload()) == (None, True)


def test_a_script_that_fails_is_heard_too(python, script):
    path = script(SCRIPT.format(use="p['a']; raise SystemExit(3)"))
    report = run_process(python, path, PARAMETERS)
    assert report.exit_code == 3
    assert report.output.unread == ["b", "seed"]
