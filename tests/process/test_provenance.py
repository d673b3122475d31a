"""Where a version of the code comes from: texts, commit, versions, and no secrets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dask_espresso.engines import Engine
from dask_espresso.files import file_hash
from dask_espresso.inputs.profile import Profile, load_profile
from dask_espresso.process import git, provenance
from dask_espresso.process.modules import Module
from dask_espresso.process.order import Workload
from dask_espresso.process.probe import Probe
from dask_espresso.process.provenance import code_of, run_of
from dask_espresso.process.secret import without_secrets


def workload(script, *modules):
    found = tuple(Module(name, str(path), file_hash(path)) for name, path in modules)
    return Workload(Engine("python"), str(script), file_hash(script), None, modules=found)


def code(folder):
    """A script, a package beside it, a module above it, and one that is no text."""
    there = folder / "run"
    (there / "helpers").mkdir(parents=True)
    files = {
        "sim.py": there / "sim.py",
        "helpers/f.py": there / "helpers" / "f.py",
        "up.py": folder / "up.py",
        "fast.so": there / "fast.so",
    }
    for name, path in files.items():
        path.write_bytes(b"\x7fELF\0\xff" if name == "fast.so" else f"# {name} \u00fc\n".encode())
    script = files.pop("sim.py")
    return workload(script, *files.items())


def run_git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_texts_are_kept_with_their_places(tmp_path):
    found = code_of(code(tmp_path))
    assert found["script"] == "sim.py"
    assert found["folder"] == str(tmp_path / "run")
    kept = {file["path"]: file.get("text") for file in found["files"]}
    assert kept == {
        "sim.py": "# sim.py \u00fc\n",
        "helpers/f.py": "# helpers/f.py \u00fc\n",
        "../up.py": "# up.py \u00fc\n",
        "fast.so": None,
    }
    (binary,) = [file for file in found["files"] if file["name"] == "fast.so"]
    assert binary["without_text"] == "no text"
    assert binary["sha256"] == file_hash(tmp_path / "run" / "fast.so")
    assert "git" not in found


def test_large_texts_are_named_with_their_hashes_alone(tmp_path, monkeypatch):
    given = code(tmp_path)
    monkeypatch.setattr(provenance, "MOST_OF_ALL", len("# sim.py \u00fc\n".encode()) + 3)
    first, *others = code_of(given)["files"]
    assert "text" in first
    assert {file["without_text"] for file in others} == {"too large"}
    assert all(len(file["sha256"]) == 64 for file in others)


def test_a_text_that_changes_meanwhile_is_not_taken_for_what_runs(tmp_path):
    given = code(tmp_path)
    Path(given.script).write_text("other\n")
    assert code_of(given)["files"][0]["without_text"] == "changed meanwhile"


def test_the_commit_is_told_and_what_is_not_in_it(tmp_path, monkeypatch):
    given = code(tmp_path)
    run_git(tmp_path, "init", "-q")
    assert code_of(given)["git"]["commit"] == ""
    run_git(tmp_path, "add", "run/sim.py", "up.py")
    run_git(tmp_path, "commit", "-qm", "one")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))  # as in a hook
    found = code_of(given)["git"]
    monkeypatch.delenv("GIT_DIR")
    assert found["commit"] == run_git(tmp_path, "rev-parse", "HEAD")
    assert found["untracked"] == ["helpers/f.py", "fast.so"]
    run_git(tmp_path, "add", ".")
    run_git(tmp_path, "commit", "-qm", "two")
    assert not code_of(given)["git"]["is_changed"]
    (tmp_path / "run" / "study.h5").write_text("results are no part of the code\n")
    assert not code_of(given)["git"]["is_changed"]
    Path(given.script).write_text("# other\n")
    assert code_of(given)["git"]["changed"] == ["run/sim.py"]
    run_git(tmp_path, "commit", "-qam", "three")
    (tmp_path / "up.py").write_text("# other, though outside of the script's folder\n")
    run_git(tmp_path, "mv", "run/helpers/f.py", "run/up dated.py")
    assert code_of(given)["git"]["changed"] == ["run/helpers/f.py", "run/up dated.py", "up.py"]
    assert code_of(given)["git"]["is_changed"]


def test_a_repository_starts_no_program(tmp_path):
    given = code(tmp_path)
    run_git(tmp_path, "init", "-q")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    hook.chmod(0o755)
    run_git(tmp_path, "config", "core.fsmonitor", str(hook))
    assert "error" not in code_of(given)["git"]
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("echo 'fatal: detected dubious ownership in repository' >&2; exit 128",
         {"error": "fatal: detected dubious ownership in repository"}),
        ("exec sleep 60", {"error": "git took more than 0 s"}),
        (None, {}),
    ],
)  # fmt: skip
def test_a_git_that_does_not_answer_costs_nothing_but_its_answer(
    tmp_path, monkeypatch, program, expected
):
    given = code(tmp_path)
    there = tmp_path / "bin"
    there.mkdir()
    if program:
        (there / "git").write_text(f"#!/bin/sh\n{program}\n")
        (there / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{there}{os.pathsep}/bin" if program else str(there))
    monkeypatch.setattr(git, "_LIMIT", 0.3)
    assert code_of(given).get("git", {}) == expected


SECRETS = """
cluster: slurm
# their password: hunter2
engines:
  python:
    environment: {MY_API_KEY: hunter2, OMP_NUM_THREADS: "1"}
    command: [python3, --token=hunter2]
options:
  job_script_prologue:
    - "export DB_PASSWORD='hunter2'; module load gcc/12"
    - export SECRET_THING=hunter2 hunter2
    - module load espresso/4.2
"""


def test_what_looks_like_a_secret_is_left_out():
    shown = without_secrets(SECRETS)
    assert "hunter2" not in shown
    assert 'OMP_NUM_THREADS: "1"' in shown
    assert "module load espresso/4.2" in shown
    assert "module load gcc/12" in shown
    assert len(shown.splitlines()) == len(SECRETS.splitlines())
    assert without_secrets(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "A_PRIVATE_KEY: |\n  -----BEGIN\n  hunter2\n\nx: 1\n",
        "A_TOKEN: >-\n    hunter2\n    hunter2\nx: 1\n",
        'password: "ab\'hunter2"\nx: 1\n',
        "password: ab'hunter2\nx: 1\n",
        "password: 'it''s hunter2'\nx: 1\n",
        'password: "a\\"hunter2"\nx: 1\n',
        "{'API_TOKEN' : 'a,b}hunter2', x: 1}",
        "A_TOKENS:\n  - one\n  - hunter2\nx: 1\n",
        "command: [x, --password, hunter2, 'x: 1']",
        "a: ['export A_TOKEN=hunter2', \"export PASS=hunter2\", 'x: 1']",
        "a: \"curl -H 'Authorization: Bearer hunter2'\"\nx: 1\n",
        "url: https://me:hunter2@example.org/x: 1\n",
        "A_TOKEN: hunter2\r\nx: 1\r\n",
        "\ufeffssh_key: hunter2\nx: 1\n",
        "A_TOKEN: 'no YAML: hunter2\n}\nx: 1\n",
    ],
)
def test_secrets_in_quotes_blocks_lists_and_addresses(text):
    shown = without_secrets(text)
    assert "hunter2" not in shown
    assert "x: 1" in shown
    assert without_secrets(shown) == shown


def test_what_is_no_secret_stays():
    text = "author: me\nkey: 3\nkeyboard: 2\nbypass: 1\nat: https://example.org:80/@x\n"
    assert without_secrets(text) == text


def test_no_environment_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_OWN_VARIABLE", "hunter2")
    monkeypatch.setenv("LOADEDMODULES", "gcc/12:espresso/4.2")
    (tmp_path / "p.yaml").write_text("cluster: local\n")
    found = run_of(load_profile(tmp_path / "p.yaml"), Probe(version="4.2"))
    assert "hunter2" not in str(found)
    assert found["modules"] == ["gcc/12", "espresso/4.2"]
    assert found["profile"] == {"name": "p.yaml", "text": "cluster: local\n"}
    assert found["versions"]["python"] == sys.version.split()[0]
    assert "profile" not in run_of(Profile(), Probe())
