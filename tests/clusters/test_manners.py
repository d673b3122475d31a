"""A site that prints more than the batch system, a user with settings and files of their own."""

import os
import shlex
import shutil
import signal
import subprocess
import time

import pytest
from processes import call, wait_for

NAMESAKES = ("random", "queue", "logging", "numpy", "yaml", "socket", "pickle", "distributed")


@pytest.fixture
def site(batch, tmp_path_factory):
    """Put a script of the site's in front of the program that submits jobs; give the PATH."""

    def make(script):
        directory = tmp_path_factory.mktemp("site")
        program = directory / batch.program
        program.write_text(f"#!/bin/bash\nreal={shutil.which(batch.program)}\n{script}\n")
        program.chmod(0o755)
        return f"{directory}{os.pathsep}{os.environ['PATH']}"

    return make


@pytest.fixture
def bannered(batch, site):
    """Have the site say the id of a job that is none of ours, like an own one's; give both."""
    stranger = batch.submit_sleep()
    banner = shlex.quote(batch.banner.format(number=stranger.partition(".")[0]))
    say = f"printf '%s\\n' {banner}; printf '%s\\n' {banner} >&2"
    return stranger, site(f'{say}; $real "$@"; code=$?; {say}; exit $code')


def write_namesakes(study, *names):
    """Put modules beside the study that are called as those that Python, Dask and we import."""
    for name in names:
        path = study.directory / f"{name}.py"
        path.write_text("x = 1\n")
        study.files.add(path)


def test_a_banner_and_namesakes_and_display_settings(batch, make_study, bannered):
    stranger, path = bannered
    study = make_study(count=10)
    write_namesakes(study, "random", "queue", "yaml")
    study.start(PATH=path, **batch.display)
    study.wait_for_outcomes(2, 180)
    batch.cancel(batch.workers("running")[0])  # is to be noticed, too
    assert study.driver.wait(240) == 0
    wait_for("the end of all worker jobs", lambda: not batch.workers(), 20)
    assert [job.id for job in batch.jobs() if job.state != "ending"] == [stranger]
    batch.cancel(stranger)
    study.completes()


def test_a_banner_and_namesakes_beside_a_driver_job(batch, make_study, bannered, monkeypatch):
    stranger, path = bannered
    monkeypatch.setenv("PATH", path)
    study = make_study(count=6)
    write_namesakes(study, *NAMESAKES, "dask_espresso")
    scripts = study.directory / "scripts"  # a script takes what is beside it, as it does by hand
    scripts.mkdir()
    (study.directory / "square.py").rename(scripts / "square.py")
    study.path.write_text(study.path.read_text().replace("square.py", "scripts/square.py"))
    study.files.add(scripts)
    study.submit_by_command()
    assert study.driver.wait(240) == 0
    assert stranger in {job.id for job in batch.jobs()}
    batch.cancel(stranger)
    study.completes()


def test_what_is_submitted_late_is_not_left(batch, make_study, site):
    # as a script of a site's that waits for a token, say
    slow = 'late=$TMPDIR/late; cp "${@: -1}" $late; sleep 22; exec $real "${@:1:$#-1}" $late'
    study = make_study(count=4)
    study.start(PATH=site(slow))
    wait_for("a submission", lambda: study.processes(batch.program))
    study.driver.send_signal(signal.SIGTERM)
    assert study.driver.wait(30) == 75
    wait_for("the end of all processes", lambda: not study.processes(), 5)
    time.sleep(2)
    assert not batch.jobs()
    study.start()
    study.completes()


def killed_while_jobs_wait(batch, make_study, count):
    """Give a study whose driver is killed, and the worker jobs that it has left in the queue."""
    study = make_study(count=count)
    study.start()
    first = batch.wait_for_workers(2, "waiting")
    study.driver.kill()
    study.driver.wait()
    return study, first


def test_what_a_killed_driver_submitted_is_cancelled_by_the_next(batch, make_study):
    with batch.starting_no_jobs():
        study, first = killed_while_jobs_wait(batch, make_study, count=4)
        study.start()
        wait_for("others", lambda: set(batch.workers("waiting")) - set(first))
        wait_for("the end of the first", lambda: not set(batch.workers("waiting")) & set(first))
    study.completes()


def test_what_is_left_is_cancelled_where_nothing_is_left_to_run(batch, make_study):
    with batch.starting_no_jobs():
        study, first = killed_while_jobs_wait(batch, make_study, count=2)
        call("dask-espresso", "run", study.path, cwd=study.directory)  # all of it, without workers
        assert set(batch.workers("waiting")) == set(first)
        check = ["dask-espresso", "check", "--profile", study.profile]
        with subprocess.Popen(check, cwd=study.directory, stdout=subprocess.DEVNULL) as checking:
            batch.wait_for_workers(3, "waiting")
            checking.kill()
        study.start()
        assert study.driver.wait(60) == 0
        wait_for("the end of them all", lambda: not batch.workers(), 20)
    assert "cancelled worker jobs that a killed driver left" in study.describe()
    study.completes()
