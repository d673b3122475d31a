"""What a simulator keeps from one simulation to the next."""

import sys
from dataclasses import replace

import psutil
import pytest

from dask_espresso.engines import Engine
from dask_espresso.inputs.profile import Profile
from dask_espresso.process.order import Order, Workload
from dask_espresso.process.simulator import Simulator

ORDER = Order("a", {}, replica=0, seed=1, attempt=1)


def fork_servers():
    """Give those of this process, also of other tests."""
    children = psutil.Process().children()
    return {child for child in children if "forkserver" in "".join(child.cmdline())}


@pytest.mark.parametrize(
    ("environment", "shares"), [((), True), ((("MY_PATH", "lib:/opt/lib"),), False)]
)
def test_studies_of_several_directories_share_what_is_warm(script, tmp_path, environment, shares):
    """Unless a path in their environment is another one in each of them."""
    path = script("""
        import dask_espresso, os
        found = {"path": os.environ.get("MY_PATH", "")}
        print(dask_espresso.encode_transport_data(found))
    """)
    engine = Engine("python", (sys.executable,), start="fork", environment=environment)
    work = Workload.of_script(path, engine, Profile(), None)
    simulator, found = Simulator(), []
    before = fork_servers()
    try:
        for name in ("a", "b"):
            (tmp_path / name / "lib").mkdir(parents=True)
            there = replace(work, engine=replace(engine, directory=str(tmp_path / name)))
            found.append(simulator.simulate(there, ORDER).result)
        warm = fork_servers() - before
    finally:
        simulator.close()
    assert len(warm) == (1 if shares else 2)
    paths = [f"{tmp_path / name}/lib:/opt/lib" for name in ("a", "b")]
    assert [one["path"] for one in found] == (["", ""] if shares else paths)
