"""A script of Google's registry and APIs with one project and one repository, and of its token endpoint."""

from support.scripted import document, on
from support.scripted_google import EMPTY_CATALOG, node, projects, repositories, repository

TOKEN = "/oauth2/token"
SCRIPT = (
    on(TOKEN, document({"access_token": "ya29.fresh", "expires_in": 3600, "token_type": "Bearer"}), method="POST"),
    on("/v2/", document({})),
    projects("acme"),
    repositories("acme", team="7"),
    node("acme/team", "app"),
    repository("acme/team/app"),
    EMPTY_CATALOG,
)
