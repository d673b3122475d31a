"""Files that stay beside a store, through driver and workers, and as people look at them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.errors import InputError
from dask_espresso.kept import kept_files
from dask_espresso.outcome import Status
from dask_espresso.store.store import read_store

WRITES = """
import dask_espresso
p = dask_espresso.get_data_from_stdin()
with open(f"traj_{p['seed']}.vtf", "w") as file:
    file.write("version 1 " * p["x"])
if p["x"] == 4:
    raise SystemExit(3)
if p["x"] != 3:
    open("end", "w").close()
print(dask_espresso.encode_transport_data({"y": float("nan") if p["x"] == 2 else 1.0}))
"""
STUDY = """
name: s
engine: python
script: sim.py
parameters: {x: [1, 2, 3, 4]}
keep: ["traj_{seed}.vtf", end]
retries: 0
"""


def files(*arguments, status=0):
    result = CliRunner().invoke(main, ["files", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


def outcomes_of(store):
    return {o.parameters["x"]: o for o in read_store(store).outcomes.values()}


def test_files_stay(workers, script, study_file, tmp_path):
    script(WRITES, "sim.py")
    store, place = tmp_path / "other.h5", tmp_path / "other.files"
    run_study(study_file(STUDY), workers, store)
    outcomes = outcomes_of(store)
    statuses = [outcomes[x].status for x in (1, 2, 3, 4)]
    assert statuses == [Status.DONE, Status.NOT_FINITE, Status.FAILED, Status.FAILED]
    names = {x: [file.name for file in kept_files(o.kept_files)] for x, o in outcomes.items()}
    trajectories = {x: f"traj_{o.seed}.vtf" for x, o in outcomes.items()}
    assert names == {
        1: [trajectories[1], "end"], 2: [trajectories[2], "end"], 3: [], 4: [trajectories[4]],
    }  # fmt: skip
    assert outcomes[3].error.startswith("keep: no file is 'end'; its directory has traj_")
    assert outcomes[3].result is None
    assert {path.name for path in place.iterdir()} == {outcomes[x].id for x in (1, 2, 4)}
    assert Path(place, outcomes[2].id, trajectories[2]).read_text() == "version 1 " * 2

    lines = files(store).splitlines()
    assert lines[0] == f"{place}/ID/:"
    assert lines[1].split() == ["id", "status", "x", "files", "MiB"]
    assert [line.split()[0] for line in lines[2:]] == [outcomes[x].id for x in (1, 2, 4)]
    assert lines[3].split()[1:] == ["not", "finite", "2", "2", "0.0"]
    paths = files(store, outcomes[1].id[:9]).splitlines()
    assert paths == [f"{place}/{outcomes[1].id}/{name}" for name in names[1]]
    assert f"{store}: no files" in files(store, outcomes[3].id)
    assert "no simulation has the id zz" in files(store, "zz", status=2)

    Path(paths[0]).write_text("another")
    assert f"{paths[0]}: is not what was recorded" in files(store, outcomes[1].id)
    Path(paths[1]).unlink()
    assert f"{paths[1]}: is gone: it was removed or moved" in files(store, outcomes[1].id)
    said = f"{place}: files of 1 simulations are gone: {outcomes[1].id}; put them back, or `forget`"
    assert said in files(store)
    place.rename(tmp_path / "elsewhere")
    assert f"{place}: files of 3 simulations are gone: {outcomes[1].id}, " in files(store)


def test_files_of_a_new_outcome_replace_those_of_the_old(workers, script, study_file, tmp_path):
    script(WRITES, "sim.py")
    study, store = study_file(STUDY), tmp_path / "s.h5"
    run_study(study, workers, store)
    script(WRITES.replace("version 1", "version 2"), "sim.py")
    (tmp_path / "s.files/.0123.abcdefgh.tmp").mkdir()
    run_study(study, workers, store, changed_script="rerun")
    first = outcomes_of(store)[1]
    (trajectory, _) = files(store, first.id).splitlines()
    assert Path(trajectory).read_text() == "version 2 "
    assert len(list((tmp_path / "s.files").iterdir())) == 3


def test_without_keep_nothing_stays(workers, script, study_file, tmp_path):
    script(WRITES, "sim.py")
    text = STUDY.replace('keep: ["traj_{seed}.vtf", end]\n', "")
    run_study(study_file(text), workers, tmp_path / "s.h5")
    assert not (tmp_path / "s.files").exists()
    assert {o.kept_files for o in outcomes_of(tmp_path / "s.h5").values()} == {""}
    assert f"{tmp_path / 's.h5'}: no files; a study says `keep`" in files(tmp_path / "s.h5")


def test_what_cannot_be_written_is_a_failure(workers, script, study_file, tmp_path):
    script(WRITES, "sim.py")
    study = study_file(STUDY.replace("[1, 2, 3, 4]", "[1]"))
    (tmp_path / "s.files").touch()
    with pytest.raises(InputError, match=r"s\.files: is no directory; move it away, or name"):
        run_study(study, workers, tmp_path / "s.h5")
    (tmp_path / "s.files").unlink()
    place = tmp_path / "s.files"
    elsewhere = f"import os; os.path.isdir({str(place)!r}) and os.rename({str(place)!r}, 'away')\n"
    script(WRITES + elsewhere, "sim.py")
    run_study(study, workers, tmp_path / "s.h5")
    (outcome,) = outcomes_of(tmp_path / "s.h5").values()
    assert outcome.status is Status.FAILED
    assert outcome.error.startswith(f"keep: {place} is not there on this machine: workers have to")
    # as where the machine has a directory of that path, and it is not the driver's
    script(WRITES + elsewhere + f"os.makedirs({str(place)!r}, exist_ok=True)\n", "sim.py")
    run_study(study, workers, tmp_path / "s.h5", changed_script="rerun")
    (outcome,) = outcomes_of(tmp_path / "s.h5").values()
    assert outcome.status is Status.FAILED
    assert outcome.error.startswith(f"keep: {place} is another directory on this machine: workers")


def test_keep_is_no_part_of_the_code(workers, script, study_file, tmp_path):
    script(WRITES, "sim.py")
    run_study(study_file(STUDY), workers, tmp_path / "s.h5")
    summary = run_study(study_file(STUDY.replace(", end", "")), workers, tmp_path / "s.h5")
    assert summary.started == 0
