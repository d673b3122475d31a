import subprocess
import sys

from dask_espresso.certificates import temporary_security

HOLD = """
import sys, pathlib, time
from dask_espresso.certificates import temporary_security
with temporary_security(pathlib.Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_files_are_private_and_removed(tmp_path):
    with temporary_security(tmp_path):
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        files = list(folder.iterdir())
        assert {file.name for file in files} == {"ca.pem", "cert.pem", "key.pem"}
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert not list(tmp_path.iterdir())


def test_keys_of_a_killed_driver_go_at_the_next_start(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as one:
        assert one.stdout.readline() == b"ready\n"
        with temporary_security(tmp_path):
            assert len(list(tmp_path.iterdir())) == 2  # the living one's stay
        one.kill()
    assert len(list(tmp_path.iterdir())) == 1
    with temporary_security(tmp_path):
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())
