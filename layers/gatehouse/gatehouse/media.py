"""Pictures by claim check: taken out of the event, and stored in the media bucket under a key with the event's id."""

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

# First bytes of a file (https://en.wikipedia.org/wiki/List_of_file_signatures). The type that the device states is not
# used.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"GIF8", "image/gif", "gif"),
    (b"BM", "image/bmp", "bmp"),
)
_UNKNOWN = ("application/octet-stream", "bin")
CONTENT_TYPES = frozenset({_UNKNOWN[0], "image/webp", *(content_type for _, content_type, _ in _MAGIC)})
"""Content types that a picture can get: none that a browser executes."""


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded picture."""

    data: bytes
    digest: bytes
    """SHA-256."""
    content_type: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture, or another file, on its way to the media bucket."""

    key: str
    data: bytes
    digest: bytes
    """SHA-256."""
    content_type: str
    may_spill: bool = True
    """True if it may wait in the spill queue. A body that could not be read may hold secrets, and may not."""


def decode(text: str) -> Image | None:
    """Decodes a picture from base64 of any kind, with or without the head of a data URL.

    Returns:
        the picture; None if the text is empty or not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    data = read_base64(text)
    return image(data) if data else None


def image(data: bytes) -> Image:
    """Makes a picture of its bytes, with digest and content type."""
    return Image(data, hashlib.sha256(data).digest(), *_kind(data))


def _kind(data: bytes) -> tuple[str, str]:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", "webp"
    return next(((name, suffix) for magic, name, suffix in _MAGIC if data.startswith(magic)), _UNKNOWN)


class MediaBucket:
    """The `MediaStore` port on S3."""

    def __init__(self, client: Callable[[], S3Client], bucket: str) -> None:
        # A factory, since most pushes have no picture and need no client.
        self._client = client
        self.bucket = bucket

    def put(self, upload: Upload) -> None:
        """Stores a picture. Storing it again changes nothing.

        Raises:
            Unavailable: S3 did not take it.
        """
        with aws.calling("PutObject"):
            self._client().put_object(
                Bucket=self.bucket,
                Key=upload.key,
                Body=upload.data,
                ContentType=upload.content_type,
                # Saves botocore another checksum; S3 refuses a body that was damaged on its way.
                ChecksumSHA256=base64.b64encode(upload.digest).decode(),
            )
