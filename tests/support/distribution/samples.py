"""A registry's content in the proportions of a real one: single images, and indexes that BuildKit made."""

from typing import Any

from .content import DOCKER, OCI, Content, built, image, image_config

PLATFORMS = ("linux/amd64", "linux/arm64/v8")
_USERS = (None, "", "0", "root", "1000:1000", "nonroot")
_FORMATS = (DOCKER, OCI)


def sample(number: int) -> Content:
    """The image of a number: of ten numbers, three have an index of two platforms with an attestation each."""
    if number % 10 in {2, 5, 8}:
        return built(*(image(_config(number, platform)) for platform in PLATFORMS))
    return image(_config(number, PLATFORMS[0]), _FORMATS[number % 2])


def sample_repositories(repositories: int, tags: int) -> dict[str, dict[str, Content]]:
    """So many repositories with so many tags each. Each tag has an image of its own."""
    return {
        f"team-{number % 7}/app-{number}": {f"1.{tag}": sample(number * tags + tag) for tag in range(tags)}
        for number in range(repositories)
    }


def _config(number: int, platform: str) -> dict[str, Any]:
    """A config with what an auditor asks for. Many keys are left out now and then, as builders do."""
    user = _USERS[number % len(_USERS)]
    runtime: dict[str, Any] = {
        "Env": ["PATH=/usr/local/bin:/usr/bin", f"BUILD={number}", "EMPTY=", "EQUATION=a=b"][: 1 + number % 4],
        "Entrypoint": ["/bin/app", "--serve"] if number % 3 else None,
        "Cmd": [f"--number={number}"],
        "Labels": {"team": f"team-{number % 7}", "org.opencontainers.image.version": f"1.{number}"},
        "WorkingDir": "/srv",
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}} if number % 4 == 0 else None,
        "User": user,
    }
    return image_config(
        platform=platform,
        created=f"202{number % 6}-01-02T03:04:05.{number:06d}789Z",
        history=[f"RUN build --number {number}"],
        **{key: value for key, value in runtime.items() if value is not None},
    )
