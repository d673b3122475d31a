"""How fast outcomes are written down, and how large they are."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

import dask_espresso
from dask_espresso.outcome import Outcome
from dask_espresso.record import pack
from dask_espresso.store.store import Entry, open_store

from .report import Table

_BATCHES = (1, 20, 200)  # outcomes recorded together: as they come, one at a time or many


def benchmark(quick: bool) -> list[Table]:
    """Record and publish outcomes, beside the least that could be done with them."""
    counts = (500,) if quick else (1_000, 10_000)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        recording = [
            _recorded(directory, batch, min(batch * 100, max(counts))) for batch in _BATCHES
        ]
        publishing = [_published(directory, count) for count in counts]
    return [
        Table(
            "Recording",
            "Outcomes that are on disk, with the package's `Store.record`, in batches of different "
            "sizes; and the same bytes, in the same batches, appended to a file with nothing but "
            "`write` and `fsync`, which a disk cannot do without.",
            recording,
        ),
        Table(
            "Publishing",
            "The HDF5 file of so many outcomes, of the simulation in the tables on Lennard-Jones "
            "fluids, built once out of the journal; and the same outcomes as lines of JSON, "
            "written and synchronised once.",
            publishing,
        ),
    ]


def _outcomes(
    directory: Path, count: int
) -> tuple[dask_espresso.inputs.study.Study, list[Outcome]]:
    study_file = directory / "study.yaml"
    parameters = {
        "n_particles": 100,
        "n_steps": 50,
        "volume_fraction": {"start": 0.1, "stop": 0.5, "num": count},
    }
    study = {"name": "recording", "script": "lj_pressure", "parameters": parameters}
    study_file.write_text(yaml.safe_dump(study))
    loaded = dask_espresso.load_study(study_file)
    random = np.random.default_rng(1)
    outcomes = [
        Outcome(
            id=simulation.id,
            parameters=simulation.parameters,
            replica=simulation.replica,
            seed=simulation.seed,
            result={
                "pressure": float(random.normal()),
                "pressure_std_dev": float(random.normal()),
                "pressure_sem": float(random.normal()),
                "temperature": float(random.normal()),
                "n_samples": 50,
                "box_length": 5.6,
                "engine_version": "4.3",
            },
            exit_code=0,
            log="INFO:lj_pressure:equilibrated 100 particles in a box of length 5.588\n",
            host="node1",
            job_id="1234",
            started=time.time(),
            elapsed_time=0.5,
            cpu_time=0.5,
            peak_memory=100_000_000,
            engine="espresso",
            engine_version="4.3",
            script_hash=loaded.script_hash,
        )
        for simulation in loaded.simulations()
    ]
    return loaded, outcomes


def _batches(entries: list[Entry], size: int) -> list[list[Entry]]:
    iterator = iter(entries)
    return list(iter(lambda: list(itertools.islice(iterator, size)), []))


def _recorded(directory: Path, batch: int, count: int) -> dict[str, object]:
    study, outcomes = _outcomes(directory, count)
    batches = _batches([Entry(o.id, o.status, pack(o)) for o in outcomes], batch)
    with open_store(directory / f"record-{batch}.h5", study) as store:
        started = time.perf_counter()
        for entries in batches:
            store.record(entries)
        ours = time.perf_counter() - started
    with (directory / "plain").open("wb", buffering=0) as file:
        started = time.perf_counter()
        for entries in batches:
            file.write(b"".join(part for entry in entries for part in entry.record))
            os.fsync(file)
        plain = time.perf_counter() - started
    return {
        "outcomes in a batch": batch,
        "outcomes a second": count / ours,
        "plain write and fsync, a second": count / plain,
        "time, ratio": ours / plain,
    }


def _published(directory: Path, count: int) -> dict[str, object]:
    study, outcomes = _outcomes(directory, count)
    path = directory / f"publish-{count}.h5"
    with open_store(path, study) as store:
        store.record([Entry(o.id, o.status, pack(o)) for o in outcomes])
        started = time.perf_counter()
        store.publish()
        ours = time.perf_counter() - started
    lines = directory / "lines.json"
    with lines.open("w") as file:
        started = time.perf_counter()
        file.writelines(json.dumps(vars(outcome)) + "\n" for outcome in outcomes)
        file.flush()
        os.fsync(file)
        plain = time.perf_counter() - started
    sizes = [file.stat().st_size / count for file in (path, lines)]
    return {
        "outcomes": count,
        "outcomes a second": count / ours,
        "lines of JSON, a second": count / plain,
        "time, ratio": ours / plain,
        "store in bytes an outcome": sizes[0],
        "JSON in bytes an outcome": sizes[1],
        "size, ratio": sizes[0] / sizes[1],
    }
