"""A run that goes on by itself: waited for, cancelled, interrupted, awaited, left behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from processes import is_running, wait_until

import dask_espresso
from dask_espresso.driver import InterruptedRunError
from dask_espresso.errors import InputError, ResumableError
from dask_espresso.notebook.begun import environment
from dask_espresso.outcome import Status
from dask_espresso.store.store import open_store as hold_store

SCRIPT = """
    import dask_espresso, os, time
    params = dask_espresso.get_data_from_stdin()
    if params["x"] > 1:
        with open(os.path.dirname(__file__) + "/begun", "a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(params.get("s", 1))
    assert params["x"] >= 0, "no root"
    print(dask_espresso.encode_transport_data({"y": 2.0 * params["x"]}))
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, script):
    script(SCRIPT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(x, **parameters):
    return dask_espresso.Study(
        name="s", script="script.py", engine="python", retries=0, parameters={"x": x, **parameters}
    )


@pytest.fixture
def profile(workers):
    return workers.path


def begun(here):
    assert wait_until((here / "begun").exists)


def test_it_goes_on_by_itself_and_says_what_it_came_to(here, profile):
    run = study([-1, 0, 2]).run(profile, progress=False)
    with pytest.raises(TimeoutError, match=r"s\.h5: runs still, after 0 s"):
        run.wait(0)
    assert not run.done
    assert "Run into s.h5" in repr(run)
    summary = run.wait()
    assert run.done
    assert summary.exit_status == 1
    assert summary.recorded == {Status.DONE: 2, Status.FAILED: 1}
    assert run.progress.total == 3
    assert "ended: 2 done, 1 failed" in repr(run)
    assert '<progress max="3"' in run._repr_html_()
    assert run.store.failures[0]["cause"].endswith("no root")
    text = (here / "s.study.yaml").read_text()
    assert text.startswith("# Written by Study.run")
    assert [*dask_espresso.load_study("s.study.yaml").ids()] == [*study([-1, 0, 2]).ids()]


def test_what_is_wrong_is_said_before_anything_starts(here, profile, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    ours = study([0])
    for keys, said in (
        ({"profile": "none.yaml"}, r"none\.yaml: is not there"),
        ({"only": ["ffff"]}, "no simulation has the id ffff"),
        ({"where": "z > 1"}, "'z'"),
        ({"status": "fail"}, "status: is 'fail'; .*failed"),
        ({"changed_script": "no"}, "changed_script: is 'no'; give 'keep' or 'rerun'"),
        ({"status": "failed", "changed_script": "rerun"}, "write --changed-script keep"),
        ({"store": here}, "a directory"),
        ({"store": "missing/s.h5"}, "missing"),
    ):
        with pytest.raises(InputError, match=said):
            ours.run(**{"profile": profile, **keys})
    with hold_store(here / "s.h5", ours.checked), pytest.raises(InputError, match="is at work on"):
        ours.run(profile)
    (here / "s.study.yaml").write_text("name: mine\n")
    with pytest.raises(InputError, match=r"s\.study\.yaml: is there, and no run"):
        ours.run(profile)
    assert (here / "s.study.yaml").read_text() == "name: mine\n"


def test_a_changed_script_is_refused_with_the_choices(here, profile):
    ours = study([0])
    assert ours.run(profile, progress=False).wait().exit_status == 0
    path = here / "script.py"
    path.write_text(path.read_text().replace("2.0", "3.0"))
    with pytest.raises(InputError, match="--changed-script"):
        ours.run(profile)
    ours.run(profile, changed_script="rerun", progress=False).wait()
    (outcome,) = dask_espresso.open_store("s.h5").outcomes.values()
    assert outcome.result == {"y": 0.0}


@pytest.mark.slow
def test_one_that_is_cancelled_goes_on_when_it_runs_again(here, profile):
    run = study([0, 2, 3, 4, 5, 6]).run(profile, progress=False)
    begun(here)
    run.cancel()
    assert run.done
    summary = run.wait()
    assert (summary.interrupted, summary.exit_status) == ("SIGINT", 75)
    assert "stopped by SIGINT" in repr(run)
    run.cancel()  # once more does no harm
    again = study([0, 2, 3, 4, 5, 6]).run(profile, progress=False).wait()
    assert again.exit_status == 0
    assert again.done_before == sum(summary.recorded.values())


@pytest.mark.slow
def test_ctrl_c_stops_it_and_raises(here, profile):
    run = study([2, 3, 4, 5, 6]).run(profile, progress=False)

    def interrupt():
        begun(here)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run.wait()
    assert run.done
    assert run.wait().interrupted == "SIGINT"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (signal.SIGTERM, InterruptedRunError, "stopped by SIGTERM"),
        (signal.SIGKILL, ResumableError, "its driver ended by SIGKILL; running the study again"),
    ],
)
def test_what_ended_it_otherwise_is_an_error(here, profile, number, kind, said):
    run = study([2, 3, 4, 5, 6]).run(profile, progress=False)
    begun(here)
    os.kill(run._driver.pid, number)
    with pytest.raises(kind, match=said):
        run.wait()
    assert run.done


@pytest.mark.slow
def test_it_can_be_awaited_while_the_loop_does_other_things(here, profile):
    async def program():
        run = study([0, 2]).run(profile, progress=False)
        turns = 0

        async def turn():
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        other = asyncio.create_task(turn())
        summary = await run
        other.cancel()
        return summary, turns

    summary, turns = asyncio.run(program())
    assert summary.exit_status == 0
    assert turns > 10


@pytest.mark.slow
def test_who_awaits_it_and_is_cancelled_stops_it(here, profile):
    async def program():
        run = study([2, 3, 4, 5, 6]).run(profile, progress=False)

        async def wait():
            return await run

        task = asyncio.create_task(wait())
        while not (here / "begun").exists():
            await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        return run

    run = asyncio.run(program())
    assert run.done
    assert run.wait().interrupted == "SIGINT"


LEFT = """
    import os, sys, time, dask_espresso
    study = dask_espresso.Study(
        name="s", script="script.py", engine="python", parameters={{"x": [0, 2, 3, 4, 5], "s": 600}}
    )
    run = study.run({profile!r}, progress=False)
    print(run._driver.pid, flush=True)
    while not os.path.exists("begun"):
        time.sleep(0.05)
    {end}
"""


def leave(profile, end):
    """Have a program begin a run, and end like this; give the ids of driver and simulations."""
    program = textwrap.dedent(LEFT).format(profile=profile, end=end)
    found = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    return int(found.stdout), *(int(line) for line in Path("begun").read_text().split())


@pytest.mark.slow
@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "sys.exit()"])
def test_it_ends_with_the_program_that_began_it(here, end):
    """Workers and simulations, too; with the profile for this machine, which has its own."""
    pids = leave(None, end)
    assert wait_until(lambda: not any(map(is_running, pids)))
    store = dask_espresso.open_store("s.h5")
    assert store.status()["driver"] is None
    assert store.status()["done"] == 1


@pytest.mark.slow
def test_a_notebook_that_dies_leaves_no_job(slurm, here):
    (here / "slurm.yaml").write_text(
        "cluster: slurm\njobs: 1\noptions: {interface: lo, cores: 2, memory: 1 GB}\n"
    )
    pids = leave("slurm.yaml", "os.kill(os.getpid(), 9)")
    assert wait_until(lambda: not any(map(is_running, pids)))
    assert (slurm / "cancelled").read_text().split() == ["1"]
    assert dask_espresso.open_store("s.h5").status()["jobs"] == []
    assert dask_espresso.open_store("s.h5").status()["done"] == 1


def test_what_jupyter_sets_for_itself_reaches_no_simulation(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    monkeypatch.setenv("MINE", "1")
    found = environment()
    assert not {"MPLBACKEND", "FORCE_COLOR", "JPY_PARENT_PID"} & found.keys()
    assert found["MINE"] == "1"
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert environment()["MPLBACKEND"] == "agg"


def test_a_study_file_runs_as_it_is(here, profile, study_file):
    study_file("name: s\nengine: python\nscript: script.py\nparameters: {x: [0]}\n")
    loaded = dask_espresso.Study.load("study.yaml")
    assert loaded.run(profile, progress=False).wait().exit_status == 0
    assert not (here / "s.study.yaml").exists()
    with pytest.raises(InputError, match=r"s: is in .*study\.yaml already"):
        loaded.save("other.yaml")


def test_in_a_plain_program_lines_say_how_far_it_is_and_what_is_wrong(here, profile, capfd):
    run = study([0], unused=[1, 2]).run(profile)
    run.wait()
    said = capfd.readouterr().err
    assert "2/2: 2 done" in said
    assert "warning: unused is never read by the script" in said
    assert "warning: unused is never read by the script" in repr(run)
