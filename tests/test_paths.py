"""Relative paths, ``~`` and variables, wherever a user writes them."""

import sys

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.errors import InputError
from dask_espresso.inputs.profile import load_profile
from dask_espresso.paths import absolute_entries, expand, expand_setting, located

SCRIPT = """
import dask_espresso, mylib
p = dask_espresso.get_data_from_stdin()
print(dask_espresso.encode_transport_data({"y": mylib.VALUE * p["x"]}))
"""
STUDY = "name: s\nengine: mine\nscript: script.py\nparameters: {x: [1, 2]}\nretries: 0\n"


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("PYTHONPATH", "lib", "/run/lib"),
        ("PYTHONPATH", "/a:", "/a:/run"),
        ("PYTHONPATH", "./lib::../x", "/run/lib:/run:/x"),
        ("PYTHONPATH", "", ""),
        ("LD_LIBRARY_PATH", "lib:", "/run/lib:"),
        ("MODULEPATH", "not-there", "not-there"),
    ],
)
def test_lists_of_paths(name, value, meant):
    assert absolute_entries(name, value, "/run") == meant


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("/x:$LIST", "/x:/old"),
        ("${LIST}:~/lib", "/old:/home/me/lib"),
        ("/x:$NEW", "/x"),
        ("$$5", "$5"),
        ("$HOME", "/home/me"),
        ("~5", "~5"),
    ],
)
def test_variables_of_an_engine(monkeypatch, value, meant):
    monkeypatch.setenv("HOME", "/home/me")
    name = "NEW" if "NEW" in value else "LIST"
    assert expand_setting(name, value, {"HOME": "/home/me", "LIST": "/old"}) == meant


def test_a_variable_that_is_not_set():
    with pytest.raises(ValueError, match=r"is '\$NOPE/x', but \$NOPE is not set here; set it"):
        expand("$NOPE/x", {})


def test_words_that_are_paths(tmp_path):
    (tmp_path / "image.sif").touch()
    (tmp_path / "data").mkdir()
    words = ["image.sif", "./data", "data", "--bind=./data:/data", "-B", "python3", "/x", "--v=1"]
    assert [located(word, [tmp_path / "nope", tmp_path]) for word in words] == [
        *(f"{tmp_path}/image.sif", f"{tmp_path}/data", "data", f"--bind={tmp_path}/data:/data"),
        *("-B", "python3", "/x", "--v=1"),
    ]


@pytest.fixture
def directory(tmp_path):
    """Give a directory with a study, a profile in a subdirectory, a module and a program."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "study.yaml").write_text(STUDY)
    for name in ("lib", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "lib/mylib.py").write_text("VALUE = 3\n")
    program = tmp_path / "there/start"
    program.write_text(f'#!/bin/sh\n[ -f "$1" ] && shift && exec {sys.executable} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "there/image.sif").touch()
    return tmp_path


@pytest.fixture
def call(directory, monkeypatch):
    """Call the program in that directory."""
    monkeypatch.chdir(directory)

    def call(*arguments, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(main, [*arguments, "--profile=there/p.yaml"])

    return call


@pytest.mark.parametrize(
    ("settings", "environment"),
    [
        ("preload: [mylib]", {"PYTHONPATH": "lib"}),
        ("start: spawn", {"PYTHONPATH": "/nope:./lib"}),
        ("preload: [mylib], environment: {PYTHONPATH: ../lib}", {}),
    ],
)
def test_relative_paths_of_a_run(directory, call, workers, settings, environment):
    # the variables of the driver are those of workers that it starts itself
    profile = f"cluster: {'local' if environment else workers.cluster}\n"
    profile += f"engines:\n  mine: {{command: ./start image.sif, {settings}}}\n"
    (directory / "there/p.yaml").write_text(profile)
    for command in ("try", "run"):
        done = call(command, "study.yaml", **environment)
        assert done.exit_code == 0, done.output
    assert "2 done of 2" in done.stdout
    assert "fresh processes" not in done.stderr


def test_an_engine_s_variables_that_are_not_set(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("engines:\n  python:\n    environment:\n      A: x\n      B: $NOPE/x\n")
    with pytest.raises(InputError, match=r"p\.yaml:5: engines\.python\.environment\.B: .*\$NOPE"):
        load_profile(path)


@pytest.mark.parametrize("command", ["$NOPE/bin/x", "~nobody-here/x"])
def test_a_command_that_is_nowhere(tmp_path, command):
    path = tmp_path / "p.yaml"
    path.write_text(f"engines:\n  python: {{command: {command}}}\n")
    with pytest.raises(InputError, match=r"p\.yaml:2: engines\.python\.command: is .*write the"):
        load_profile(path)
    path.write_text("engines:\n  python: {command: [sh, -c, 'exec $NOPE \"$@\"']}\n")
    assert load_profile(path).engine("python").command[2] == 'exec $NOPE "$@"'


def test_no_directory_is_called_home(directory, call):
    home = directory / "home"
    home.mkdir()
    (directory / "there/p.yaml").write_text("options: {local_directory: ~/dask, n_workers: 1}\n")
    study = STUDY.replace("script: script.py", "script: $HOME/../script.py")
    (home / "study.yaml").write_text(study.replace("mine", "python"))
    done = call("run", "~/study.yaml", "--store=~/s.h5", HOME=str(home), PYTHONPATH="lib")
    assert done.exit_code == 0, done.output
    assert (home / "s.h5").exists()
    assert (home / "dask").is_dir()
    assert {path.name for path in directory.iterdir()} == {
        *("home", "lib", "there", "script.py", "study.yaml")
    }


@pytest.mark.parametrize("path", ["~nobody-here/s.h5", "$NOPE/s.h5"])
def test_a_store_that_is_nowhere(path):
    result = CliRunner().invoke(main, ["status", path])
    assert result.exit_code == 2
    assert f"Error: STORE: is {path!r}, but " in result.stderr
