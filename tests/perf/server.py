"""Registries of static responses, served by nginx: so cheap that the client's cost is measured, not the server's."""

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from support.distribution.certificates import Certificates

from perf import inventory
from perf.measure import BenchBroken
from perf.programs import found

PATIENCE_S: Final = 10.0

_CONFIGURATION: Final = """\
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
worker_cpu_affinity {core};
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    log_format connection $connection;
    default_type application/json;
    client_body_temp_path {folder}/temp;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    keepalive_requests 100000000;
    open_file_cache max=4096;
    open_file_cache_valid 1h;
    etag off;
    map_hash_max_size 32768;
    map_hash_bucket_size 256;
    map "$server_port $arg_page" $following {{
        default "";
{links}
    }}
    map "$server_port $uri" $digest {{
        default "";
{digests}
    }}
{servers}
}}
"""

_SERVER: Final = """\
    server {{
        listen 127.0.0.1:{port}{tls};
        root {root};
        location = /v2/ {{ {ping} }}
        location = /v2/_catalog {{
            add_header Link $following;
            try_files /catalog-$arg_page.json /catalog-0.json =404;
        }}
        location = /v2/token {{ try_files /token.json =404; }}
        location = /oauth {{
            error_page 405 =200 /access-token.json;
            try_files /access-token.json =404;
        }}
        location = /access-token.json {{ error_page 405 =200 $uri; }}
        location ~ /blobs/ {{ try_files $uri =404; }}
        location ~ /manifests/ {{
            default_type {manifest_type};
            add_header Docker-Content-Digest $digest;
            if ($http_if_none_match = '"$digest"') {{ return 304; }}
            try_files $uri =404;
        }}
        location /v2/ {{ try_files /listing.json =404; }}
    }}"""

_OPEN: Final = 'return 200 "{}";'
_CHALLENGE: Final = """
            add_header WWW-Authenticate 'Bearer realm="$scheme://$http_host/v2/token",service="bench"' always;
            return 401 '{"errors":[{"code":"UNAUTHORIZED","message":"a token is wanted"}]}';
        """
_TLS: Final = """ ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        access_log {folder}/connections.log connection"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One registry.

    `wants_tokens`: it answers `/v2/` with a challenge, and sends for a token to itself. `has_images`: there is an image
    behind every tag of `listing`, and the manifest's URL honours `If-None-Match`, as in distribution.
    """

    repositories: int
    listing: str
    has_images: bool = False
    wants_tokens: bool = False
    tls: bool = False

    @property
    def images(self) -> Iterator[inventory.Image]:
        return inventory.images(self.repositories, self.listing) if self.has_images else iter(())


class Nginx:
    """Running registries. Made by `serving`."""

    def __init__(self, folder: Path, addresses: dict[Site, str]) -> None:
        self._folder = folder
        self._addresses = addresses

    def host(self, site: Site) -> str:
        """`127.0.0.1:PORT`."""
        return self._addresses[site]

    def url(self, site: Site) -> str:
        return f"{'https' if site.tls else 'http'}://{self.host(site)}"

    def connections(self) -> list[str]:
        """The connection of each exchange over TLS so far, by nginx's number for it."""
        return (self._folder / "connections.log").read_text().split()


@contextmanager
def serving(folder: Path, sites: Sequence[Site], certificates: Certificates | None = None) -> Iterator[Nginx]:
    """Serve each site on a free port of the loopback, until the block ends."""
    home = Path(mkdtemp(prefix="nginx-", dir=folder))
    addresses = dict(zip(sites, (f"127.0.0.1:{port}" for port in free_ports(len(sites))), strict=True))
    configuration = home / "nginx.conf"
    configuration.write_text(_configuration(home, addresses, certificates))
    for number, site in enumerate(sites):
        _write_answers(home / str(number), site)
    program = found("nginx")
    if program is None:
        raise BenchBroken("nginx is not installed (Debian: apt install nginx-light)")
    command = [program, "-p", str(home), "-c", str(configuration), "-e", str(home / "error.log")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_listening(process, addresses.values(), home / "error.log")
            yield Nginx(home, addresses)
        finally:
            process.terminate()


def free_ports(count: int) -> list[int]:
    """Ports that were just free: nginx cannot listen on a port of the kernel's choice and report it."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def _configuration(home: Path, addresses: dict[Site, str], certificates: Certificates | None) -> str:
    servers, links, digests = [], [], []
    for number, (site, address) in enumerate(addresses.items()):
        port = address.rpartition(":")[2]
        tls = ""
        if site.tls:
            assert certificates is not None
            tls = _TLS.format(certificate=certificates.certificate_file, key=certificates.key_file, folder=home)
        ping = _CHALLENGE if site.wants_tokens else _OPEN
        root = home / str(number)
        servers.append(_SERVER.format(port=port, tls=tls, root=root, ping=ping, manifest_type=inventory.MANIFEST_TYPE))
        digests += [f"        '{port} {image.manifest_path}' '{image.digest}';" for image in site.images]
        for page in range(inventory.pages(site.repositories)):
            link = inventory.next_link(site.repositories, page)
            if link is not None:
                links.append(f"        '{port} {page or ''}' '{link}';")
    return _CONFIGURATION.format(
        user="user root;" if os.geteuid() == 0 else "",  # the folder is readable by nobody else
        folder=home,
        core=format(1 << (os.cpu_count() or 1) - 1, "b"),
        links="\n".join(links),
        digests="\n".join(digests),
        servers="\n".join(servers),
    )


def _write_answers(root: Path, site: Site) -> None:
    root.mkdir()
    (root / "listing.json").write_bytes(inventory.listing(site.listing))
    (root / "token.json").write_bytes(inventory.TOKEN)
    (root / "access-token.json").write_bytes(inventory.ACCESS_TOKEN)
    for page in range(inventory.pages(site.repositories)):
        (root / f"catalog-{page}.json").write_bytes(inventory.catalog_page(site.repositories, page))
    for image in site.images:
        for path, body in ((image.manifest_path, image.manifest), (image.config_path, image.config)):
            file = root / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)


def _wait_until_listening(process: "subprocess.Popen[bytes]", addresses: Iterable[str], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    for address in addresses:
        host, _, port = address.rpartition(":")
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = log.read_text() if log.exists() else ""
                    raise BenchBroken(f"nginx does not listen at {address}:\n{said}") from None
                time.sleep(0.02)
