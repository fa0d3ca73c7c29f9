"""What the first moments of the command leave out is missed by no run."""

import subprocess
from pathlib import Path

from support.distribution import Certificates, make_certificates
from support.run_cli import ONE_TRY, scripted_crawl
from support.scripted import on, plain_registry, refusal, serve


async def test_start_trusts_the_authorities_of_the_environment(command, tmp_path):
    """aiohttp reads SSL_CERT_FILE when it is imported, and is kept from it."""
    ours, theirs = make_certificates(tmp_path / "ours"), make_certificates(tmp_path / "theirs")
    async with serve(plain_registry({"team/app": ("1",)}), certificates=ours) as server:
        crawl = (*scripted_crawl(server), "--no-plain-http")
        trusting = await command(*crawl, environment={"SSL_CERT_FILE": str(ours.ca_file)})
        refusing = await command(*crawl, environment={"SSL_CERT_FILE": str(theirs.ca_file), **ONE_TRY})
    assert (trusting.code, refusing.code) == (0, 1), trusting.err + refusing.err
    assert "certificate" in refusing.complaint


def hashed(certificates: Certificates) -> str:
    """A folder of certificates by hash, as a system has it."""
    folder = certificates.ca_file.parent / "hashed"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(certificates.ca_file.read_bytes())
    subprocess.run(["openssl", "rehash", folder], check=True)
    return str(folder)


async def test_start_trusts_the_authorities_of_the_system_without_a_variable(command, tmp_path):
    """aiohttp is kept from the system's authorities, too, and the run still has them."""
    ours, theirs = make_certificates(tmp_path / "ours"), make_certificates(tmp_path / "theirs")
    async with serve(plain_registry({"team/app": ("1",)}), certificates=ours) as server:
        crawl = (*scripted_crawl(server), "--no-plain-http")
        trusting = await command(*crawl, environment={"SSL_CERT_DIR": hashed(ours)})
        refusing = await command(*crawl, environment={"SSL_CERT_DIR": hashed(theirs), **ONE_TRY})
    assert (trusting.code, refusing.code) == (0, 1), trusting.err + refusing.err
    assert "certificate" in refusing.complaint


def install_plugin(folder: Path) -> None:
    """A plugin of pydantic, which says on standard error that it is there."""
    metadata = folder / "spy-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[pydantic]\nspy = spy:plugin\n")
    (folder / "spy.py").write_text(
        "import sys\n"
        "print('the spy is there', file=sys.stderr)\n"
        "class plugin:\n"
        "    @staticmethod\n"
        "    def new_schema_validator(*_):\n"
        "        return None, None, None\n"
    )


async def test_start_loads_no_plugins_of_pydantic(command, tmp_path):
    """A plugin sees every value that is validated, passwords included."""
    install_plugin(tmp_path / "site")
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    async with serve(plain_registry({"team/app": ("1",)})) as server:
        ended = await command(*scripted_crawl(server), environment=environment)
        wanted = await command(*scripted_crawl(server), environment={**environment, "PYDANTIC_DISABLE_PLUGINS": "no"})
    assert (ended.code, wanted.code) == (0, 0)
    assert "the spy is there" not in ended.err
    assert "the spy is there" in wanted.err


LOUD_COLLECTOR = """
import gc, sys

def complain(phase, info):
    if phase == "start" and len(gc.get_objects(generation=0)) > 20_000:
        sys.stderr.write("a collection\\n")

gc.callbacks.append(complain)
"""
"""Says on standard error when the garbage collector looks through many objects."""


async def test_start_collects_no_garbage_of_imports(command, tmp_path):
    """There is next to none, and a collection takes a tenth of the start."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(LOUD_COLLECTOR)
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    missing = on("/v2/team/app/manifests/1", refusal(404, "MANIFEST_UNKNOWN", "unknown"))
    async with serve([missing, *plain_registry({"team/app": ("1",)})]) as server:
        ended = await command(*scripted_crawl(server), "--depth", "configs", environment=environment)
    assert (ended.code, "a collection" in ended.err) == (0, False), ended.err
