"""What an emulated registry is asked to be."""

from dataclasses import dataclass

from crawler.emulator.names import is_name

_LONGEST_PROJECT = 100  # leaves room for the folders below it in a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The same settings always make the same registry. Raises ValueError for settings that make none.

    `empty`, `vanished` and `denied` are shares of `repositories`; `unavailable`, `resets` and `truncated`
    are shares of the exchanges under /v2/. A share lies between 0 and 1.

    repositories: how many names the catalog holds.
    seed: the number from which inventory and weather are made.
    project: the first part of every repository's name.
    empty: repositories whose listing holds neither image nor tag.
    vanished: repositories whose listing answers 404.
    denied: repositories whose listing answers 403, although a token for them is granted.
    latency_s: seconds before any answer, to which up to `latency_jitter_s` seconds are added at random.
    unavailable: exchanges answered with 503.
    resets: exchanges whose connection is reset before an answer.
    truncated: exchanges whose answer breaks off in the middle of its body.
    quota_per_s: exchanges served in any one second; those above it are answered with 429.
    catalog_page: names in a catalog page, however many the client asks for.
    """

    repositories: int = 2000
    seed: int = 1
    project: str = "my-project"
    empty: float = 0.01
    vanished: float = 0.01
    denied: float = 0.0
    latency_s: float = 0.0
    latency_jitter_s: float = 0.0
    unavailable: float = 0.0
    resets: float = 0.0
    truncated: float = 0.0
    quota_per_s: int | None = None
    catalog_page: int = 1000
    access_token_lifetime_s: int = 3599
    registry_token_lifetime_s: int = 300

    def __post_init__(self) -> None:
        if len(self.project) > _LONGEST_PROJECT or not is_name(self.project):
            raise ValueError(f"not the beginning of a repository's name: {self.project!r}")
        _check_shares(empty=self.empty, vanished=self.vanished, denied=self.denied)
        _check_shares(unavailable=self.unavailable, resets=self.resets, truncated=self.truncated)
        _check_at_least(
            0,
            repositories=self.repositories,
            latency_s=self.latency_s,
            latency_jitter_s=self.latency_jitter_s,
        )
        _check_at_least(
            1,
            quota_per_s=1 if self.quota_per_s is None else self.quota_per_s,
            catalog_page=self.catalog_page,
            access_token_lifetime_s=self.access_token_lifetime_s,
            registry_token_lifetime_s=self.registry_token_lifetime_s,
        )


def _check_shares(**shares: float) -> None:
    if any(not 0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1:
        raise ValueError(f"shares must lie between 0 and 1 and add up to no more than 1: {shares}")


def _check_at_least(least: int, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, not {value}")
