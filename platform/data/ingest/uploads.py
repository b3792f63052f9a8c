"""Uploads to an S3 bucket that never became an object: the store keeps their parts, and bills them.

Arrow sends an object in parts. A process that is killed meanwhile leaves those it had sent, which
no listing of objects shows. Arrow has no call that lists or aborts them; boto3
(``striate[stores]``) has.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from striate.core.errors import PlatformError
from striate.data.storage import Source

_RIGHTS = "s3:ListBucketMultipartUploads, s3:ListMultipartUploadParts and s3:AbortMultipartUpload"
_REMEDY = f"Check the address and the keys, which need the rights {_RIGHTS}."
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CONNECT_S, _ANSWER_S, _TRIES = 10, 30, 3
_GONE = {"NoSuchUpload", "NoSuchKey"}


@dataclass(frozen=True)
class Upload:
    """An upload that is not completed.

    Attributes:
        file: what it would become, relative to the place that was asked.
        key: the same, relative to the bucket.
        upload_id: the store's name for it.
        began_s: when it began, in seconds since 1970 by the store's clock.
    """

    file: str
    key: str
    upload_id: str
    began_s: float


def is_s3(place: Source) -> bool:
    """Whether a place is in a bucket whose uploads can be left unfinished."""
    return place.uri.startswith("s3://")


def find_uploads(place: Source) -> list[Upload]:
    """The uploads below a place that are not completed, whoever began them.

    MinIO tells only those of a key that is named in full; it ends old ones by itself.

    Raises:
        PlatformError: boto3 is not installed, or the store does not answer or refuses.
    """
    bucket, prefix = _bucket(place)
    found = []
    with _explain(place):
        pages = _client(place).get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Uploads", ()):
                key, began_s = entry["Key"], entry["Initiated"].timestamp()
                found.append(Upload(key[len(prefix) :], key, entry["UploadId"], began_s))
    return found


def abort_uploads(place: Source, uploads: Iterable[Upload]) -> tuple[int, int]:
    """Abort uploads; one that has been completed or aborted meanwhile is none.

    Args:
        place: where they were found.
        uploads: what `find_uploads` found there.

    Returns:
        How many were aborted, and the bytes that they held.

    Raises:
        PlatformError: boto3 is not installed, or the store does not answer or refuses.
    """
    bucket, _ = _bucket(place)
    sizes = []
    with _explain(place):
        client = _client(place)
        for upload in uploads:
            named = {"Bucket": bucket, "Key": upload.key, "UploadId": upload.upload_id}
            size = _abort(client, named)
            sizes += [] if size is None else [size]
    return len(sizes), sum(sizes)


def _abort(client: Any, named: dict[str, str]) -> int | None:
    """Bytes of the upload that was aborted; None where there is none any more."""
    from botocore.exceptions import ClientError

    try:
        pages = client.get_paginator("list_parts").paginate(**named)
        size = sum(part["Size"] for page in pages for part in page.get("Parts", ()))
        client.abort_multipart_upload(**named)
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise
    return int(size)


def _bucket(place: Source) -> tuple[str, str]:
    """The bucket, and what the keys of all that lies in the place begin with."""
    bucket, _, prefix = place.name.removeprefix("s3://").strip("/").partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def _client(place: Source) -> Any:
    """boto3's client with the endpoint and the keys that Arrow takes out of the same address."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise PlatformError(
            f"Unfinished uploads to {place} are found with boto3, which is not installed.",
            "Install striate[stores].",
        ) from None
    address = urlsplit(place.uri)
    options = dict(parse_qsl(address.query))
    endpoint = options.get("endpoint_override")
    if endpoint and "://" not in endpoint:
        endpoint = f"{options.get('scheme', 'https')}://{endpoint}"
    own = endpoint or any(os.environ.get(name) for name in _ENDPOINTS)
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=options.get("region"),
        aws_access_key_id=options.get("access_key") or _unquoted(address.username),
        aws_secret_access_key=options.get("secret_key") or _unquoted(address.password),
        aws_session_token=options.get("session_token"),
        verify=options.get("tls_ca_file_path"),
        config=Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_ANSWER_S,
            retries={"total_max_attempts": _TRIES, "mode": "standard"},
            s3={"addressing_style": "path" if own else "auto"},
        ),
    )


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None


@contextmanager
def _explain(place: Source) -> Iterator[None]:
    """Turn what boto3 says into one sentence that names the place."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        yield  # which says it
        return
    try:
        yield
    except (BotoCoreError, ClientError, ValueError) as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        reason = code or (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise PlatformError(
            f"Unfinished uploads to {place} can be neither listed nor aborted: {reason}.", _REMEDY
        ) from None
