"""The installed programs, and their versions."""

import os
import re
import shutil
import subprocess
from typing import Final

ASKING_FOR_VERSION: Final = {"nginx": "-v", "crane": "version", "gcrane": "version", "skopeo": "--version"}
"""The programs that the benchmark uses, if installed."""


def found(name: str) -> str | None:
    """The path of a program; where Debian keeps daemons is on root's path alone."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


def versions() -> dict[str, str]:
    """Of each program its version, or that it is not installed."""
    return {name: _version(name, option) for name, option in ASKING_FOR_VERSION.items()}


def _version(name: str, option: str) -> str:
    program = found(name)
    if program is None:
        return "not installed"
    said = subprocess.run([program, option], capture_output=True, text=True, check=False)
    version = re.search(r"\d+\.\d+[\w.+-]*", said.stdout + said.stderr)
    return version[0] if version else "of no known version"
