"""Can a snapshot be published to the lake? An object is created there, once and not twice, as publishing does.

Publishing never removes an object, and neither does this step: it leaves one small object a day in `_doctor/`, where no
engine looks.
"""

import os
import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from crawler.config import Config
from crawler.doctor.step import Finding, failure, ok, skipped, warning
from crawler.errors import LakeError
from crawler.untrusted_text import printable

_CONTENT: Final = b"registry-crawler doctor\n"

_RIGHTS: Final = {
    "s3": "allow s3:PutObject and s3:GetObject below the URL; AWS_PROFILE, AWS_ACCESS_KEY_ID, … name the credentials",
    "gs": "`gcloud storage buckets add-iam-policy-binding gs://{bucket} --member=serviceAccount:ACCOUNT "
    "--role=roles/storage.objectUser`; GOOGLE_APPLICATION_CREDENTIALS names the credentials",
    "az": "`az role assignment create --role 'Storage Blob Data Contributor' --assignee ACCOUNT --scope CONTAINER`; "
    "AZURE_STORAGE_ACCOUNT_NAME, … name the credentials",
    "file": "name a folder that this user may write with --lake (lake.url)",
}

_CREATION: Final = {
    "s3": "`aws s3 mb s3://{bucket}`",
    "gs": "`gcloud storage buckets create gs://{bucket}`",
    "az": "`az storage container create --name {bucket}`",
}
_NO_BUCKET: Final = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)


def lake(config: Config) -> Finding:
    """Blocks on the lake. Raises ConfigError for a lake that cannot be opened."""
    url = config.lake.url
    if url is None:
        return skipped("no lake is configured")
    # these import the libraries of the lake, which take long
    from crawler.lake.layout import LakeFormat
    from crawler.lake.publish import open_lake

    store = open_lake(url, LakeFormat(config.lake.format), os.environ).store
    name = f"_doctor/{datetime.now(UTC):%Y-%m-%d}"
    try:
        is_new = store.create(name, _CONTENT)
        is_replaced = store.create(name, _CONTENT)
    except LakeError as exc:
        return failure(str(exc), _advice(url, exc))
    if is_replaced:
        return warning(
            f"{printable(url)} replaces an object that should only be created: two publishers at once may mix a run",
            "use a storage that refuses If-None-Match: * with 412, or let one publisher at a time write there",
        )
    created = f"{name} was created, once" if is_new else f"{name} was created earlier today, and not again"
    return ok(f"{printable(url)}: {created}")


def _advice(url: str, error: LakeError) -> str:
    address = urlsplit(url)
    has_no_bucket = address.scheme in _CREATION and _NO_BUCKET.search(str(error)) is not None
    advised = _CREATION if has_no_bucket else _RIGHTS
    return advised[address.scheme].format(bucket=address.netloc)
