"""Run the installed command through an outage, and judge the result."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support.snapshots import folders, read_snapshot

from .plan import HOST_NAME, PROJECT, Plan, Seen, write_hosts

ALLOWANCE_S = 240.0
"""Seconds that a crawl may take in addition to the outage before it is killed: a bound, not a measurement."""

GIVE_UP_AFTER_S = 5
"""`limits.give_up_after` for a registry that never comes back: the default of five minutes would only cost time."""

# a name server that does not respond, as on a machine whose name server is down
_NAME_SERVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
_WITH_OWN_HOSTS = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """The result of a crawl. `code` is the exit code, or None if the crawl was killed.

    verdict: the published snapshot's; "none" where nothing was published.
    lost: names without a record that is `ok`; of an unpublished run, names that it had recorded as anything else.
    twice: records beyond the first of a name.
    kept: whole records that an unfinished run left to resume.
    met: whether the outage began, and for a published snapshot also ended before the last listing.
    says: the reasons of a snapshot that is partial, else the command's last line.
    """

    code: int | None
    verdict: str = "none"
    lost: int = 0
    twice: int = 0
    kept: int = 0
    met: bool = False
    seconds: float = 0.0
    says: str = ""

    @property
    def is_whole(self) -> bool:
        return (self.code, self.verdict, self.lost, self.twice, self.met) == (0, "complete", 0, 0, True)

    @property
    def is_resumable(self) -> bool:
        """Whether the crawl ended without a snapshot, but kept its records for --resume, with no failure among them."""
        return (self.code, self.verdict, self.lost, self.met) == (1, "none", 0, True) and self.kept > 0


@dataclass(slots=True)
class Running:
    """The process of the registry."""

    process: "subprocess.Popen[str]"
    registry: str
    tokens: str
    seen: Seen = field(default_factory=Seen)

    def end_outage(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("over\n")
        self.process.stdin.flush()


def survive(plan: Plan, folder: Path) -> Survival:
    """Crawl with default options through an outage that ends."""
    with running(plan, folder) as registry:
        ended = _crawl(plan, registry, folder)
    return _judge(ended, plan, registry.seen, folder)


def outlive(plan: Plan, folder: Path) -> tuple[Survival, Survival]:
    """Crawl through an outage that does not end, then end it and resume. Returns the results of both crawls."""
    plan = replace(plan, seconds=None)
    with running(plan, folder) as registry:
        gone = _crawl(plan, registry, folder, environment={"REGISTRY_CRAWLER_LIMITS__GIVE_UP_AFTER": GIVE_UP_AFTER_S})
        left = _judge(gone, plan, Seen(began=True), folder)
        registry.end_outage()
        resumed = _crawl(plan, registry, folder, "--resume")
    return left, _judge(resumed, plan, registry.seen, folder)


@contextmanager
def running(plan: Plan, folder: Path) -> Iterator[Running]:
    """Run the registry in a process of its own; `seen` has its counters at the end of the block."""
    if plan.kind == "dns":
        (folder / "hosts").touch()
        plan = replace(plan, hosts_file=str(folder / "hosts"))
        write_hosts(plan.hosts_file, known=True)
        (folder / "resolv.conf").write_text(_NAME_SERVER)
    command = [sys.executable, "-m", "perf.outages.server", json.dumps(asdict(plan))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        running = Running(process, **json.loads(process.stdout.readline()))
        try:
            yield running
        finally:
            process.stdin.close()
            running.seen = Seen(**json.loads(process.stdout.readline()))


@cache
def own_hosts() -> tuple[str, ...] | None:
    """The command that gives a program its own /etc/hosts; None if this machine does not permit it."""
    for unshare in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        tried = [*unshare, "sh", "-c", _WITH_OWN_HOSTS, "sh", "/etc/hosts", "/etc/hosts", "true"]
        try:
            if subprocess.run(tried, check=False, capture_output=True).returncode == 0:
                return unshare
        except FileNotFoundError:
            return None
    return None


def product() -> str:
    """The command under test: `PRODUCT` names it, else it is the one that is installed beside this Python."""
    return os.environ.get("PRODUCT") or str(Path(sys.executable).with_name("registry-crawler"))


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int | None
    seconds: float
    last_line: str


def _crawl(
    plan: Plan, registry: Running, folder: Path, *options: str, environment: dict[str, Any] | None = None
) -> _Ended:
    command = [*_wrapper(plan, folder), product(), "crawl", *_target(plan, registry, folder), *options]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    environ |= {key: str(value) for key, value in (environment or {}).items()}
    began = time.monotonic()
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=environ, text=True, **pipes) as process:
        try:
            _, words = process.communicate(timeout=(plan.seconds or 0) + ALLOWANCE_S)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            _, words = process.communicate()
            code = None
    return _Ended(code, time.monotonic() - began, (words.splitlines() or [""])[-1])


def _wrapper(plan: Plan, folder: Path) -> Sequence[str]:
    if plan.kind != "dns":
        return ()
    unshare = own_hosts()
    assert unshare is not None, "ask own_hosts() first"
    return (*unshare, "sh", "-c", _WITH_OWN_HOSTS, "sh", str(folder / "hosts"), str(folder / "resolv.conf"))


def _target(plan: Plan, registry: Running, folder: Path) -> list[str]:
    if plan.auth == "google":
        key = folder / "key.json"
        key.write_text(json.dumps(service_account(f"http://{registry.tokens}/token")))
        google = ["--kind", "gcr", "--auth", "access-token", "--key-file", str(key)]
        return [f"{registry.registry}/{PROJECT}", *google, "--discovery", "walk", "--rate", "none"]
    if plan.kind == "dns":
        return [f"{HOST_NAME}:{registry.registry.rpartition(':')[2]}", "--plain-http"]
    return [registry.registry]


def service_account(token_uri: str) -> dict[str, str]:
    """The content of a key file, made up, whose tokens come from `token_uri`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account",
        "project_id": "outages",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "crawler@outages.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }


def _judge(ended: _Ended, plan: Plan, seen: Seen, folder: Path) -> Survival:
    output = folder / "snapshots"
    common: dict[str, Any] = {"code": ended.code, "seconds": ended.seconds}
    if not folders(output):
        records = _unfinished(output)
        others = sum(record["outcome"] != "ok" for record in records)
        return Survival(**common, lost=others, kept=len(records), met=seen.began, says=ended.last_line)
    snapshot = read_snapshot(output)
    good = [record["repository"] for record in snapshot.records if record["outcome"] == "ok"]
    return Survival(
        **common,
        verdict=snapshot.manifest["verdict"],
        lost=len(set(plan.names) - set(good)),
        twice=len(snapshot.records) - len({record["repository"] for record in snapshot.records}),
        met=seen.ended and seen.listings_after > 0,
        says="; ".join(snapshot.manifest["reasons"]) or ended.last_line,
    )


def _unfinished(output: Path) -> list[dict[str, Any]]:
    """The complete records of unfinished runs; the last line may be cut."""
    lines = [
        line for file in output.glob(".unfinished/*/part-*") for line in file.read_bytes().splitlines(keepends=True)
    ]
    return [json.loads(line) for line in lines if line.endswith(b"\n")]
