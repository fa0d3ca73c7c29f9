"""Registry products, scripted as data: a module for each, with what a crawl of it must find."""

from collections.abc import Mapping

from . import (
    acr,
    artifactory,
    distribution,
    docker_hub,
    ecr,
    ecr_public,
    ghcr,
    gitea,
    gitlab,
    harbor,
    mcr,
    nexus,
    openshift,
    quay,
    zot,
)
from .vocabulary import Scripted

SCRIPTED: Mapping[str, Scripted] = {
    "distribution-2.8": distribution.V2_8,
    "distribution-2.8-in-pages": distribution.V2_8_IN_PAGES,
    "distribution-2.8-asked-for-too-many": distribution.V2_8_ASKED_FOR_TOO_MANY,
    "distribution-2.8-behind-htpasswd": distribution.V2_8_BEHIND_HTPASSWD,
    "distribution-3.1": distribution.V3_1,
    "docker-hub": docker_hub.ANONYMOUS,
    "docker-hub-with-a-login": docker_hub.WITH_LOGIN,
    "ghcr": ghcr.GHCR,
    "ecr": ecr.ECR,
    "ecr-asked-for-too-many": ecr.ASKED_FOR_TOO_MANY,
    "ecr-public": ecr_public.ECR_PUBLIC,
    "acr": acr.BASIC_AUTH,
    "acr-frail": acr.FRAIL,
    "acr-frail-in-the-middle": acr.FRAIL_IN_THE_MIDDLE,
    "mcr": mcr.MCR,
    "quay": quay.QUAY,
    "quay-asked-for-1000-and-clamps": quay.ASKED_FOR_1000_AND_CLAMPS,
    "quay-asked-for-1000-and-refuses": quay.ASKED_FOR_1000_AND_REFUSES,
    "quay-anonymous": quay.ANONYMOUS,
    "quay-anonymous-by-list": quay.ANONYMOUS_BY_LIST,
    "harbor": harbor.HARBOR,
    "harbor-unnamed": harbor.UNNAMED,
    "gitlab": gitlab.SELF_MANAGED,
    "artifactory": artifactory.ARTIFACTORY,
    "nexus": nexus.NEXUS,
    "zot": zot.ZOT,
    "gitea": gitea.GITEA,
    "gitea-as-forgejo": gitea.FORGEJO,
    "gitea-unnamed": gitea.UNNAMED,
    "openshift": openshift.OPENSHIFT,
}
"""All scripted crawls by name. A name begins with the kind in `crawler.profiles`."""

EMULATED: Mapping[str, str] = {
    "gcr": "emulator/test_emulator_gcr.py",
    "artifact-registry": "emulator/test_emulator_pkgdev.py",
}
"""Kinds that the emulator plays, and the file that tests them."""

__all__ = [
    "EMULATED",
    "SCRIPTED",
    "Scripted",
    "acr",
    "artifactory",
    "distribution",
    "docker_hub",
    "ecr",
    "ecr_public",
    "ghcr",
    "gitea",
    "gitlab",
    "harbor",
    "mcr",
    "nexus",
    "openshift",
    "quay",
    "zot",
]
