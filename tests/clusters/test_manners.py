"""A site that prints more than the batch system, a user with settings and files of their own."""

import os
import shutil
import signal
import time

import pytest
from processes import wait_for

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


def write_namesakes(study, *names):
    """Put modules beside the study that are called as those that Python, Dask and we import."""
    for name in names:
        path = study.directory / f"{name}.py"
        path.write_text("x = 1\n")
        study.files.add(path)


def test_a_banner_and_namesakes_and_display_settings(batch, make_study, site):
    stranger = batch.submit_sleep()
    banner = batch.banner.format(number=stranger.partition(".")[0])
    path = site(f"echo '{banner}'\necho '{banner}' >&2\nexec $real \"$@\"")
    study = make_study(count=20)
    write_namesakes(study, "random", "queue", "yaml")
    study.start(PATH=path, **batch.display)
    study.wait_for_outcomes(2, 180)
    batch.cancel(batch.workers("running")[0])  # is to be noticed, too
    assert study.driver.wait(240) == 0
    wait_for("the end of all worker jobs", lambda: not batch.workers(), 20)
    assert [job.id for job in batch.jobs() if job.state != "ending"] == [stranger]
    batch.cancel(stranger)
    study.completes()


def test_namesakes_beside_a_driver_job(make_study):
    study = make_study(count=10)
    write_namesakes(study, *NAMESAKES, "dask_espresso")
    scripts = study.directory / "scripts"  # a script takes what is beside it, as it does by hand
    scripts.mkdir()
    (study.directory / "square.py").rename(scripts / "square.py")
    study.path.write_text(study.path.read_text().replace("square.py", "scripts/square.py"))
    study.files.add(scripts)
    study.submit_by_command()
    study.completes()


def test_what_is_submitted_late_is_not_left(batch, make_study, site):
    # as a script of a site's that waits for a token, say
    slow = 'late=$TMPDIR/late; cp "${@: -1}" $late; sleep 22; exec $real "${@:1:$#-1}" $late'
    study = make_study(count=4)
    study.start(PATH=site(slow))
    wait_for("a submission", lambda: [p for p in study.processes() if p.name() == batch.program])
    study.driver.send_signal(signal.SIGTERM)
    assert study.driver.wait(30) == 75
    wait_for("the end of all processes", lambda: not study.processes(), 5)
    time.sleep(2)
    assert not batch.jobs()
    study.start()
    study.completes()


def test_what_a_killed_driver_submitted_is_cancelled_by_the_next(batch, make_study):
    with batch.starting_no_jobs():
        study = make_study(count=4)
        study.start()
        first = batch.wait_for_workers(2, "waiting")
        study.driver.kill()
        study.driver.wait()
        study.start()
        wait_for("others", lambda: set(batch.workers("waiting")) - set(first))
        wait_for("the end of the first", lambda: not set(batch.workers("waiting")) & set(first))
    study.completes()
