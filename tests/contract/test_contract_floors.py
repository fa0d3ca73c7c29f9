"""The linter of imports fails closed: a new file that breaks the house makes `make check` fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")

NEW_FILES = {
    "aiohttp, in a room of its own kind": ("transport/mirrors.py", "import aiohttp\n"),
    "aiohttp, far from its door": ("wire/mirrors.py", "from aiohttp import ClientSession\n"),
    "google-auth": ("auth/mirrors.py", "import google.auth\n"),
    "requests": ("transport/mirrors.py", "import requests\n"),
    "pydantic": ("snapshot/mirrors.py", "import pydantic\n"),
    "typer": ("run/mirrors.py", "import typer\n"),
    "a floor above": ("wire/mirrors.py", "from crawler.registry import registry\n"),
    "the command, from the library's floor": ("run/mirrors.py", "from crawler.cli import main\n"),
    "the crawler, from the emulator": ("emulator/mirrors.py", "from crawler.model import names\n"),
    "nothing, on no floor": ("mirrors.py", ""),
}


@pytest.fixture
def house(tmp_path) -> Path:
    shutil.copytree(ROOT / "crawler", tmp_path / "crawler", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(house)}
    command = [LINTER, "--no-cache"]
    return subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_floors_of_the_house_are_kept(house):
    linted = lint(house)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("file", "content"), NEW_FILES.values(), ids=NEW_FILES)
def test_floors_are_broken_by_a_new_file_that_imports(house, file, content):
    (house / "crawler" / file).write_text(content)
    linted = lint(house)
    assert linted.returncode == 1, linted.stdout
    assert "BROKEN" in linted.stdout or "mirrors" in linted.stdout + linted.stderr
