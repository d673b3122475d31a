"""What each simulation does is done beforehand, and leaves nothing behind."""

import os
import subprocess
import sys
import textwrap

from dask_espresso.process.environment import SCRIPT
from dask_espresso.script.result_pipe import RESULT, pipe_number

REHEARSES = """
    import os, sys, warnings
    warnings.simplefilter("error")
    from dask_espresso import rehearsal
    from dask_espresso.shelf import Shelf

    def everything():
        return [
            dict(os.environ), sys.argv[:], sys.path[:], sorted(sys.modules), os.listdir(scratch),
            sorted(os.listdir("/proc/self/fd")), sys.stdin, sys.stdout, sys.modules["__main__"],
        ]

    scratch = sys.argv[2]
    before = everything()
    rehearsal.rehearse(Shelf(), scratch)
    print(everything() == before)
    os.environ[rehearsal.RESULT] = sys.argv[1]  # where a simulation tells at its end what is unread
"""


def test_nothing_is_left_of_it(tmp_path):
    reader, writer = os.pipe()
    try:
        command = [sys.executable, "-c", textwrap.dedent(REHEARSES)]
        command += [f"{writer}:{pipe_number(writer)}", str(tmp_path)]
        environment = {name: text for name, text in os.environ.items() if name != RESULT}
        environment["PYTHONPATH"] = str(SCRIPT / "for_scripts")
        said = subprocess.check_output(
            command, text=True, pass_fds=[writer], env=environment, cwd="/", timeout=60
        )
        os.close(writer)
        assert (said, os.read(reader, 100)) == ("True\n", b"")
    finally:
        os.close(reader)
