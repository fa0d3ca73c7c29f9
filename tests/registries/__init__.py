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
    "distribution-2.8-page-size-too-large": distribution.V2_8_PAGE_SIZE_TOO_LARGE,
    "distribution-2.8-with-basic": distribution.V2_8_WITH_BASIC,
    "distribution-3.1": distribution.V3_1,
    "docker-hub": docker_hub.ANONYMOUS,
    "docker-hub-with-a-login": docker_hub.WITH_LOGIN,
    "docker-hub-with-a-login-for-the-registry-alone": docker_hub.WITH_LOGIN_FOR_THE_REGISTRY_ALONE,
    "ghcr": ghcr.GHCR,
    "ecr": ecr.ECR,
    "ecr-page-size-too-large": ecr.PAGE_SIZE_TOO_LARGE,
    "ecr-public": ecr_public.ECR_PUBLIC,
    "acr": acr.BASIC_AUTH,
    "acr-slow-catalog": acr.SLOW_CATALOG,
    "acr-slow-later-page": acr.SLOW_LATER_PAGE,
    "mcr": mcr.MCR,
    "quay": quay.QUAY,
    "quay-page-size-lowered": quay.PAGE_SIZE_LOWERED,
    "quay-page-size-refused": quay.PAGE_SIZE_REFUSED,
    "quay-anonymous": quay.ANONYMOUS,
    "quay-anonymous-by-list": quay.ANONYMOUS_BY_LIST,
    "harbor": harbor.HARBOR,
    "harbor-without-kind": harbor.WITHOUT_KIND,
    "gitlab": gitlab.SELF_MANAGED,
    "artifactory": artifactory.ARTIFACTORY,
    "nexus": nexus.NEXUS,
    "zot": zot.ZOT,
    "gitea": gitea.GITEA,
    "gitea-as-forgejo": gitea.FORGEJO,
    "gitea-without-kind": gitea.WITHOUT_KIND,
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
