"""The projects that Cloud Resource Manager tells of, and the APIs that they do without."""

from dataclasses import dataclass
from random import Random

from crawler.emulator.errors import ApiRefusal, error_info
from crawler.emulator.settings import ArtifactRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleApi:
    """An API that is switched on project by project."""

    title: str
    domain: str


ARTIFACT_REGISTRY = GoogleApi(title="Artifact Registry API", domain="artifactregistry.googleapis.com")
RESOURCE_MANAGER = GoogleApi(title="Cloud Resource Manager API", domain="cloudresourcemanager.googleapis.com")


def found_projects(role: ArtifactRegistry, *, seed: int) -> list[dict[str, str]]:
    """What the search for projects finds, in no order, but the same one each time."""
    states = {
        **dict.fromkeys((*role.projects, *role.denied_projects, *role.api_disabled_projects), "ACTIVE"),
        **dict.fromkeys(role.deleted_projects, "DELETE_REQUESTED"),
    }
    found = [
        {"name": f"projects/{_number(project, seed=seed)}", "projectId": project, "state": state}
        for project, state in states.items()
    ]
    return Random(f"{seed}/projects").sample(found, len(found))


def switched_off(api: GoogleApi, *, project: str, seed: int) -> ApiRefusal:
    """What Google says where a project does without an API. The help comes before what machines should read."""
    number = _number(project, seed=seed)
    console = f"https://console.developers.google.com/apis/api/{api.domain}/overview?project={number}"
    links = [{"description": "Google developers console API activation", "url": console}]
    return ApiRefusal(
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


def _number(project: str, *, seed: int) -> int:
    return Random(f"{seed}/projects/{project}").randrange(10**11, 10**12)
