"""The projects that Cloud Resource Manager tells of."""

from random import Random

from crawler.emulator.settings import ArtifactRegistry, Settings


def found_projects(role: ArtifactRegistry, *, seed: int) -> list[dict[str, str]]:
    """What the search for projects finds, in no order, but the same one each time."""
    states = {
        **dict.fromkeys((*role.projects, *role.denied_projects), "ACTIVE"),
        **dict.fromkeys(role.deleted_projects, "DELETE_REQUESTED"),
    }
    found = [
        {"name": f"projects/{_number(project, seed=seed)}", "projectId": project, "state": state}
        for project, state in states.items()
    ]
    return Random(f"{seed}/projects").sample(found, len(found))


def not_enabled(settings: Settings) -> str:
    """Google's sentence where the account's own project does without Cloud Resource Manager."""
    number = _number(settings.project, seed=settings.seed)
    return (
        f"Cloud Resource Manager API has not been used in project {number} before or it is disabled. Enable it by "
        "visiting https://console.developers.google.com/apis/api/cloudresourcemanager.googleapis.com/overview"
        f"?project={number} then retry. If you enabled this API recently, wait a few minutes for the action to "
        "propagate to our systems and retry."
    )


def _number(project: str, *, seed: int) -> int:
    return Random(f"{seed}/projects/{project}").randrange(10**11, 10**12)
