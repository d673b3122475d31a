"""The driver from Python: in notebooks, threads and plain scripts."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.driver import InterruptedRunError, run_study
from dask_espresso.errors import InputError, ResumableError
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Status
from dask_espresso.store.store import read_store

SCRIPT = """
    import dask_espresso, os, time
    params = dask_espresso.get_data_from_stdin()
    if params["x"] > 1:
        open(os.path.dirname(__file__) + "/begun", "a").close()
        time.sleep(1)
    print(dask_espresso.encode_transport_data({"y": 2.0 * params["x"]}))
"""
STUDY = """
    name: s
    engine: python
    script: script.py
    parameters: {x: [0, 1, 2, 3]}
    retries: 0
"""


def interrupt_when(path):
    """Send this process what Ctrl-C sends, once the file is there."""

    def wait():
        while not path.exists():
            pause.wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    pause = threading.Event()
    threading.Thread(target=wait, daemon=True).start()


def test_an_interrupted_run_raises(here, workers):
    interrupt_when(here / "begun")
    with pytest.raises(ResumableError, match=r"s\.h5: stopped by SIGINT .* of 4") as caught:
        run_study(load_study("study.yaml"), workers)
    assert isinstance(caught.value, InterruptedRunError)
    summary = caught.value.summary
    assert (summary.interrupted, summary.exit_status) == ("SIGINT", 75)
    assert summary.recorded.get(Status.DONE, 0) == len(read_store("s.h5").outcomes)


def test_a_notebook_is_interrupted(here, workers):
    """There an event loop runs already, in the main thread."""

    async def cell():
        interrupt_when(here / "begun")
        return run_study(load_study("study.yaml"), workers)

    with pytest.raises(InterruptedRunError):
        asyncio.run(cell())
    assert not (here / "s.h5.claim").exists()


def test_it_runs_in_a_thread_with_an_event_loop(here, script):
    script(SCRIPT.replace("> 1", "> 9"))

    async def cell():
        return run_study(here / "study.yaml", "local", "s.h5")

    summaries = []
    thread = threading.Thread(target=lambda: summaries.append(asyncio.run(cell())))
    thread.start()
    thread.join()
    assert [summary.exit_status for summary in summaries] == [0]
    assert len(read_store("s.h5").outcomes) == 4


def test_files_that_cannot_be_used_are_refused(here):
    for arguments, said in (
        (["nowhere.yaml"], "nowhere.yaml: is not there .*; name a study file"),
        (["script.py"], "script.py: is a script; name a study, .* `script: script.py`"),
        (["study.yaml", "nowhere.yaml"], "name a profile file"),
        (["study.yaml", "study.yaml"], "study.yaml: is a study; name a profile"),
    ):
        with pytest.raises(InputError, match=said):
            run_study(*arguments)


def test_why_simulations_are_not_forked_is_said_once(here, script, capfd):
    script(SCRIPT.replace("> 1", "> 9"))
    script("engines: {python: {preload: [no_such_module]}}", "p.yaml")
    ended = CliRunner().invoke(main, ["run", "study.yaml", "--profile", "p.yaml"])
    assert ended.exit_code == 0, ended.output
    workers_said = "".join(capfd.readouterr())
    assert (ended.output + workers_said).count("fresh process") == 1


PROGRAM = """
    import dask_espresso
    summary = dask_espresso.run_study(dask_espresso.load_study("study.yaml"))
    print("ended with", summary.exit_status)
"""
WAYS = {
    "file": ["program.py"],
    "module": ["-m", "mypkg.program"],
    "input": ["-"],
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_plain_program_needs_no_guard(here, script, way):
    script(SCRIPT.replace("> 1", "> 9"))
    (here / "mypkg").mkdir()
    script("", "mypkg/__init__.py")
    script(PROGRAM, "mypkg/program.py")
    path = script(PROGRAM, "program.py")
    script("raise ImportError('this is the user\\'s')", "store.py")
    ended = subprocess.run(
        [sys.executable, *WAYS[way]],
        input=path.read_text() if way == "input" else "",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "ended with 0\n"
    assert len(read_store("s.h5").outcomes) == 4
