"""Pictures by claim check: out of the event and into the media bucket, under a key that leads back to the event."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatehouse import aws
from gatehouse.reading import read_base64

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The first bytes of a file, https://en.wikipedia.org/wiki/List_of_file_signatures. The device's word is not asked.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"GIF8", "image/gif", "gif"),
    (b"BM", "image/bmp", "bmp"),
)
_UNKNOWN = ("application/octet-stream", "bin")
CONTENT_TYPES = frozenset({_UNKNOWN[0], "image/webp", *(content_type for _, content_type, _ in _MAGIC)})
"""The types that a picture can have here: none that a browser runs."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as it was decoded, once."""

    data: bytes
    digest: bytes
    """SHA-256."""
    content_type: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture on its way to the media bucket."""

    key: str
    data: bytes
    digest: bytes
    """SHA-256."""
    content_type: str
    may_spill: bool = True
    """True if it may wait in the spill queue. A body that could not be read may hold anything, and may not."""


def decode(text: str) -> Image | None:
    """A picture from base64 of any kind, with or without a data URL's head; None if it is not base64 or nothing."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    data = read_base64(text)
    return image(data) if data else None


def image(data: bytes) -> Image:
    """A picture from its bytes."""
    return Image(data, hashlib.sha256(data).digest(), *_kind(data))


def _kind(data: bytes) -> tuple[str, str]:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", "webp"
    return next(((name, suffix) for magic, name, suffix in _MAGIC if data.startswith(magic)), _UNKNOWN)


class MediaBucket:
    """The `MediaStore` port on S3."""

    def __init__(self, client: Callable[[], S3Client], bucket: str) -> None:
        # A factory: most functions have no picture, and most pushes neither.
        self._client = client
        self.bucket = bucket

    def put(self, upload: Upload) -> None:
        """Stores a picture; storing it again changes nothing.

        Raises:
            Unavailable: S3 did not take it.
        """
        with aws.calling("PutObject"):
            self._client().put_object(
                Bucket=self.bucket,
                Key=upload.key,
                Body=upload.data,
                ContentType=upload.content_type,
                # Known already: botocore need not compute another checksum, and S3 refuses what was damaged.
                ChecksumSHA256=base64.b64encode(upload.digest).decode(),
            )
