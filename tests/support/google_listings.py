"""Google listings for property tests: `tags/list` as gcr.io and Artifact Registry write it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from .json_values import text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
YEAR_2013 = (datetime(2013, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND
END_OF_TIME = (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) - EPOCH) // MILLISECOND

names = st.lists(text, max_size=5, unique=True)
digests = st.integers(0, 2**256 - 1).map("sha256:{:064x}".format)
manifests = st.fixed_dictionaries(
    {
        "imageSizeBytes": st.integers(0, 10**18 - 1),
        "layerId": st.just(""),
        "mediaType": text,
        "tag": names,
        "timeCreatedMs": st.just(0) | st.integers(YEAR_2013, END_OF_TIME),
        "timeUploadedMs": st.just(0) | st.integers(YEAR_2013, END_OF_TIME),
    }
)
listings = st.fixed_dictionaries(
    {"child": names, "manifest": st.dictionaries(digests, manifests, max_size=4), "name": st.just("a"), "tags": names}
)
"""A listing whose numbers are numbers. `as_google_writes` makes them strings."""


def as_google_writes(listing: dict[str, Any]) -> dict[str, Any]:
    """The listing with its numbers as strings."""
    manifest = {
        digest: {field: str(value) if isinstance(value, int) else value for field, value in image.items()}
        for digest, image in listing["manifest"].items()
    }
    return {**listing, "manifest": manifest}


def milliseconds(time: str | None) -> int:
    """Milliseconds since 1970 of a time in a record; 0 for None."""
    if time is None:
        return 0
    assert time.endswith("Z")
    assert len(time) == len("2020-01-17T19:00:00.000Z")
    return (datetime.fromisoformat(time) - EPOCH) // MILLISECOND
