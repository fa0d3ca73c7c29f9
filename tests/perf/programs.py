"""The installed programs, and their versions."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ASKING_FOR_VERSION: Final = {
    "nginx": "-v",
    "docker-registry": "--version",
    "crane": "version",
    "gcrane": "version",
    "skopeo": "--version",
    "go": "version",
}
"""The programs that the benchmark uses, if installed."""


def found(name: str) -> str | None:
    """The path of a program. Debian keeps daemons where only root's PATH leads, and pip programs in the venv."""
    places = [os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent), "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(places))


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
