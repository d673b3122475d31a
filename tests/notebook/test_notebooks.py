"""Notebooks in a real kernel: the shipped one from its first cell to its last, and an interrupt."""

import base64
import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest
from processes import is_running, wait_until

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOK = Path(__file__).parents[2] / "docs/notebooks/first_study.ipynb"
SCRIPT = """
    import dask_espresso, time
    params = dask_espresso.get_data_from_stdin()
    if params["x"]:
        open(params["begun"], "w").close()
        time.sleep(600)
    print(dask_espresso.encode_transport_data({"y": 1}))
"""
# what libraries of notebooks warn of among themselves
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def outputs(cell, kind):
    """Give what a cell shows of a kind."""
    shown = [output for output in cell.outputs if "data" in output and kind in output.data]
    return [output.data[kind] for output in shown]


def alike(text):
    """Leave out how many results the quickest simulation has, which is the one that is repeated."""
    return re.sub(r"equal: \d results?", "equal: results", text)


def text_of(cell):
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    return printed + "\n".join(outputs(cell, "text/plain"))


def test_the_first_study_comes_to_its_figure_and_shows_what_it_did(tmp_path, monkeypatch):
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    shown, notebook = (nbformat.read(NOTEBOOK, as_version=4) for _ in range(2))
    for cell in notebook.cells:
        cell.pop("outputs", None)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    cells = {cell.source: cell for cell in notebook.cells if cell.cell_type == "code"}
    (run,) = [cell for source, cell in cells.items() if source.endswith("\nrun")]
    assert "ended: 40 done" in outputs(run, "text/html")[0]  # in the cell in which it began
    (ratio,) = [cell for source, cell in cells.items() if "ratio.mean" in source]
    for line in text_of(ratio).splitlines()[1:3]:  # the law of diffusion, for both steps
        assert float(line.split()[-1]) == pytest.approx(1, abs=0.1)
    (figure,) = [cell for source, cell in cells.items() if source.endswith("\nfigure")]
    assert base64.b64decode(outputs(figure, "image/png")[0]).startswith(b"\x89PNG")
    assert (tmp_path / "walk.pdf").read_bytes().startswith(b"%PDF")
    for cell in shown.cells:  # what readers see there is what it does; the run's has a port
        if cell.cell_type == "code" and cell.source != run.source:
            assert alike(text_of(cell)) == alike(text_of(cells[cell.source]))


@pytest.mark.parametrize(
    ("wait", "errors"),
    [
        ("run.wait()", {"KeyboardInterrupt"}),
        # as with all that is awaited: Jupyter cancels the cell
        ("await run", {"CancelledError", "KeyboardInterrupt"}),
    ],
)
def test_the_interrupt_of_a_kernel_stops_the_run_and_raises(tmp_path, script, wait, errors):
    path, begun = script(SCRIPT), tmp_path / "begun"
    source = f"""
import dask_espresso
study = dask_espresso.Study(
    name="s", script={str(path)!r}, engine="python", retries=0,
    parameters={{"x": [0, 1, 2, 3], "begun": {str(begun)!r}}},
)
run = study.run()
print(run._driver.pid)
"""
    after = "print(run.done, run.store.status()['done'], repr(run))"
    cells = [nbformat.v4.new_code_cell(text) for text in (source, wait, after)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(
        notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
    )
    manager = client.create_kernel_manager()

    def interrupt():
        wait_until(begun.exists, timeout=120)
        # as the button does: to all that the kernel has started, and that did not leave its group
        os.killpg(manager.provisioner.process.pid, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    client.execute()
    raised = [output.ename for output in cells[1].outputs if output.output_type == "error"]
    assert len(raised) == 1
    assert {*raised} <= errors
    assert text_of(cells[2]).startswith("True 1 Run into s.h5")
    assert "stopped by SIGINT" in text_of(cells[2])
    driver = int(text_of(cells[0]).split()[0])
    assert wait_until(lambda: not is_running(driver))
