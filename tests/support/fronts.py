"""nginx and haproxy in front of a server, as operators put them in front of a registry."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.distribution.process import may_skip


def requires(program: str, package: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed. Where skips are not allowed, the test fails instead."""
    is_missing = shutil.which(program, path=_PATH) is None
    return pytest.mark.skipif(
        is_missing and may_skip(os.environ), reason=f"{program} is not installed (Debian: apt install {package})"
    )


_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
"""Debian has both in /usr/sbin, which is not in every user's PATH."""

_NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    limit_req_zone $binary_remote_addr zone=crawlers:1m rate={rate};
    server {{
        listen {front} reuseport;
        location / {{
            limit_req zone=crawlers{burst};
            proxy_pass http://{back};
        }}
    }}
}}
"""

_HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout queue {queue}
frontend front
    bind fd@{descriptor}
    default_backend back
backend back
    server only {back} maxconn {at_once}
"""


@contextmanager
def nginx(back: str, folder: Path, *, rate: str, burst: str = "") -> Iterator[str]:
    """nginx that forwards `rate` requests and answers 503 to all others, limit_req's default; gives its address."""
    with socket.socket() as holder:  # reserves a port for nginx, which cannot choose one itself; never listens
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        front = "{}:{}".format(*holder.getsockname())
        configuration = folder / "nginx.conf"
        burst = f" {burst}" if burst else ""
        configuration.write_text(_NGINX.format(folder=folder, front=front, back=back, rate=rate, burst=burst))
        command: list[str | Path] = ["nginx", "-p", folder, "-c", configuration, "-e", folder / "error.log"]
        with _running(command, []) as process:
            _wait_until_listening(front, process)
            yield front


@contextmanager
def haproxy(back: str, folder: Path, *, at_once: int, queue: str) -> Iterator[str]:
    """haproxy that forwards `at_once` requests at a time, and answers 503 after `queue` in line; gives its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:  # early connections wait in its backlog
        descriptor = listener.fileno()
        configuration = folder / "haproxy.cfg"
        configuration.write_text(_HAPROXY.format(descriptor=descriptor, back=back, at_once=at_once, queue=queue))
        with _running(["haproxy", "-db", "-f", configuration], [descriptor]):
            yield "{}:{}".format(*listener.getsockname())


@contextmanager
def _running(command: Sequence[str | Path], descriptors: Sequence[int]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program that inherits descriptors, and ends it with the block."""
    program = shutil.which(command[0], path=_PATH)
    assert program is not None, f"{command[0]} is not installed"
    with subprocess.Popen(
        [program, *command[1:]],
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
            assert process.poll() is None, f"{command[0]} ended by itself"
        finally:
            process.kill()


def _wait_until_listening(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.rpartition(":")
    while process.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.01)
    raise AssertionError("nginx did not start")
