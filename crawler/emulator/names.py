"""Names of repositories: the grammar, and names drawn at random."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

_MAX_NAME_LENGTH = 255
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")

_TEAMS = (
    "accounts", "ads", "analytics", "base", "billing", "checkout", "data", "fraud", "fulfilment", "growth",
    "identity", "infra", "logistics", "ml", "mobile", "observability", "partners", "payments", "pricing",
    "search", "security", "shipping", "storefront", "support",
)  # fmt: skip
_AREAS = (
    "batch",
    "ci",
    "experiments",
    "internal",
    "jobs",
    "legacy",
    "platform",
    "public",
    "services",
    "tools",
)
_SUBJECTS = (
    "catalog", "cart", "customer", "event", "feature", "image", "inventory", "invoice", "ledger", "mail",
    "message", "metric", "order", "price", "profile", "quote", "report", "session", "tax", "user",
)  # fmt: skip
_ROLES = (
    "api", "cache", "cron", "exporter", "frontend", "gateway", "golang", "importer", "indexer", "migrate",
    "node", "proxy", "python", "scheduler", "server", "sidecar", "worker",
)  # fmt: skip

_MAX_DEPTH = 6  # components in a name
_MAX_IMAGE_DEPTH = 5  # components, the project and the repository included


def is_valid_name(text: str) -> bool:
    """Whether `text` is a repository name by the grammar of the distribution specification (pull, `<name>`)."""
    return len(text) <= _MAX_NAME_LENGTH and _NAME.fullmatch(text) is not None


def draw_names(*, seed: int, project: str, count: int) -> list[str]:
    """`count` different repository names under `project`, sorted. Some are folders of others."""
    draw = Random(f"{seed}/names")
    return _draw_distinct(draw, count=count, folder=lambda drawn: _folder(draw, project, drawn))


def draw_image_names(*, seed: str, repositories: Sequence[str], count: int) -> list[str]:
    """`count` different names under `repositories`, each with one to three components there; sorted."""
    draw = Random(f"{seed}/names")
    return _draw_distinct(draw, count=count, folder=lambda drawn: _image_folder(draw, repositories, drawn))


def draw_repository_ids(*, seed: str, count: int) -> list[str]:
    """The ids of `count` Artifact Registry repositories of one project and location."""
    teams = Random(f"{seed}/repositories").sample(_TEAMS, len(_TEAMS))
    return [_numbered(teams[at % len(teams)], at // len(teams) + 1) for at in range(count)]


def _draw_distinct(draw: Random, *, count: int, folder: Callable[[list[str]], str]) -> list[str]:
    drawn: list[str] = []
    times: Counter[str] = Counter()
    for _ in range(count):
        name = f"{folder(drawn)}/{_component(draw)}"
        times[name] += 1
        # No drawn component contains a digit, so a numbered name never equals a drawn one.
        drawn.append(_numbered(name, times[name]))
    drawn.sort()
    return drawn


def _numbered(name: str, time: int) -> str:
    return name if time == 1 else f"{name}-{time}"


def _folder(draw: Random, project: str, drawn: list[str]) -> str:
    shape = draw.random()
    if shape < 0.12 and drawn:
        parent = draw.choice(drawn)
        if parent.count("/") < _MAX_DEPTH - 1:
            return parent
    if shape < 0.15:
        return project
    if shape < 0.40:
        return f"{project}/{draw.choice(_TEAMS)}/{draw.choice(_AREAS)}"
    return f"{project}/{draw.choice(_TEAMS)}"


def _image_folder(draw: Random, repositories: Sequence[str], drawn: list[str]) -> str:
    shape = draw.random()
    if shape < 0.12 and drawn:
        parent = draw.choice(drawn)
        if parent.count("/") < _MAX_IMAGE_DEPTH - 1:
            return parent
    repository = draw.choice(repositories)
    if shape < 0.50:
        return repository
    if shape < 0.80:
        return f"{repository}/{draw.choice(_AREAS)}"
    return f"{repository}/{draw.choice(_AREAS)}/{draw.choice(_SUBJECTS)}"


def _component(draw: Random) -> str:
    role = draw.choice(_ROLES)
    return role if draw.random() < 0.3 else f"{draw.choice(_SUBJECTS)}-{role}"
