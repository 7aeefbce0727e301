"""Pictures: decoded from base64, recognised by their first bytes, and put into the bucket."""

import base64
import hashlib

import pytest
from botocore.stub import Stubber

from gatehouse.errors import Unavailable
from gatehouse.media import Image, MediaBucket, Upload, decode, image
from tests.aws import Aws, calls

KINDS = {
    "image/jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "jpg"),
    "image/png": (b"\x89PNG\r\n\x1a\n\x00", "png"),
    "image/gif": (b"GIF89a", "gif"),
    "image/bmp": (b"BM\x00\x00", "bmp"),
    "image/webp": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
    "application/octet-stream": (b"RIFF\x00\x00\x00\x00WAVE", "bin"),
}
DATA = b"\xff\xd8\xff" + bytes(range(256))
TEXT = base64.b64encode(DATA).decode()
UPLOAD = Upload("acme/1/face.jpg", DATA, hashlib.sha256(DATA).digest(), "image/jpeg")


@pytest.mark.parametrize(("kind", "data", "suffix"), [(kind, *known) for kind, known in KINDS.items()], ids=KINDS)
def test_a_picture_is_known_by_its_first_bytes(kind: str, data: bytes, suffix: str) -> None:
    assert decode(base64.b64encode(data).decode()) == Image(data, hashlib.sha256(data).digest(), kind, suffix)


@pytest.mark.parametrize(("kind", "data", "suffix"), [(kind, *known) for kind, known in KINDS.items()], ids=KINDS)
def test_a_picture_from_its_bytes_is_the_same_as_from_base64(kind: str, data: bytes, suffix: str) -> None:
    made = image(data)

    assert made == decode(base64.b64encode(data).decode())
    assert (made.content_type, made.suffix, made.digest) == (kind, suffix, hashlib.sha256(data).digest())


@pytest.mark.parametrize("data", [b"\x00", b"\xff", b"B", b"\xff\xd8"])
def test_a_picture_of_hardly_any_bytes_is_of_no_kind(data: bytes) -> None:
    found = decode(base64.b64encode(data).decode())

    assert found is not None
    assert (found.data, found.content_type) == (data, "application/octet-stream")


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"data:image/png;base64,{TEXT}",
        base64.encodebytes(DATA).decode(),
        "\r\n".join(TEXT[at : at + 76] for at in range(0, len(TEXT), 76)) + "\r\n",
    ],
    ids=["plain", "a data URL", "lines", "lines as Android breaks them"],
)
def test_a_picture_is_decoded_however_its_base64_is_written(text: str) -> None:
    found = decode(text)

    assert found is not None
    assert (found.data, found.content_type) == (DATA, "image/jpeg")


@pytest.mark.parametrize("text", ["", " ", "=", "A", "/9j/4", "no picture", "图片", "\ud800", "data:", "data:,"])
def test_what_is_not_base64_is_no_picture(text: str) -> None:
    assert decode(text) is None


def test_a_picture_is_stored_with_its_type_and_its_hash(account: Aws) -> None:
    client = account.client("s3")
    client.create_bucket(Bucket="media", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    seen = calls(client, "s3.PutObject")

    MediaBucket(lambda: client, "media").put(UPLOAD)
    MediaBucket(lambda: client, "media").put(UPLOAD)

    stored = client.get_object(Bucket="media", Key=UPLOAD.key)
    assert (stored["Body"].read(), stored["ContentType"]) == (DATA, "image/jpeg")
    assert seen[0]["ChecksumSHA256"] == base64.b64encode(UPLOAD.digest).decode()


def test_the_client_is_made_when_it_is_needed(account: Aws) -> None:
    made: list[str] = []

    def client() -> object:
        made.append("s3")
        return account.client("s3")

    bucket = MediaBucket(client, "media")  # type: ignore[arg-type]
    assert (bucket.bucket, made) == ("media", [])


@pytest.mark.parametrize("code", ["SlowDown", "AccessDenied", "InternalError", "BadDigest"])
def test_what_s3_refuses_is_unavailable(account: Aws, code: str) -> None:
    client = account.client("s3")
    with Stubber(client) as stub:
        stub.add_client_error("put_object", service_error_code=code, service_message="MARKER")
        with pytest.raises(Unavailable) as caught:
            MediaBucket(lambda: client, "media").put(UPLOAD)
    assert str(caught.value) == f"PutObject: {code}"


def test_a_bucket_that_cannot_be_reached_is_unavailable(account: Aws) -> None:
    client = account.client("s3", "http://127.0.0.1:1")

    with pytest.raises(Unavailable, match="EndpointConnectionError"):
        MediaBucket(lambda: client, "media").put(UPLOAD)
