"""What a shell completes, as docs/howto/run.md has it: in a real bash, at a terminal."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def completed(typed, directory):
    """Give the line that bash has made of what was typed, and a tab."""
    script = re.search(r"eval .*bash_source.*", (ROOT / "docs/howto/run.md").read_text())[0]
    (directory / "rc").write_text(f"PS1='> '\nbind 'set enable-bracketed-paste off'\n{script}\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ours, theirs = pty.openpty()
    bash = subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", "rc", "-i"], cwd=directory, start_new_session=True,
        stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"PATH": path, "TERM": "dumb"},
    )  # fmt: skip
    os.close(theirs)
    said = ""
    try:
        keys = f'{typed}\t\x01echo "<\x05>"\n'  # Ctrl-A, Ctrl-E: the line between < and >
        os.write(ours, keys.encode())
        end = time.monotonic() + 60
        while not (found := re.search(r"(?m)^<(.*)>", said)) and time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                said += os.read(ours, 4096).decode().replace("\r", "")
    finally:
        bash.kill()
        bash.wait()
        os.close(ours)
    assert found, said
    return found[1].strip()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("dask-espresso fail", "dask-espresso failures"),
        ("dask-espresso run my_s", "dask-espresso run my_study.yaml"),
        ("dask-espresso run my_study.yaml --profile clu", "… --profile cluster.yaml"),
        ("dask-espresso run my_study.yaml --changed-script k", "… --changed-script keep"),
        ("dask-espresso failures results.h5 --status tim",
         "dask-espresso failures results.h5 --status 'timed out'"),
        ("dask-espresso status re", "dask-espresso status results.h5"),
    ],
)  # fmt: skip
def test_bash_completes(tmp_path, typed, line):
    for name in ("my_study.yaml", "cluster.yaml", "results.h5"):
        (tmp_path / name).touch()
    assert completed(typed, tmp_path) == line.replace("…", "dask-espresso run my_study.yaml")
