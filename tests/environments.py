"""Python environments that tests make."""

import importlib.util
import shutil
import subprocess
import sys
import venv


def new_environment(folder, *wanted):
    """Make an environment with packages, or wheels, in it; give its interpreter."""
    venv.create(folder, with_pip=False)
    python = str(folder / "bin" / "python")
    if shutil.which("uv"):  # it keeps what it has loaded
        install = ["uv", "pip", "install", "--python", python]
    else:
        assert importlib.util.find_spec("pip"), "uv or pip is needed"
        install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-compile"]
    subprocess.run([*install, "--quiet", *map(str, wanted)], check=True)
    return python
