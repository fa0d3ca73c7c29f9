"""Every kind of Google credentials, and a registry with token endpoints that accept them."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

import crawler
from support.inventories import comparable, expected
from support.snapshots import read_snapshot
from support.token_endpoints import AUDIENCE, IAM, TokenEndpoints

GOOGLE_HOSTS = ("oauth2.googleapis.com", "iamcredentials.googleapis.com")


@dataclass(frozen=True, slots=True)
class World:
    """A registry, its token endpoints, and the environment of a crawl."""

    registry: Any
    endpoints: TokenEndpoints
    environment: pytest.MonkeyPatch

    def provide(self, content: object, name: str = "adc.json") -> None:
        """Make a file the Application Default Credentials."""
        file = self.registry.folder / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        self.environment.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    def config(self, **auth: Any) -> crawler.Config:
        apis = {"iam_credentials": self.endpoints.origin}
        config: crawler.Config = self.registry.config(auth={"method": "token", "key_file": None, **auth}, apis=apis)
        return config

    async def crawl(self, **auth: Any) -> None:
        """Crawl with the environment's credentials, and check that the whole inventory is found."""
        manifest = await crawler.crawl(self.config(**auth))
        assert comparable(read_snapshot(self.registry.output).by_name) == expected(self.registry.emulator.inventory)
        assert manifest.verdict == "complete"

    async def error_message(self, **auth: Any) -> str:
        """The message of the error that ends a crawl, after checking that it is one line and shows no secret."""
        with pytest.raises(crawler.CredentialsError) as refused:
            await crawler.crawl(self.config(**auth))
        line = str(refused.value)
        assert "\n" not in line
        assert not [secret for secret in ("opensesame", "PRIVATE", "ya29.", "s3cret") if secret in line]
        return line


def service_account(world: World) -> Any:
    return world.registry.emulator.key


def authorized_user(world: World) -> dict[str, str]:
    return {
        "type": "authorized_user",
        "client_id": "ours.apps.googleusercontent.com",
        "client_secret": "s3cret",
        "refresh_token": "opensesame",
    }


def impersonated(world: World) -> dict[str, Any]:
    """As gcloud writes it. google-auth uses only the account of the URL."""
    return {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": f"https://iamcredentials.googleapis.com{IAM}",
        "source_credentials": authorized_user(world),
        "delegates": [],
    }


def federated(world: World, **more: Any) -> dict[str, Any]:
    file = world.registry.folder / "subject"
    file.write_text("subject")
    return {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{world.endpoints.origin}/sts",
        "credential_source": {"file": str(file)},
        **more,
    }


def federated_impersonating(world: World) -> dict[str, Any]:
    return federated(world, service_account_impersonation_url=f"{world.endpoints.origin}{IAM}")
