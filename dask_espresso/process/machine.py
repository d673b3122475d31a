"""What there is to say of a machine that results may depend on, or that tells who ran something."""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
from pathlib import Path


def machine() -> dict[str, object]:
    """Give host, processor and system of this machine, and the environment modules loaded here."""
    return {
        "host": host_name(),
        "cpu": cpu_model(),
        "system": platform.platform(),
        "modules": list(filter(None, os.environ.get("LOADEDMODULES", "").split(":"))),
    }


def host_name() -> str:
    """Name this machine as its batch system does."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def cpu_model() -> str:
    """Name the kind of processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^(?:model name|cpu model|cpu)\s*:\s*(.+)$", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.processor() or platform.machine()


def user_name() -> str:
    """Name who this process belongs to; a number where the system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())
