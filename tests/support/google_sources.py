"""TODO."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

import crawler
from support.inventories import expected, told
from support.snapshots import read_snapshot
from support.token_endpoints import AUDIENCE, IAM, Issuers

GOOGLES = ("oauth2.googleapis.com", "iamcredentials.googleapis.com")


@dataclass(frozen=True, slots=True)
class World:
    """A registry, its issuers, and the environment of whoever crawls it."""

    registry: Any
    issuers: Issuers
    environment: pytest.MonkeyPatch

    def provide(self, content: object, name: str = "adc.json") -> None:
        """Make a file the Application Default Credentials."""
        file = self.registry.folder / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        self.environment.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    def config(self, **auth: Any) -> crawler.Config:
        apis = {"iam_credentials": self.issuers.origin}
        config: crawler.Config = self.registry.config(auth={"method": "token", "key_file": None, **auth}, apis=apis)
        return config

    async def crawl(self, **auth: Any) -> None:
        """Crawl with what the environment provides; all of the inventory is found."""
        manifest = await crawler.crawl(self.config(**auth))
        assert told(read_snapshot(self.registry.output).by_name) == expected(self.registry.emulator.inventory)
        assert manifest.verdict == "complete"

    async def complaint(self, **auth: Any) -> str:
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
    """As gcloud writes it. google-auth takes no more of the address than the account."""
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
        "token_url": f"{world.issuers.origin}/sts",
        "credential_source": {"file": str(file)},
        **more,
    }


def federated_impersonating(world: World) -> dict[str, Any]:
    return federated(world, service_account_impersonation_url=f"{world.issuers.origin}{IAM}")
