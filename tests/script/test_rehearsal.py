"""What each simulation does is done beforehand, and leaves nothing behind."""

import os
import subprocess
import sys
import textwrap

from dask_espresso.script.result_pipe import RESULT, pipe_number

REHEARSES = """
    import os, sys
    from dask_espresso.script import rehearsal
    before = dict(os.environ)
    rehearsal.rehearse()
    print(dict(os.environ) == before)
    os.environ[rehearsal.RESULT] = sys.argv[1]  # where a simulation tells at its end what is unread
"""


def test_nothing_is_left_of_it():
    reader, writer = os.pipe()
    try:
        command = [sys.executable, "-c", textwrap.dedent(REHEARSES)]
        command.append(f"{writer}:{pipe_number(writer)}")
        environment = {name: text for name, text in os.environ.items() if name != RESULT}
        said = subprocess.check_output(
            command, text=True, pass_fds=[writer], env=environment, timeout=60
        )
        os.close(writer)
        assert (said, os.read(reader, 100)) == ("True\n", b"")
    finally:
        os.close(reader)
