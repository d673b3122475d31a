"""The examples in docstrings are what the package does."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

import dask_espresso

PACKAGE = Path(dask_espresso.__file__).parent
DOCUMENTED = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef


def examples():
    """Give module and text of all docstrings with examples, also of what a decorator hides."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if ">>> " in source else ():
            text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
            if text and ">>> " in text:
                name = f"{module}.{getattr(node, 'name', '__doc__')}"
                yield pytest.param(module, name, text, id=name)


@pytest.mark.parametrize(("module", "name", "text"), [*examples()])
def test_examples(module, name, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = vars(importlib.import_module(module)).copy()
    test = doctest.DocTestParser().get_doctest(text, known, name, module, 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0
