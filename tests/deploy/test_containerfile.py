"""`.ci/Containerfile`: its steps, run in a plain folder, and what its image starts."""

import asyncio
import json
import os
import re
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest
from support.readme import ROOT

import crawler

CONTAINERFILE = ROOT / ".ci" / "Containerfile"
FOLDERS = ("src", "opt", "data")
"""What the steps write to: these are below a folder here."""


def instructions():
    """Each instruction and its text; continued lines are joined, comments left out."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line]


class Build:
    """The state of a build that has a folder as its root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root
        self.environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(root)}
        for name in ("PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def local(self, text: str) -> str:
        return re.sub(rf"(?<![\w/.-])/({'|'.join(FOLDERS)})(?![\w-])", rf"{self.root}/\1", text)

    async def step(self, name: str, text: str) -> None:
        match name:
            case "WORKDIR":
                self.folder = Path(self.local(text))
                self.folder.mkdir(parents=True, exist_ok=True)
            case "COPY" if not text.startswith("--from"):  # stages share the root here
                *sources, target = text.split()
                for source in sources:
                    copy(ROOT / source, self.folder / target)
            case "ARG" | "ENV":
                pairs = dict(pair.split("=", 1) for pair in self.local(text).split())
                self.environment |= {**pairs, "PATH": pairs.get("PATH", self.environment["PATH"])}
            case "RUN":
                await self.run(self.local(text))

    async def run(self, line: str) -> str:
        process = await asyncio.create_subprocess_shell(
            line, cwd=self.folder, env=self.environment, stdout=PIPE, stderr=STDOUT
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0, f"{line}\n{printed.decode()}"
        return printed.decode()


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_containerfile_steps_install_the_command_and_its_manual(tmp_path):
    build = Build(tmp_path)
    for name, text in instructions():
        await build.step(name, text)
    (entrypoint,) = (json.loads(text) for name, text in instructions() if name == "ENTRYPOINT")
    assert await build.run(f"exec {' '.join(entrypoint)} --version") == f"registry-crawler {crawler.__version__}\n"
    share = tmp_path / "opt" / "registry-crawler" / "share"
    assert {path.name for path in share.rglob("*registry-crawler*") if path.is_file()} == {
        "registry-crawler.1",
        "registry-crawler",
        "_registry-crawler",
        "registry-crawler.fish",
    }
    templates = list((tmp_path / "opt").rglob("crawler/deploy/templates/kubernetes.yaml"))
    assert len(templates) == 1, "the wheel brings the templates"
    assert not list((tmp_path / "opt").rglob("site-packages/crawler/README.md"))


def test_containerfile_image_is_unprivileged_and_starts_no_shell():
    last_from = max(number for number, (name, _) in enumerate(instructions()) if name == "FROM")
    texts = dict(instructions()[last_from:])
    assert texts["USER"] == "65532:65532"
    assert json.loads(texts["ENTRYPOINT"]) == ["registry-crawler"]
    assert "HEALTHCHECK" not in texts
    assert "CMD" not in texts
    # credential helpers in /usr/local/bin are found
    assert "/usr/local/bin" in texts["ENV"]


def test_containerfile_copies_nothing_that_may_be_secret():
    copied = {source for name, text in instructions() if name == "COPY" for source in text.split()[:-1]}
    assert "." not in copied
