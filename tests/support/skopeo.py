"""Debian's skopeo: a reader of registries that shares no code with the crawler, nor with the tests' registry."""

import asyncio
import json
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

import pytest

from support.distribution.process import may_skip

PROGRAM = "skopeo"

requires_skopeo = pytest.mark.skipif(
    shutil.which(PROGRAM) is None and may_skip(os.environ),
    reason=f"{PROGRAM} is not installed (Debian: apt install skopeo)",
)


async def read_manifest(host: str, repository: str, reference: str) -> bytes:
    """The bytes of a manifest, by tag or digest."""
    return await _inspect("--raw", host, repository, reference)


async def read_config(host: str, repository: str, reference: str) -> dict[str, Any]:
    """The config of an image, by tag or digest, as skopeo understands it (image-spec's Go structure)."""
    config: dict[str, Any] = json.loads(await _inspect("--config", host, repository, reference))
    return config


async def _inspect(what: str, host: str, repository: str, reference: str) -> bytes:
    separator = "@" if ":" in reference else ":"
    image = f"docker://{host}/{repository}{separator}{reference}"
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "inspect", what, "--tls-verify=false", image, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"skopeo inspect {what} {image}: {err.decode()}"
    return out
