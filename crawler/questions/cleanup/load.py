"""Which product's policy is in a file: it is recognised by its shape, and read to the last key, or not at all."""

import tomllib
from pathlib import Path
from typing import Any, Final

from crawler.errors import ConfigError
from crawler.questions.cleanup import artifact_registry, ecr, harbor, plain
from crawler.questions.cleanup.document import Mistakes, parse_json
from crawler.questions.cleanup.policy import Policy
from crawler.untrusted_text import printable, quoted_path

_SHAPES: Final = (
    "a list of policies (Artifact Registry: gcloud artifacts repositories list-cleanup-policies), "
    'an object with "rules" (ECR: aws ecr get-lifecycle-policy --query lifecyclePolicyText --output text), '
    'an object with "algorithm" and "rules" (Harbor: GET /api/v2.0/retentions/ID), '
    'or an object with "rule" (registry-crawler\'s own, also as TOML)'
)


def load_policy(path: Path) -> Policy:
    """The policy in a file. Raises ConfigError with all mistakes."""
    file = f"--policy {quoted_path(path)}"
    try:
        return parse_policy(path.read_text(encoding="utf-8-sig"), file)
    except OSError as exc:
        raise ConfigError([f"{file}: cannot be read: {exc.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{file}: is not UTF-8"]) from None


def parse_policy(text: str, file: str) -> Policy:
    """The policy in a text; `file` is where it comes from, fit to show. TOML comes from a file that ends in .toml.

    Raises ConfigError with all mistakes.
    """
    document, mistakes = _parse(text, file), Mistakes(file)
    policy = _recognise(document, mistakes)
    mistakes.check()
    return policy


def _recognise(document: Any, mistakes: Mistakes) -> Policy:
    match document:
        case [_, *_]:
            return artifact_registry.parse(document, mistakes)
        case {"algorithm": _}:
            return harbor.parse(document, mistakes)
        case {"rules": _}:
            return ecr.parse(document, mistakes)
        case {"rule": _}:
            return plain.parse(document, mistakes)
        case {"lifecyclePolicyText": _}:
            message = "holds the policy as a text within: write it with --query lifecyclePolicyText --output text"
        case _:
            message = f"is no policy that is known. It must be {_SHAPES}"
    raise ConfigError([f"{mistakes.file}: {message}"])


def _parse(text: str, file: str) -> Any:
    if not file.endswith(".toml"):
        return parse_json(text, file)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # ValueError also for a number of thousands of digits
        raise ConfigError([f"{file}: is not TOML: {printable(str(exc))}"]) from None
