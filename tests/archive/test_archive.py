"""A store as a crate: what is in it, what is missing, when it is refused; and run again from it."""

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from environments import new_environment

from dask_espresso.archive.content import make_runnable
from dask_espresso.archive.layout import places_of
from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.files import file_hash
from dask_espresso.inputs.study import load_study
from dask_espresso.store.claim import Claim
from dask_espresso.store.reading import claim_path
from dask_espresso.store.store import open_store, read_store

SCRIPT = """
    import random
    import sys
    from pathlib import Path

    import dask_espresso
    import numpy as np

    sys.path.append(str(Path(__file__).parent.parent / "lib"))
    from helpers.scale import scaled
    import far

    params = dask_espresso.get_data_from_stdin()
    rng = random.Random(params["seed"])
    values = np.array([scaled(rng.gauss(0, 1)) for _ in range(5)])
    Path("trace.txt").write_text(f"{values.tolist()}")
    result = {"y": values.sum() * params["x"], "values": values, "label": far.NAME, "n": None}
    print(dask_espresso.encode_transport_data(result))
"""
STUDY = """
    name: s
    engine: python
    script: sim.py
    parameters: {x: [1, 2], label: ["1e5", "no"]}
    time_limit: 1 min
    keep: ["*.txt"]
"""
AUTHOR = ["--author", "Ada L <https://orcid.org/0000-0001-2345-6789>", "--license", "CC-BY-4.0"]


def dask_espresso(*words, status=0):
    found = CliRunner().invoke(main, [*map(str, words)])
    assert found.exit_code == status, found.output
    return found.output


@pytest.fixture(scope="module")
def made(tmp_path_factory, workers):
    """A store of a script with modules in a package beside it, and in a folder above."""
    top = tmp_path_factory.mktemp("made")
    here = top / "run"
    (here / "helpers").mkdir(parents=True)
    (top / "lib").mkdir()
    (here / "sim.py").write_text(textwrap.dedent(SCRIPT))
    (here / "helpers" / "__init__.py").touch()
    (here / "helpers" / "scale.py").write_text("def scaled(x):\n    return 2.5 * x\n")
    (top / "lib" / "far.py").write_text("NAME = 'far \\u00fc'\n")
    (here / "study.yaml").write_text(textwrap.dedent(STUDY))
    (here / "profile.yaml").write_text(
        f"cluster: {workers.cluster}\nengines: {{python: {{environment: {{MY_TOKEN: hunter2}}}}}}\n"
    )
    before = Path.cwd()
    os.chdir(here)
    try:
        assert run_study("study.yaml", "profile.yaml").exit_status == 0
        dask_espresso("archive", "s.h5", *AUTHOR)
    finally:
        os.chdir(before)
    return here


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of it, elsewhere: what is at the first place is not to be used."""
    shutil.copytree(made, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def graph(crate):
    entities = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in entities}


def test_all_is_in_it_with_its_hash(here):
    crate = here / "s.crate"
    version = read_store("s.h5").code_hash
    files = {str(path.relative_to(crate)) for path in crate.rglob("*") if path.is_file()}
    ids = read_store("s.h5").outcomes.keys()
    kept = {f"s.files/{name}/trace.txt" for name in ids}
    code = {"run/sim.py", "run/helpers/__init__.py", "run/helpers/scale.py", "lib/far.py"}
    listed = {f"code/{version}/{name}" for name in code}
    listed |= {"s.h5", "study.yaml", "report.html", "README.md", "profiles/profile.yaml"}
    assert files == kept | listed | {"ro-crate-metadata.json"}
    entities = graph(crate)
    assert {name: file_hash(crate / name) for name in listed} == {
        name: entity["sha256"] for name, entity in entities.items() if "sha256" in entity
    }
    assert entities["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert entities["https://orcid.org/0000-0001-2345-6789"]["name"] == "Ada L"
    assert "hunter2" not in "".join(
        path.read_text(errors="replace") for path in crate.rglob("*") if path.is_file()
    )
    assert "reproduce" in (crate / "README.md").read_text()


@pytest.mark.slow
def test_the_study_in_it_runs_where_it_is(here, monkeypatch):
    crate = here / "s.crate"
    monkeypatch.chdir(crate)
    profile = ["--profile", here / "profile.yaml"]
    assert "4 done of 4; this run recorded 0" in dask_espresso("run", "study.yaml", *profile)
    assert "this run recorded 4" in dask_espresso(
        "run", "study.yaml", *profile, "--store", here / "again.h5"
    )
    one, other = (
        {name: outcome.result["y"] for name, outcome in read_store(path).outcomes.items()}
        for path in ("s.h5", here / "again.h5")
    )
    assert one == other
    assert load_study("study.yaml").snapshot().keys() == read_store("s.h5").study.keys()


@pytest.mark.parametrize("name", ["s.crate", "s.zip"])
def test_one_simulation_runs_again_and_is_equal(here, monkeypatch, name):
    if name == "s.zip":
        dask_espresso("archive", "s.h5", "-o", name)
    shutil.move(name, here.parent / name)
    shutil.rmtree(here)
    monkeypatch.chdir(here.parent)
    (here.parent / "p.yaml").write_text(
        "cluster: local\nengines: {python: {environment: {MY_TOKEN: hunter2}}}\n"
    )
    said = dask_espresso("reproduce", name, "--profile", "p.yaml")
    assert "equal: 5 results, bit for bit" in said  # and the file
    assert "not as then" not in said
    assert "sim.py  SHA-256" in said
    said = dask_espresso("reproduce", name)
    assert "engines.python.environment.MY_TOKEN: is not there now" in said
    assert not list(Path().rglob("__pycache__"))


def forge(crate, name, text):
    """Change a file and its hash: whoever does this may do anything."""
    (crate / name).write_text(text)
    metadata = crate / "ro-crate-metadata.json"
    entities = json.loads(metadata.read_text())
    for entity in entities["@graph"]:
        if entity["@id"] == name:
            size = (crate / name).stat().st_size
            entity |= {"sha256": file_hash(crate / name), "contentSize": str(size)}
    metadata.write_text(json.dumps(entities))


def test_what_is_different_is_said_with_how_much(here):
    crate = here / "s.crate"
    sim = next(crate.rglob("sim.py"))
    text = sim.read_text().replace("values.sum()", "(values.sum() + 1e-9)")
    forge(crate, str(sim.relative_to(crate)), text)
    said = dask_espresso("reproduce", crate, status=1)
    assert "they differ by 1e-09" in said or "they differ by 2e-09" in said
    assert "sim.py: is another one" in said
    assert "different: 1 of 5 results" in said


def test_a_program_that_the_store_was_not_run_with_is_refused(here):
    crate = here / "s.crate"
    program = "name: s\nprogram: [/bin/sh, -c, touch evil]\nparameters: {x: 1}\n"
    forge(crate, "study.yaml", f"{program}arguments: ['{{x}}']\ncollect: {{stdout: last}}\n")
    said = " ".join(dask_espresso("reproduce", crate, status=2).split())
    assert "has a `program`, but the store was run without one" in said


def test_a_script_that_fails_now_is_no_match(here):
    program = here / "broken"
    when = "case $2$1 in *sim.py*) exit 3;; esac"
    program.write_text(f'#!/bin/sh\n{when}\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    said = dask_espresso("reproduce", "s.crate", "--engine", program, status=1)
    assert "exit code 3" in said
    assert "y: is not given any more" in said


def changed_byte(crate):
    sim = next(crate.rglob("sim.py"))
    content = bytearray(sim.read_bytes())
    content[-2] ^= 1
    sim.write_bytes(content)
    return "sim.py has been changed"


def gone(crate):
    next(crate.rglob("scale.py")).unlink()
    return "scale.py is gone"


def longer(crate):
    with (crate / "study.yaml").open("a") as file:
        file.write("# more\n")
    return "study.yaml is larger than it says"


def changed_store(crate):
    (crate / "s.h5").write_bytes((crate / "s.h5").read_bytes()[:-1] + b"x")
    return "s.h5 has been changed"


def with_entity(crate, **entity):
    metadata = crate / "ro-crate-metadata.json"
    found = json.loads(metadata.read_text())
    found["@graph"].append({"@type": "File", "sha256": "0" * 64, "contentSize": "1", **entity})
    metadata.write_text(json.dumps(found))


def outside(crate):
    with_entity(crate, **{"@id": "code/../../../etc/passwd"})
    return "outside of the crate"


def hidden_outside(crate):
    with_entity(crate, **{"@id": "code/%2e%2e/%2e%2e/evil.py"})
    return "outside of the crate"


def absolute(crate):
    with_entity(crate, **{"@id": "/tmp/evil.py"})
    return "outside of the crate"


def no_hashes(crate):
    (crate / "ro-crate-metadata.json").write_text('{"@graph": [{"@id": "./"}]}')
    return "no crate of dask_espresso"


def no_json(crate):
    (crate / "ro-crate-metadata.json").write_text("[" * 100_000)
    return "is no metadata of a crate"


def no_metadata(crate):
    (crate / "ro-crate-metadata.json").unlink()
    return "no RO-Crate"


SPOILT = [
    changed_byte, gone, longer, changed_store, outside, hidden_outside, absolute, no_hashes,
    no_json, no_metadata,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_crate_is_refused_and_nothing_runs(here, spoil, kind, monkeypatch):
    crate = here / "s.crate"
    expected = spoil(crate)
    if kind == "zip":
        shutil.make_archive("s", "zip", crate)
        crate = here / "s.zip"
    monkeypatch.setattr(
        "dask_espresso.archive.again.again_of", lambda *_: pytest.fail("it came to be run")
    )
    assert expected in " ".join(dask_espresso("reproduce", crate, status=2).split())


def test_an_archive_that_bursts_is_not_unpacked(here):
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in (here / "s.crate").rglob("*"):
            if path.is_file() and path.name != "study.yaml":
                file.write(path, path.relative_to(here / "s.crate"))
        file.writestr("study.yaml", b"\n" * 30_000_000)
    said = dask_espresso("reproduce", "bomb.zip", status=2)
    assert "study.yaml is larger than it says" in " ".join(said.split())


def test_what_is_planted_beside_the_script_is_not_imported(here):
    sim = next((here / "s.crate").rglob("sim.py"))
    (sim.parent / "random.py").write_text("raise SystemExit('planted')\n")
    assert "equal: 5 results" in dask_espresso("reproduce", "s.crate")


def test_modules_from_elsewhere_are_not_taken_for_the_crates(here, tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "numpy.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "own"))
    said = dask_espresso("reproduce", "s.crate", status=2)
    assert "which is not of the crate" in " ".join(said.split())


def test_ids_choose_and_what_has_no_result_cannot_be_compared(here):
    last = [*read_store("s.h5").outcomes][-1]
    assert f"simulation {last}" in dask_espresso("reproduce", "s.crate", "--id", last[:10])
    said = dask_espresso("reproduce", "s.crate", "--id", "0" * 16, status=2)
    assert "no simulation has the id" in " ".join(said.split())


def test_nothing_of_others_is_overwritten(here):
    assert "is there already" in dask_espresso("archive", "s.h5", status=2)
    before = (here / "s.crate" / "README.md").stat().st_ino
    dask_espresso("archive", "s.h5", "--force")
    assert (here / "s.crate" / "README.md").stat().st_ino != before
    (here / "mine.crate").mkdir()
    (here / "mine.crate" / "thesis.tex").write_text("all")
    for name in ("mine.crate", "mine.zip"):
        Path("mine.zip").write_text("mine")
        said = dask_espresso("archive", "s.h5", "-o", name, "--force", status=2)
        assert "is no crate" in " ".join(said.split())
    assert (here / "mine.crate" / "thesis.tex").read_text() == "all"
    said = dask_espresso("archive", "s.h5", "-o", "s.tar", status=2)
    assert "ends in .crate, or a .zip" in " ".join(said.split())
    assert "no such store" in dask_espresso("archive", "none.h5", "-o", "n.zip", status=2)
    assert not [path for path in here.iterdir() if path.name.endswith(".tmp")]


def test_a_crate_is_replaced_out_of_itself_but_not_what_was_run_in_it(here, monkeypatch):
    crate = here / "s.crate"
    monkeypatch.chdir(crate)
    before = crate.stat().st_ino
    dask_espresso("archive", here / "s.h5", "-o", "../s.crate", "--force")
    assert crate.stat().st_ino != before
    monkeypatch.chdir(here)
    assert not list(here.glob(".*"))
    (crate / "again.h5").write_text("results")
    said = " ".join(dask_espresso("archive", "s.h5", "--force", status=2).split())
    assert "holds again.h5, which is not of the crate" in said
    assert (crate / "again.h5").read_text() == "results"


def test_a_folder_in_which_nothing_can_be_written_is_named(here, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    for name in ("mkdir", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    said = " ".join(dask_espresso("archive", "s.h5", "-o", "n.zip", status=2).split())
    assert "Read-only file system; make it writable; nothing was written" in said


def test_a_store_at_work_is_refused_and_a_journal_is_folded_in(here):
    claim = Claim(claim_path(here / "s.h5"))
    try:
        said = dask_espresso("archive", "s.h5", "-o", "n.zip", status=2)
        assert "is at work on it" in " ".join(said.split())
    finally:
        claim.release()
    assert not Path("n.zip").exists()
    shutil.copy("s.h5", "j.h5")
    journal = here / "j.journal"
    # of code that nothing is run with
    with open_store(Path("j.h5"), load_study("study.yaml"), changed_script="keep") as store:
        store.note({read_store("s.h5").code_hash: {"runs": [{"user": "ben"}]}})
        shutil.copy(journal, here / "copy")
    shutil.copy(here / "copy", journal)  # as of a driver that was killed
    shutil.copytree("s.files", "j.files")
    dask_espresso("archive", "j.h5")
    assert not journal.exists()
    (version,) = read_store(here / "j.crate" / "j.h5").provenance.values()
    assert version["runs"][-1] == {"user": "ben"}


def test_files_that_have_changed_since_are_not_archived(here):
    place = next(Path("s.files").glob("*/trace.txt"))
    place.write_text("other")
    said = dask_espresso("archive", "s.h5", "-o", "n.crate")
    assert "files that are not in it" in said
    assert str(place.parent.name) in said
    assert not (Path("n.crate") / place).exists()
    assert "is not what was recorded" in Path("n.crate/README.md").read_text()


def without_provenance(store, target):
    import h5py

    with h5py.File(target, "w") as file, h5py.File(store) as source:
        for name in source:
            source.copy(name, file, expand_refs=True)
        file.attrs.update(source.attrs)
        del file["_code/provenance"]


def test_a_store_of_before_says_what_to_do_and_takes_the_code_of_its_study(here):
    without_provenance("s.h5", "old.h5")
    shutil.copytree("s.files", "old.files")
    said = " ".join(dask_espresso("archive", "old.h5", status=2).split())
    assert "does not hold the text of sim.py" in said
    assert "name the study file with --study" in said
    assert not Path("old.crate").exists()
    shutil.copytree(next((here / "s.crate").rglob("lib")), here.parent / "lib")
    study = ["--study", "study.yaml", "--profile", "profile.yaml"]
    dask_espresso("archive", "old.h5", *study)
    assert "equal: 5 results" in dask_espresso("reproduce", "old.crate")
    (here / "helpers" / "scale.py").write_text("def scaled(x):\n    return x\n")
    said = dask_espresso("archive", "old.h5", "-o", "n.zip", *study, status=2)
    assert "is not of the version" in " ".join(said.split())


def test_any_program_and_the_files_that_it_names_run_again(tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "double.sh"
    program.write_text('#!/bin/sh\necho "E = $(cat "$1")$2"\n')
    program.chmod(0o755)
    (tmp_path / "in.txt").write_text("7")
    (tmp_path / "study.yaml").write_text(
        "name: p\nprogram: [./double.sh, in.txt]\narguments: ['{x}']\nparameters: {x: [1, 2]}\n"
        "collect: {log: 'E = (?P<E>.+)'}\n"
    )
    dask_espresso("run", "study.yaml", "--profile", workers.path)
    dask_espresso("archive", "p.h5", "-o", "p.zip")
    program.unlink()
    (tmp_path / "in.txt").unlink()
    said = dask_espresso("reproduce", "p.zip")
    assert "equal: 1 result, bit for bit" in said
    assert "not as then" not in said
    assert "double.sh  SHA-256" in said


def test_each_version_runs_with_the_files_that_its_command_named(tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "join.sh"
    program.write_text('#!/bin/sh\necho "E = $(cat "$1")$(cat "$2")$3"\n')
    program.chmod(0o755)
    study = (
        "name: p\nprogram: [./join.sh, a/in.txt, b/in.txt]\narguments: ['{x}']\n"
        "parameters: {x: [%s]}\ncollect: {log: 'E = (?P<E>.+)'}\n"
    )
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "in.txt").write_text("7" if folder == "a" else "8")
    for x, seven in (("1", "7"), ("1, 2", "6")):
        Path("a/in.txt").write_text(seven)
        Path("study.yaml").write_text(study % x)
        run = "run", "study.yaml", "--profile", workers.path
        dask_espresso(*run, "--changed-script", "keep")
    results = {name: outcome.result["E"] for name, outcome in read_store("p.h5").outcomes.items()}
    assert sorted(results.values()) == [682, 781]
    dask_espresso("archive", "p.h5", "-o", "p.zip")
    for name in results:
        said = dask_espresso("reproduce", "p.zip", "--id", name)
        assert "equal: 1 result, bit for bit" in said
        assert "not as then" not in said


def test_modules_on_the_module_path_near_the_script_are_found_again(tmp_path, monkeypatch):
    for name, text in {"lib/near.py": "K = 3\n", "lib/pack/deep.py": "L = 5\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    Path("sim.py").write_text(
        "import dask_espresso, near\nfrom pack import deep\n"
        "x = dask_espresso.get_data_from_stdin()['x']\n"
        "print(dask_espresso.encode_transport_data({'y': x * near.K * deep.L}))\n"
    )
    Path("s.yaml").write_text("{name: s, engine: python, script: sim.py, parameters: {x: 2}}")
    dask_espresso("run", "s.yaml")
    dask_espresso("archive", "s.h5")
    monkeypatch.delenv("PYTHONPATH")
    shutil.rmtree(tmp_path / "lib")
    said = dask_espresso("reproduce", "s.crate")
    assert "equal: 1 result" in said
    assert "not as then" not in said


def test_a_compiled_program_may_be_run_again(tmp_path):
    program = tmp_path / "md"
    program.write_bytes(b"\x7fELF\2")
    make_runnable(program, program.read_bytes()[:4])
    assert os.access(program, os.X_OK)
    text = tmp_path / "in.txt"
    text.write_text("ELF")
    make_runnable(text, b"ELF")
    assert not text.stat().st_mode & 0o111


def test_places_stay_inside_whatever_a_store_says():
    names = {
        "a.py": "a.py", "b.py": "../lib/b.py", "c.py": "/etc/c.py", "d.py": "x/../../../d.py",
        "../e.py": "../../../../../../e.py", "f/g.py": "../../../../f/g.py", "h.py": "",
    }  # fmt: skip
    files = [{"name": name, "path": path} for name, path in names.items()]
    about = {"script": "a.py", "folder": "/home/anna/project/run", "files": files}
    places = {name: str(place) for name, place in places_of("v", about).items()}
    assert places == {
        "a.py": "code/v/run/a.py",
        "b.py": "code/v/lib/b.py",
        "c.py": "code/v/modules/c.py",
        "d.py": "code/v/modules/d.py",
        "../e.py": "code/v/modules/e.py",
        "f/g.py": "code/v/modules/f/g.py",
        "h.py": "code/v/modules/h.py",
    }


def test_without_rocrate_the_extra_is_named(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    said = dask_espresso("archive", "s.h5", "-o", "n.zip", status=2)
    assert "pip install 'dask_espresso[archive]'" in " ".join(said.split())
    assert not Path("n.zip").exists()


@pytest.mark.slow
def test_validators_find_nothing_wrong(here, tmp_path):
    python = new_environment(tmp_path / "venv", "roc-validator>=0.6", "rocrate>=0.15")
    program = Path(__file__).parent / "validate_crate.py"

    dask_espresso("archive", "s.h5", "-o", "bare.crate")
    shutil.copytree("bare.crate", "without.crate")
    (here / "without.crate" / "report.html").unlink()
    command = [python, program, "REQUIRED", "s.crate", "bare.crate", "without.crate"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [crate["n_checked"] > 40 for crate in found] == [True] * 3
    assert [crate["issues"] for crate in found[:2]] == [[], []]
    assert any("report.html" in issue for issue in found[2]["issues"])


@pytest.mark.slow
def test_a_real_lammps_gives_the_same_to_the_last_bit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = ["--set", "n_steps=50", "--set", "volume_fraction=0.1"]
    dask_espresso("run", "lj_pressure_lammps", *settings, "--store", "s.h5")
    dask_espresso("archive", "s.h5", "-o", "s.zip")
    said = dask_espresso("reproduce", "s.zip")
    assert "results, bit for bit" in said
    assert "not as then" not in said


@pytest.mark.espresso
def test_a_real_espresso_gives_the_same_to_the_last_bit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pypresso = os.environ["PYPRESSO"]
    (tmp_path / "p.yaml").write_text(
        f"cluster: local\nengines: {{espresso: {{command: [{pypresso}]}}}}\n"
    )
    settings = ["--set", "n_steps=50", "--set", "volume_fraction=0.1", "--set", "n_particles=50"]
    dask_espresso("run", "lj_pressure", *settings, "--store", "s.h5", "--profile", "p.yaml")
    (version,) = read_store("s.h5").provenance.values()
    assert "LENNARD_JONES" in version["runs"][0]["engine"]["build"]["features"]
    dask_espresso("archive", "s.h5", "-o", "s.zip")
    said = dask_espresso("reproduce", "s.zip", "--engine", pypresso)
    assert "results, bit for bit" in said
