"""Podman's login of a session, where the environment names no folder for the session (containers-auth.json(5))."""

import json
import os
from base64 import b64encode

from crawler.auth.credentials import Credential
from crawler.auth.docker_config import DockerCredentials
from crawler.model.names import Target


def write_login(file, name):
    file.parent.mkdir(parents=True)
    auth = b64encode(f"{name}:secret".encode()).decode()
    file.write_text(json.dumps({"auths": {"registry.example.com": {"auth": auth}}}))


def credentials(run, **environ):
    return DockerCredentials(Target.parse("registry.example.com"), environ=environ, run=run)


async def test_podmans_login_below_run_is_found_before_the_users_own(tmp_path):
    run, home = tmp_path / "run", tmp_path / "home"
    write_login(run / f"containers/{os.getuid()}/auth.json", "session")
    write_login(home / ".config/containers/auth.json", "user")
    assert await credentials(run, HOME=str(home)).get() == Credential("session", "secret")


async def test_the_sessions_own_folder_stands_in_place_of_run(tmp_path):
    run, session = tmp_path / "run", tmp_path / "session"
    write_login(run / f"containers/{os.getuid()}/auth.json", "run")
    write_login(session / "containers/auth.json", "session")
    assert await credentials(run, XDG_RUNTIME_DIR=str(session)).get() == Credential("session", "secret")


async def test_another_users_login_below_run_is_not_ours(tmp_path):
    write_login(tmp_path / f"containers/{os.getuid() + 1}/auth.json", "somebody")
    assert await credentials(tmp_path).get() is None
