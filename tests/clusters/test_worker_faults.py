"""Worker jobs get lost in many ways; each time the study goes on and completes."""

import signal
import time

from processes import wait_for


def test_one_worker_job_is_cancelled(batch, at_work):
    study = at_work()
    study.fault("a worker job cancelled")
    batch.cancel(batch.workers()[0])
    study.completes()


def test_all_worker_jobs_are_cancelled(batch, at_work):
    study = at_work(count=20)
    study.fault("all worker jobs cancelled")
    batch.cancel(*batch.workers())
    study.completes()


def test_a_node_goes_down(batch, at_work):
    study = at_work(count=60)
    study.fault("a node down")
    with batch.node_down(batch.workers()[0]):
        time.sleep(5)
    study.completes()


def test_a_worker_job_is_requeued(batch, at_work):
    study = at_work(count=60)
    study.fault("a worker job requeued")
    batch.requeue(batch.workers()[0])
    study.completes()


def test_all_worker_jobs_are_preempted(batch, at_work):
    study = at_work(count=20)
    study.fault("all worker jobs preempted by a job of 5 s")
    batch.preempt()
    study.completes()


def test_a_running_worker_job_is_held(batch, at_work):
    study = at_work()
    study.fault("a running worker job held")
    batch.hold(batch.workers()[0])
    study.completes()


def test_waiting_worker_jobs_are_held(batch, make_study):
    study = make_study(count=20)
    with batch.starting_no_jobs():
        study.start()
        jobs = batch.wait_for_workers(2, "waiting")
        study.fault("all worker jobs held while they wait")
        for job in jobs:
            batch.hold(job)
    study.completes()


def test_waiting_worker_jobs_are_cancelled(batch, make_study):
    study = make_study(count=20)
    with batch.starting_no_jobs():
        study.start()
        jobs = batch.wait_for_workers(2, "waiting")
        study.fault("all worker jobs cancelled while they wait")
        batch.cancel(*jobs)
    study.completes()


def test_worker_jobs_are_cancelled_before_their_workers_register(batch, make_study):
    study = make_study(count=20)
    study.start()
    jobs = batch.wait_for_workers(2, "running")
    study.fault("all worker jobs cancelled before their workers register")
    batch.cancel(*jobs)
    study.completes()


def test_submissions_are_refused_for_a_while(batch, at_work):
    study = at_work(count=80)
    with batch.refusing_jobs():
        batch.cancel(batch.workers()[0])
        time.sleep(5)
    study.fault("submissions refused, from their being allowed again")
    study.completes()


def test_submissions_are_refused_at_first(batch, make_study):
    study = make_study(count=20)
    with batch.refusing_jobs():
        study.start()
        time.sleep(5)
        assert not batch.jobs()
    study.fault("submissions refused at first, from their being allowed")
    study.completes()


def test_the_walltime_of_worker_jobs_is_shorter_than_the_study(batch, make_study):
    study = make_study(count=54, duration=2, **batch.short_walltime)
    study.start()
    first = set(study.wait_for_work())
    wait_for("the end of a first job", lambda: first - set(batch.workers("running")), 120)
    study.fault("walltime of a worker job over")
    study.completes()


def test_a_worker_process_is_stopped(batch, at_work):
    study = at_work()
    process = batch.worker_processes(batch.workers()[0])[0]
    study.fault("a worker stopped by SIGSTOP")
    process.send_signal(signal.SIGSTOP)
    study.completes()


def test_a_worker_process_is_killed(batch, at_work):
    study = at_work()
    process = batch.worker_processes(batch.workers()[0])[0]
    study.fault("a worker process killed")
    process.kill()
    study.completes()


def test_a_job_of_two_workers_is_cancelled(batch, at_work):
    study = at_work(4, count=60, processes=2, cores=2)
    study.fault("a job of two workers cancelled")
    batch.cancel(batch.workers()[0])
    study.completes()
