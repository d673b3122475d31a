"""What a worker keeps from one simulation to the next."""

import pickle
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster, Reschedule
from processes import wait_until

from dask_espresso.driver import run_study
from dask_espresso.engines import Engine
from dask_espresso.files import file_hash
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Status
from dask_espresso.process import worker as workers_own
from dask_espresso.process.order import Order, Workload
from dask_espresso.process.simulator import Simulator
from dask_espresso.process.task import OUTCOMES, run_simulations, simulate_one
from dask_espresso.process.task_run import TaskRun
from dask_espresso.record import unpack
from dask_espresso.store.store import read_store

ORDER = Order("1", {}, replica=0, seed=1, attempt=1)
WHOSE = """
    import dask_espresso, gc, os
    print(dask_espresso.encode_transport_data({"forked": gc.get_freeze_count() > 0}))
"""


def workload(path, start="fork", command=sys.executable):
    engine = Engine("python", command=(str(command),), start=start)
    return Workload(engine, str(path), file_hash(path), 60)


def warm_processes():
    children = psutil.Process().children()
    return [child.pid for child in children if "forkserver.py" in " ".join(child.cmdline())]


def test_an_engine_that_did_not_start_for_once(script, tmp_path):
    """Its version is known when it does; then no simulation is stored without."""
    command = tmp_path / "engine"
    command.write_text(f"""#!/bin/sh
        [ -e {tmp_path}/works ] || {{ echo "Stale file handle"; exit 1; }}
        exec {sys.executable} "$@"
    """)
    command.chmod(0o755)
    simulator, work = Simulator(), workload(script(WHOSE), "spawn", command)
    assert "Stale file handle" in simulator.probe(work.engine).error
    assert simulator.simulate(work, ORDER).engine_version == ""
    (tmp_path / "works").touch()
    assert wait_until(lambda: simulator.probe(work.engine).version)
    assert simulator.simulate(work, ORDER).engine_version.endswith(sys.version.split()[0])


@pytest.fixture
def cluster():
    here = dict.fromkeys(("dashboard_address", "worker_dashboard_address"), "127.0.0.1:0")
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **here) as cluster:
        yield cluster


def test_a_worker_keeps_what_is_warm_while_it_has_work(cluster, script, monkeypatch):
    work, before = workload(script(WHOSE)), warm_processes()

    def run(client):
        assert client.submit(simulate_one, work, ORDER, pure=False).result().result["forked"]
        return sorted({*warm_processes()} - {*before})

    with Client(cluster) as client:
        kept = run(client)
    with Client(cluster) as client:  # another driver
        assert run(client) == kept
        assert len(kept) == 1
        monkeypatch.setattr(workers_own, "_KEPT", 0)  # nothing to do for a while
        (station,) = (w.plugins["dask-espresso"] for w in cluster.workers.values())
        cluster.sync(station.look)
        assert warm_processes() == before
        assert len(run(client)) == 1
    cluster.close()
    assert warm_processes() == before


def test_a_worker_that_joins_late(cluster, script):
    work = workload(script(WHOSE))
    with Client(cluster) as client:
        first = {*client.nthreads()}
        cluster.scale(2)
        client.wait_for_workers(2)
        (late,) = client.nthreads().keys() - first
        outcome = client.submit(simulate_one, work, ORDER, workers=[late]).result()
    assert outcome.result == {"forked": True}


@pytest.fixture
def slow(script, tmp_path):
    """Give what to run with an engine whose first start takes long, and the file that it makes."""
    begun = tmp_path / "begun"
    (tmp_path / "slow.py").write_text(f"""if True:
        import pathlib, time
        begun = pathlib.Path({str(begun)!r})
        if not begun.exists():
            begun.touch()
            time.sleep(600)
    """)
    work = workload(script(WHOSE))
    paths = (("PYTHONPATH", f"{Path(__file__).parents[2]}:{tmp_path}"),)
    return replace(work, engine=replace(work.engine, preload=("slow",), environment=paths)), begun


def test_a_worker_that_ends_while_an_engine_starts(cluster, slow):
    """It does not wait for that; another worker runs the simulation."""
    (work, begun), before = slow, warm_processes()
    (ending,) = cluster.workers.values()
    with Client(cluster) as client:
        messages = []
        client.subscribe_topic(OUTCOMES, lambda event: messages.append(event[1]))
        task = client.submit(run_simulations, work, pickle.dumps([ORDER]), 0.1)
        assert wait_until(begun.exists)
        cluster.scale(2)
        client.wait_for_workers(2)
        started = time.monotonic()
        cluster.sync(ending.close)
        assert time.monotonic() - started < 20
        assert task.result(timeout=60).results == []
        assert wait_until(lambda: messages and messages[-1]["is_all"])
        ((place, status, record, _),) = [one for m in messages for one in m["results"]]
    assert (place, status, unpack(record).result) == (0, Status.DONE, {"forked": True})
    cluster.close()
    assert warm_processes() == before


def test_a_simulation_whose_engine_is_ended_while_it_starts_has_no_outcome(slow):
    work, begun = slow
    simulator = Simulator()
    with ThreadPoolExecutor(1) as pool:
        slots = ThreadPoolExecutor(1)
        task = pool.submit(TaskRun(simulator, work, [ORDER], slots).run, print, 0.1)
        assert wait_until(begun.exists)
        simulator.close()
        with pytest.raises(Reschedule):
            task.result()


def test_a_script_is_judged_anew_when_it_has_changed(workers, script, study_file, tmp_path):
    """Also by workers that have run it before, and found that it cannot be forked."""

    def run(code, store):
        script(code)
        text = "name: s\nengine: python\nscript: script.py\nparameters: {x: 1}\nreplicas: 2\n"
        assert run_study(load_study(study_file(text)), workers, tmp_path / store).exit_status == 0
        return [found.result["forked"] for found in read_store(tmp_path / store).outcomes.values()]

    refuses = "    import gc\n    assert not gc.get_freeze_count()" + WHOSE
    assert not any(run(refuses, "before.h5"))
    assert all(run(WHOSE, "after.h5"))
