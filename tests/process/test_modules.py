"""Modules of the user's own that a script imports."""

import os

import pytest

from dask_espresso.engines import Engine
from dask_espresso.process.modules import code_hash, find_modules

PYTHON = Engine("python", ("python3",))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write files, and give what finds the modules of ``sim.py`` among them."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(tmp_path / "lib"), "relative"]))
    monkeypatch.chdir(tmp_path)

    def write(engine=PYTHON, **texts):
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/").replace("~", "__")
            path = path if "." in path.name else path.with_name(f"{path.name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return [module.name for module in find_modules(tmp_path / "run" / "sim.py", engine)]

    return write


IMPORTS = [
    ("import helper", {"run__helper": ""}, ["helper.py"]),
    ("import helper as h, os, numpy", {"run__helper": ""}, ["helper.py"]),
    ("from helper import f", {"run__helper": ""}, ["helper.py"]),
    ("def f():\n    import helper", {"run__helper": ""}, ["helper.py"]),
    ("try:\n    import gone\nexcept ImportError:\n    import helper", {"run__helper": ""},
     ["helper.py"]),
    ("import one", {"run__one": "import two", "run__two": "import one, three"},
     ["one.py", "two.py"]),
    ("import lone", {"lib__lone": "import helper", "run__helper": ""}, ["helper.py", "lone.py"]),
    ("import both", {"lib__both": "", "run__both": ""}, ["both.py"]),
    ("import there", {"relative__there": ""}, ["there.py"]),
    ("import random", {"run__random": ""}, ["random.py"]),
    ("import p.q.r", {"run__p__~init~": "", "run__p__q__~init~": "", "run__p__q__r": "",
                      "run__p__other": ""}, ["p/__init__.py", "p/q/__init__.py", "p/q/r.py"]),
    ("from p import q, name", {"run__p__~init~": "name = 1", "run__p__q": "", "run__p__x": ""},
     ["p/__init__.py", "p/q.py"]),
    ("import p", {"lib__p__~init~": "from .q import f", "lib__p__q": "from . import r\nimport s",
                  "lib__p__r": "from ..out import x", "lib__p__s": ""},
     ["p/__init__.py", "p/q.py", "p/r.py"]),
    ("from p import *", {"run__p__~init~": "__all__ = ['q']\n__all__ += ['gone']",
                         "run__p__q": "", "run__p__x": ""}, ["p/__init__.py", "p/q.py"]),
    ("import n.a, n.b", {"run__n__a": "from . import c", "lib__n__b": "", "lib__n__c": ""},
     ["n/a.py", "n/b.py", "n/c.py"]),
    ("from n import a", {"run__n__a": "from .. import x"}, ["n/a.py"]),
    ("import fast", {"run__fast.cpython-311.so": "", "run__fast.txt": ""},
     ["fast.cpython-311.so"]),
    ("import old", {"run__old.pyc": ""}, ["old.pyc"]),
    ("import helper", {"run__helper": "a = '\\d'\nbroken ="}, ["helper.py"]),
    ("broken =", {"run__helper": ""}, []),
    # directories that a script puts on its module path
    ("import sys\nsys.path.insert(0, path.join(path.dirname(__file__), 'own'))\nimport own_a",
     {"run__own__own_a": ""}, ["own_a.py"]),
    ("import own_a\nimport sys\nsys.path.append(str(Path(__file__).parent.parent / 'own' / 'x'))",
     {"own__x__own_a": ""}, ["own_a.py"]),
    ("import sys\nsys.path[:0] = ['own', 'other']\nimport own_a, b", {"run__own__own_a": "",
     "run__other__b": ""}, ["b.py", "own_a.py"]),
    ("import sys\nsys.path += [os.path.dirname(os.path.dirname(__file__))]\nimport up",
     {"up": ""}, ["up.py"]),
    ("import helper, own_a", {"run__helper": "import sys\nsys.path.append(HERE + '/own')",
                              "run__own__own_a": "import b", "run__own__b": ""},
     ["b.py", "helper.py", "own_a.py"]),
    # names that only the running script knows
    ("name = 'consts'; __import__(name)", {"run__consts": "", "lib__lone": ""}, ["consts.py"]),
    ("importlib.import_module('models.' + p['m'])", {"run__models__~init~": "",
     "run__models__a": "import b", "run__b": "", "run__c": ""},
     ["b.py", "models/__init__.py", "models/a.py"]),
    ("import_module(f'models.{m}')", {"run__models__a": "", "run__c": ""}, ["models/a.py"]),
    ("import_module('models.%s' % m)", {"run__models__a": "", "run__c": ""}, ["models/a.py"]),
    ("import_module('models.{}'.format(m))", {"run__models__a": ""}, ["models/a.py"]),
    ("import_module('.' + m, 'models')", {"run__models__~init~": "", "run__models__q__~init~": "",
     "run__models__q__r": "", "run__c": ""},
     ["models/__init__.py", "models/q/__init__.py", "models/q/r.py"]),
    ("import_module('.a', package='models')", {"run__models__a": "", "run__models__b": ""},
     ["models/a.py"]),
    ("import_module('os.' + m)", {"run__c": ""}, []),
    # files that are run by their names
    ("exec(Path(__file__).with_name('part.py').read_text())", {"run__part": "import b",
     "run__b": ""}, ["b.py", "part.py"]),
    ("runpy.run_path(HERE + '/gone.py'); print('sim.py')", {}, []),
    ("import dask_espresso, espressomd, lammps",
     {"lib__espressomd__~init~": "", "lib__lammps": "", "lib__dask_espresso": ""}, []),
    ("from . import helper\nfrom .helper import f", {"run__helper": ""}, []),
    ("helper = 1", {"run__helper": ""}, []),
    ("import importlib\nm = importlib.import_module('p.q')", {"run__p__q": ""}, ["p/q.py"]),
    ("__import__('helper')", {"run__helper": ""}, ["helper.py"]),
    ("import_module(); import_module(1); import_module('.')",
     {"run__name": ""}, []),
]  # fmt: skip


@pytest.mark.parametrize(("script", "others", "found"), IMPORTS)
def test_modules_are_found(files, script, others, found):
    assert files(run__sim=script, **others) == found


def test_what_is_installed_is_not_the_users_own(files, tmp_path, monkeypatch):
    installed = [tmp_path / "env" / "site-packages", tmp_path / "target"]
    (tmp_path / "target" / "one-1.0.dist-info").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, installed)))
    texts = {"env__site-packages__two": "", "target__one": ""}
    assert files(run__sim="import one, two, pytest", **texts) == []


def test_modules_that_the_engine_imports_beforehand(files, tmp_path):
    environment = (("PYTHONPATH", str(tmp_path / "own")),)
    engine = Engine("python", preload=("numpy", "noise.white"), environment=environment)
    texts = {"own__noise__~init~": "", "own__noise__white": "import depth", "own__depth": ""}
    found = ["depth.py", "noise/__init__.py", "noise/white.py"]
    assert files(engine, run__sim="", lib__depth="", **texts) == found
    assert [module.name for module in find_modules(None, engine)] == found


def test_a_script_by_a_link_has_the_modules_beside_the_file(files, tmp_path):
    files(run__sim="import helper", run__helper="", elsewhere__helper="")
    (tmp_path / "elsewhere" / "link.py").symlink_to(tmp_path / "run" / "sim.py")
    (module,) = find_modules(tmp_path / "elsewhere" / "link.py", PYTHON)
    assert module.path == str(tmp_path / "run" / "helper.py")


def test_a_version_is_told_by_all_its_files(files, tmp_path):
    script = tmp_path / "run" / "sim.py"
    hashes = []
    for change in ({}, {"run__one": "a"}, {"run__two": "b"}, {"run__p__~init~": ""}):
        files(**{"run__sim": "import one, two, p", "run__one": "", **change})
        hashes.append(code_hash("5" * 64, find_modules(script, PYTHON)))
    assert len(set(hashes)) == 4
    assert code_hash("5" * 64, ()) == "5" * 16
    files(run__one="")
    (tmp_path / "run" / "two.py").unlink()
    (tmp_path / "run" / "p" / "__init__.py").unlink()
    assert code_hash("5" * 64, find_modules(script, PYTHON)) == hashes[0]
