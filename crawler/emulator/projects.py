"""The projects that Cloud Resource Manager lists, and the error for an API that a project has not enabled."""

from dataclasses import dataclass
from random import Random

from crawler.emulator.errors import ApiError, error_info
from crawler.emulator.settings import ArtifactRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleApi:
    """A Google API, which each project enables separately."""

    title: str
    domain: str


ARTIFACT_REGISTRY = GoogleApi(title="Artifact Registry API", domain="artifactregistry.googleapis.com")
RESOURCE_MANAGER = GoogleApi(title="Cloud Resource Manager API", domain="cloudresourcemanager.googleapis.com")


def search_projects(role: ArtifactRegistry, *, seed: int) -> list[dict[str, str]]:
    """The result of projects.search: shuffled, as the real one has no order, but the same for the same seed."""
    states = {
        **dict.fromkeys((*role.projects, *role.denied_projects, *role.api_disabled_projects), "ACTIVE"),
        **dict.fromkeys(role.deleted_projects, "DELETE_REQUESTED"),
    }
    found = [
        {"name": f"projects/{_project_number(project, seed=seed)}", "projectId": project, "state": state}
        for project, state in states.items()
    ]
    return Random(f"{seed}/projects").sample(found, len(found))


def api_disabled_error(api: GoogleApi, *, project: str, seed: int) -> ApiError:
    """Google's error for an API that the project has not enabled.

    The Help entry comes before the ErrorInfo: a client must search `details` by type, not take the first entry.
    """
    number = _project_number(project, seed=seed)
    console = f"https://console.developers.google.com/apis/api/{api.domain}/overview?project={number}"
    links = [{"description": "Google developers console API activation", "url": console}]
    return ApiError(
        403,
        "PERMISSION_DENIED",
        f"{api.title} has not been used in project {number} before or it is disabled. Enable it by visiting {console} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems "
        "and retry.",
        details=[
            {"@type": "type.googleapis.com/google.rpc.Help", "links": links},
            error_info("SERVICE_DISABLED", domain="googleapis.com", service=api.domain, consumer=f"projects/{number}"),
        ],
    )


def _project_number(project: str, *, seed: int) -> int:
    return Random(f"{seed}/projects/{project}").randrange(10**11, 10**12)
