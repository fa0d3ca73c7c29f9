"""The environment of every crawl here: no logins and no proxies of the developer."""

from pathlib import Path

import pytest
from support.docker_home import empty_home


@pytest.fixture(autouse=True)
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration folder for docker."""
    return empty_home(tmp_path, monkeypatch)
