"""The folders of the package are floors of a house: nothing imports from above, nor in a circle."""

import ast
import graphlib
import sys
from pathlib import Path

import pytest

import dask_espresso

PACKAGE = Path(dask_espresso.__file__).parent
FLOORS = (  # from the top
    {"__main__"},
    {"cli"},
    {"commands"},
    {"starter"},
    {"analysis"},
    {"notebook"},
    {"driver"},
    {"flights"},
    {"feed", "tally"},
    {"plan", "waiting"},
    {"check"},
    {"archive"},
    {"views"},
    {"cluster"},
    {"store"},
    {"process"},
    {"inputs"},
    {"systems"},
    {
        "analyses",
        "record",
        "engines",
        "outcome",
        "values",
        "walltime",
        "files",
        "kept",
        "lease",
        "paths",
        "identity",
        "signals",
        "streams",
        "targets",
    },
    {"errors"},
    {"__init__", "statistics", "checks"},  # both sides have them
    {"safe_path"},
    {"script"},
)
WITH_NUMPY = {
    "statistics.py", "estimate.py", "spectrum.py", "control.py", "replicas.py", "transport.py"
}  # fmt: skip
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
SCREENS = 350  # lines
CLASS = 200  # lines
ROOMS = {"simulations", "for_scripts"}  # run by themselves
MODULES = [
    path for path in sorted(PACKAGE.rglob("*.py")) if not ROOMS & {*path.relative_to(PACKAGE).parts}
]


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def imports(path):
    """Give the modules of this package that one imports, wherever in it that stands."""
    here = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(without_types(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            base = [part for part in base if part]
            for alias in node.names:
                module = PACKAGE.joinpath(*base, alias.name)
                is_module = module.with_suffix(".py").exists() or module.is_dir()
                if found := (*base, alias.name) if is_module else tuple(base):
                    yield found


def without_types(tree):
    """Leave out what is imported for annotations alone."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]
    return tree


@pytest.mark.parametrize("path", MODULES, ids=lambda path: ".".join(name_of(path)))
def test_no_module_imports_from_above(path):
    own = name_of(path)[0]
    above = [
        ".".join(found) for found in imports(path)
        if FLOOR[found[0]] < FLOOR[own]
    ]  # fmt: skip
    assert not above, f"{'.'.join(name_of(path))} imports from above: {above}"


def test_no_modules_import_each_other_in_a_circle():
    order = graphlib.TopologicalSorter(
        {name_of(path): {f for f in imports(path) if f != name_of(path)} for path in MODULES}
    )
    order.prepare()  # else it says which


def test_what_scripts_can_see_needs_the_standard_library_alone():
    for path in (PACKAGE / "script").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )  # fmt: skip
            tops = {name.partition(".")[0] for name in names}
            allowed = {*sys.stdlib_module_names, "dask_espresso"}
            # where a script uses it
            allowed |= {"numpy"} if path.name in WITH_NUMPY else set()
            assert tops <= allowed, path.name


def test_no_module_is_longer_than_a_few_screens():
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines()) for path in MODULES
    }
    too_long = {name: n for name, n in lengths.items() if n > SCREENS}
    assert not too_long


def test_no_class_is_longer_than_it_may_be():
    lengths = {
        f"{path.relative_to(PACKAGE).as_posix()} {node.name}": node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert not {name: n for name, n in lengths.items() if n > CLASS}
