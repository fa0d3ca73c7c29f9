"""Run `registry-crawler doctor`, or its steps within the test, and read what was found."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crawler
from crawler.cli.open_files import fit_concurrency
from crawler.doctor.checkup import STEP_LIMIT_S, Checkup
from crawler.doctor.step import Step, worst_state
from support.run_cli import CommandRunner

SECRETS = ("opensesame", "s3cret-pass", "ya29.", "PRIVATE KEY", "minted-")
"""What stands for secrets in the tests of doctor: none of it may be printed."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What doctor found at one target, and its exit code."""

    code: int
    document: Mapping[str, Any]

    @property
    def steps(self) -> dict[str, dict[str, str]]:
        return {step["name"]: step for step in self.document["steps"]}

    def state(self, name: str) -> str:
        return self.steps[name]["state"]

    def found(self, name: str) -> str:
        return self.steps[name]["found"]

    def advice(self, name: str) -> str:
        return self.steps[name]["advice"]

    @property
    def amiss(self) -> dict[str, str]:
        """The states of the steps that failed or warned."""
        return {name: step["state"] for name, step in self.steps.items() if step["state"] in {"warning", "failure"}}

    def skipped_for(self, obstacle: str) -> set[str]:
        """The steps that were not tried because `obstacle` brought nothing."""
        return {name for name, step in self.steps.items() if step["found"] == f"needs the step {obstacle}"}


async def diagnose(command: CommandRunner, target: object, *arguments: object, **options: Any) -> Diagnosis:
    """Examine one target. Fails where anything but the one document is printed, or a secret is."""
    ended = await command("doctor", target, "--format", "json", *arguments, **options)
    assert ended.err == ""
    assert not [secret for secret in SECRETS if secret in ended.out]
    (line,) = ended.out.splitlines()
    return Diagnosis(ended.code, json.loads(line))


async def examine(config: crawler.Config, step_limit_s: float = STEP_LIMIT_S) -> Diagnosis:
    """Examine the only target of a configuration within the test, which costs no start of the command.

    The code is that of the command. Fails where a secret is found.
    """
    reported: list[Step] = []
    checkup = Checkup(config, config.registry[0], reported.append, step_limit_s)
    await checkup.run(fit_concurrency)
    assert reported == checkup.steps
    steps = [
        {"name": step.name, "state": step.finding.state, "found": step.finding.found, "advice": step.finding.advice}
        for step in reported
    ]
    assert not [secret for secret in SECRETS if secret in str(steps)]
    state = worst_state(checkup.steps)
    return Diagnosis({"failure": 1, "warning": 3, "ok": 0}[state], {"steps": steps})


def config(target: str, folder: Path, **registry: Any) -> crawler.Config:
    """The configuration of an examination. `registry` holds keys of its table; the output is below `folder`."""
    tables = {key: registry.pop(key) for key in ("images", "limits", "verdict") if key in registry}
    return crawler.Config(registry=[{"target": target, **registry}], output={"path": folder / "snapshots"}, **tables)
