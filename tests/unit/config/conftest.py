"""A clean environment and the files that the configurations of these tests name."""

import os
from pathlib import Path

import pytest
from support.config_errors import PREFIX


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """Remove the crawler's variables from the environment."""
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


FILES = "names.txt password.txt key.json ca.pem a.json b.json c a.pem b.pem c.pem b"


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    """Create the files that the configurations name, in the current folder: a missing file would be an error."""
    monkeypatch.chdir(tmp_path)
    for name in FILES.split():
        (tmp_path / name).touch()


@pytest.fixture
def write(tmp_path):
    """Write a configuration file; return its path."""

    def written(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written
