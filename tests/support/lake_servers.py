"""Lakes of this machine: moto speaks S3 and Google Cloud Storage, Azurite speaks Azure Blob Storage."""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import AzureStore, S3Store

from support.distribution.process import may_skip

BUCKET = "lake"
SECRET = "not-to-be-printed-0123456789"
"""The secret half of the credentials for moto, which checks none."""

_AWS_SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=google/20261127/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
)

_AZURITE = Path(__file__).parents[2] / ".venv" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
_AZURITE_ACCOUNT = "devstoreaccount1"
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own key, which Microsoft documents."""

requires_azurite = pytest.mark.skipif(
    not _AZURITE.exists() and may_skip(os.environ), reason="azurite is not in .venv/azurite: .ci/run installs it"
)

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CloudLake:
    """A lake in object storage.

    Attributes:
        environment: the provider's variables, for a command.
        store: the lake's objects, for a test.
    """

    url: str
    environment: Mapping[str, str]
    store: Any

    def objects(self) -> dict[str, bytes]:
        """Every object by its name below the lake's URL."""
        names = [each["path"] for page in obstore.list(self.store) for each in page]
        return {name: bytes(obstore.get(self.store, name).bytes()) for name in sorted(names)}

    def download(self, folder: Path) -> Path:
        """A copy of the lake in a folder, for engines that tests run without a network."""
        for name, content in self.objects().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder


@dataclass(slots=True)
class MotoServer:
    """moto on a free port, behind a front that counts what is put, and fails or holds it.

    Attributes:
        puts: the paths that were put, in their order.
        fail_from: this PUT, counted from 1, and later ones are answered 503; 0 is none.
        lose: this PUT, counted from 1, is done and answered 503, as if its answer were lost; 0 is none.
        hold: this PUT is held until the block of `holding` ends, and is then answered 503; 0 is none.
    """

    endpoint: str = ""
    puts: list[str] = field(default_factory=list)
    fail_from: int = 0
    lose: int = 0
    hold: int = 0
    is_held: threading.Event = field(default_factory=threading.Event)
    is_released: threading.Event = field(default_factory=threading.Event)

    def s3(self, prefix: str = "s3") -> CloudLake:
        """A lake that is reached by S3's protocol."""
        environment = {
            "AWS_ACCESS_KEY_ID": "AKIAOFTESTS",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        return CloudLake(f"s3://{BUCKET}/{prefix}", environment, self._store(prefix))

    def gs(self, prefix: str = "gs") -> CloudLake:
        """A lake that is reached by Google Cloud Storage's protocol."""
        unused = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        key = {"gcs_base_url": self.endpoint, "disable_oauth": True, **unused}
        environment = {"GOOGLE_BASE_URL": self.endpoint, "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key)}
        return CloudLake(f"gs://{BUCKET}/{prefix}", environment, self._store(prefix))

    def _store(self, prefix: str) -> S3Store:
        return S3Store(
            BUCKET,
            prefix=prefix,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id="reader",
            secret_access_key="reader",
            client_options={"allow_http": True},
        )

    def refuses(self, path: str) -> bool:
        """Count a PUT, and hold it if it is to be held. Returns whether it is answered 503."""
        self.puts.append(path)
        if len(self.puts) == self.hold:
            self.is_held.set()
            self.is_released.wait(60)
            return True
        return 0 < self.fail_from <= len(self.puts)

    @contextmanager
    def holding(self, number: int) -> Iterator[threading.Event]:
        """Hold the PUT of this number from now on; yields an event that is set once it is held."""
        self.hold = len(self.puts) + number
        try:
            yield self.is_held
        finally:
            self.is_released.set()
            self.hold = 0


@contextmanager
def moto_server() -> Iterator[MotoServer]:
    """moto, with an empty bucket."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  (werkzeug's name)
            pass

    behind = DomainDispatcherApplication(create_backend_app)
    moto = MotoServer()

    def slow_down(start_response: Any) -> Iterable[bytes]:
        start_response("503 Slow Down", [("Content-Type", "application/xml")])
        return [b"<Error><Code>SlowDown</Code><Message>Reduce your \x1b[31mrate</Message></Error>"]

    def front(environ: Environ, start_response: Any) -> Iterable[bytes]:
        if not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4"):
            environ["HTTP_AUTHORIZATION"] = _AWS_SIGNATURE  # moto understands no other, and checks none
        is_object = environ["PATH_INFO"].count("/") > 1
        if environ["REQUEST_METHOD"] == "PUT" and is_object and moto.refuses(environ["PATH_INFO"]):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return slow_down(start_response)
        if environ["REQUEST_METHOD"] == "PUT" and is_object and len(moto.puts) == moto.lose:
            list(behind(environ, lambda *_: None))
            return slow_down(start_response)
        return behind(environ, start_response)  # type: ignore[no-any-return]

    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        moto.endpoint = f"http://127.0.0.1:{server.server_port}"
        _send("POST", f"{moto.endpoint}/moto-api/reset")  # moto keeps its buckets as long as the process lives
        _send("PUT", f"{moto.endpoint}/{BUCKET}")
        yield moto
    finally:
        moto.is_released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def azurite() -> Iterator[Callable[[str], CloudLake]]:
    """Azurite in memory, with an empty container; yields what makes a lake below a prefix of it."""
    port_options = ("--blobPort", "0", "--blobHost", "127.0.0.1", "--inMemoryPersistence")
    options = (*port_options, "--silent", "--skipApiVersionCheck", "--disableTelemetry")
    node = shutil.which("node") or "node"
    with subprocess.Popen([node, _AZURITE, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            endpoint = _endpoint_in(process)
            _create_container(endpoint)
            yield partial(_azure_lake, endpoint)
        finally:
            process.kill()


def _endpoint_in(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if (found := re.search(r"listens on (http://[\d.:]+)", line)) is not None:
            return f"{found[1]}/{_AZURITE_ACCOUNT}"
    raise AssertionError("azurite has ended")


def _create_container(endpoint: str) -> None:
    date = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S} GMT"
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
    resource = f"/{_AZURITE_ACCOUNT}/{_AZURITE_ACCOUNT}/{BUCKET}\nrestype:container"
    signed = "\n".join(["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in headers.items()), resource])
    digest = hmac.new(base64.b64decode(_AZURITE_KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {_AZURITE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    _send("PUT", f"{endpoint}/{BUCKET}?restype=container", headers)


def _azure_lake(endpoint: str, prefix: str) -> CloudLake:
    environment = {
        "AZURE_STORAGE_ACCOUNT_NAME": _AZURITE_ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": _AZURITE_KEY,
        "AZURE_STORAGE_ENDPOINT": endpoint,
    }
    store = AzureStore(
        BUCKET,
        prefix=prefix,
        account_name=_AZURITE_ACCOUNT,
        account_key=_AZURITE_KEY,
        endpoint=endpoint,
        client_options={"allow_http": True},
    )
    return CloudLake(f"az://{BUCKET}/{prefix}", environment, store)


def _send(method: str, url: str, headers: Mapping[str, str] = {}) -> None:
    request = urllib.request.Request(url, method=method, headers=dict(headers))
    with urllib.request.urlopen(request, timeout=30):
        pass
