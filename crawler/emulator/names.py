"""What the repositories are called."""

import re
from collections import Counter
from random import Random

_LONGEST = 255
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

_DEEPEST = 6  # components of a name


def is_name(text: str) -> bool:
    """Whether a repository may be called so, by the grammar of the distribution specification."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def draw_names(*, seed: int, project: str, count: int) -> list[str]:
    """`count` different repository names below `project`, sorted; some are folders of others."""
    draw = Random(f"{seed}/names")
    drawn: list[str] = []
    times: Counter[str] = Counter()
    for _ in range(count):
        name = f"{_folder(draw, project, drawn)}/{_component(draw)}"
        times[name] += 1
        # No drawn component holds a digit, so a numbered name cannot meet a drawn one.
        drawn.append(name if times[name] == 1 else f"{name}-{times[name]}")
    drawn.sort()
    return drawn


def _folder(draw: Random, project: str, drawn: list[str]) -> str:
    shape = draw.random()
    if shape < 0.12 and drawn:
        parent = draw.choice(drawn)
        if parent.count("/") < _DEEPEST - 1:
            return parent
    if shape < 0.15:
        return project
    if shape < 0.40:
        return f"{project}/{draw.choice(_TEAMS)}/{draw.choice(_AREAS)}"
    return f"{project}/{draw.choice(_TEAMS)}"


def _component(draw: Random) -> str:
    role = draw.choice(_ROLES)
    return role if draw.random() < 0.3 else f"{draw.choice(_SUBJECTS)}-{role}"
