import subprocess
import sys

import pytest

CODE = """
import signal, threading
before = signal.getsignal(signal.SIGINT)
thread = threading.Thread(target=__import__, args=["dask_espresso.cluster.cluster"])
{how}
import dask_espresso.cluster.cluster
assert signal.getsignal(signal.SIGINT) is before
"""


@pytest.mark.parametrize("how", ["", "thread.start(); thread.join()"])
def test_importing_it_leaves_ctrl_c_alone(how):
    code = [sys.executable, "-c", CODE.format(how=how)]
    done = subprocess.run(code, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
