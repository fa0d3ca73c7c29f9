"""Fixtures of the unit tests: a user's home folder, for docker's and podman's logins."""

import pytest
from support.docker_home import Home


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def home_with_all_places(home):
    """A home whose environment names every place of a login file (`PLACES`)."""
    for variable, place in [
        ("REGISTRY_AUTH_FILE", "registry-auth.json"),
        ("DOCKER_CONFIG", "docker"),
        ("XDG_RUNTIME_DIR", "run"),
        ("XDG_CONFIG_HOME", "xdg"),
    ]:
        home.environ[variable] = str(home.folder / place)
    return home
