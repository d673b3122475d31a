"""Worker jobs get lost in many ways; each time the study goes on, and in the end it is whole."""

import signal
import time

from processes import wait_for


def cancel_one(batch, study):
    batch.cancel(batch.workers()[0])


def cancel_all(batch, study):
    batch.cancel(*batch.workers())


def take_node_down(batch, study):
    with batch.node_down(batch.workers("running")[0]):
        time.sleep(5)


def requeue(batch, study):
    batch.requeue(batch.workers("running")[0])


def preempt(batch, study):
    batch.preempt()


def hold(batch, study):
    batch.hold(batch.workers("running")[0])


def stop_worker_process(batch, study):
    batch.worker_processes(batch.workers("running")[0])[0].send_signal(signal.SIGSTOP)


def kill_worker_process(batch, study):
    batch.worker_processes(batch.workers("running")[0])[0].kill()


def cancel_while_submissions_are_refused(batch, study):
    with batch.refusing_jobs():
        cancel_one(batch, study)
        time.sleep(5)


def test_worker_jobs_are_lost_at_work(batch, make_study):
    """One after the other; the next one comes when both places have a worker at work again."""
    study = make_study(count=700)  # more than are done while all faults come
    with batch.refusing_jobs():
        study.start()
        time.sleep(5)
        assert not batch.jobs()
    study.fault("submissions refused at first")
    study.recovers()
    for fault in (
        cancel_one,
        cancel_all,
        take_node_down,
        requeue,
        preempt,
        hold,
        stop_worker_process,
        kill_worker_process,
        cancel_while_submissions_are_refused,
    ):
        study.fault(fault.__name__.replace("_", " "))
        fault(batch, study)
        study.recovers()
    study.hurry()
    study.completes()


def test_worker_jobs_are_lost_before_they_work(batch, make_study):
    study = make_study(count=10)
    with batch.starting_no_jobs():
        study.start()
        held = batch.wait_for_workers(2, "waiting")
        for job in held:
            batch.hold(job)
        (waiting,) = another(batch, "waiting", held)
        batch.cancel(waiting)
        another(batch, "waiting", [*held, waiting])
    study.fault("held, cancelled while it waits, cancelled before its worker registers")
    batch.cancel(*batch.wait_for_workers(1, "running"))
    study.completes()


def another(batch, state, known):
    """Wait for one more job, and give it; after a failure there is one at a time."""
    return wait_for("another job", lambda: set(batch.workers(state)) - set(known))


def test_the_walltime_of_worker_jobs_is_shorter_than_the_study(batch, make_study):
    study = make_study(count=300, duration=2, **batch.short_walltime)
    study.start()
    first = set(study.wait_for_work())
    study.fault("walltime of a worker job over")
    wait_for("the end of a first job", lambda: first - set(batch.workers("running")), 120)
    study.recovers()
    study.hurry()
    study.completes()


def test_a_job_of_two_workers_is_cancelled(batch, at_work):
    study = at_work(4, count=400, processes=2, cores=2)
    study.fault("a job of two workers cancelled")
    batch.cancel(batch.workers()[0])
    study.recovers()
    study.hurry()
    study.completes()
