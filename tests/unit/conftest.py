"""TODO."""

import pytest
from support.docker_home import Home


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)
