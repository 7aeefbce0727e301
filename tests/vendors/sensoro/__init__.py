"""SENSORO in the tests: its function on fakes, and pushes of two apps that it knows, one of them in safe mode."""

import base64
from collections.abc import Mapping
from typing import Any

from Crypto.Cipher import AES

from functions.sensoro import alarms, handler, wire
from gatehouse.settings import Announce
from ops.simulators import Request, sensoro
from tests.builders import AT, ENVIRONMENT, URL
from tests.fakes import FakeRows
from tests.rig import Rig, rig_of

SENSORO_ENVIRONMENT = {**ENVIRONMENT, "ALARMS_TABLE": "alarms"}

SENSORO = {
    "app_id": "123456",
    "app_secret": "YOURAPPSECRET",
    "app_key": "bAZC8S8nz5fcQ0Ui2HxQVGbC6FzyrzWKSuDbmzpBo3G",
}
SENSORO_SAFE = {
    "app_id": "654321",
    "app_secret": "ANOTHERAPPSECRET",
    "app_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
}


def sensoro_rig(
    secret: Mapping[str, Any] | None = None,
    *,
    rows: FakeRows[alarms.Row] | None = None,
    settings: Mapping[str, str] | None = None,
    announce: Announce = Announce.INLINE,
) -> Rig[Any]:
    """SENSORO's handler, by default with one app in plain and one in safe mode; `settings` by their variable."""
    read = handler.SensoroSettings.read({**SENSORO_ENVIRONMENT, **(settings or {})})
    apps = [account(SENSORO, "plain"), account(SENSORO_SAFE, "safe")]
    return rig_of(
        handler.vendor(read, alarms.Alarms(FakeRows() if rows is None else rows)),
        wire.Accounts.model_validate(secret or {"accounts": apps}),
        announce,
    )


def account(app: Mapping[str, str], mode: str) -> dict[str, Any]:
    """The app in the document of the secret."""
    return {"app_id": app["app_id"], "app_secrets": [app["app_secret"]], "app_keys": [app["app_key"]], "mode": mode}


def sensor_body(data: Mapping[str, Any], *, safe: bool = False, **more: Any) -> dict[str, Any]:
    """The body of a `text` push that is the same each time, but for the random bytes of safe mode."""
    app = SENSORO_SAFE if safe else SENSORO
    return sensoro.sensor_data(app, data, safe=safe, **{"createdTime": int(AT * 1000), "msgId": 7, **more})


def task_body(*, safe: bool = False, **more: Any) -> dict[str, Any]:
    """The body of an `event` push that is the same each time, but for the random bytes of safe mode."""
    app = SENSORO_SAFE if safe else SENSORO
    return sensoro.task_result(app, safe=safe, **{"createdTime": int(AT * 1000), "msgId": 8, "taskId": 42, **more})


def sensor_push(body: Mapping[str, Any] | bytes, *, safe: bool = False, at: float = AT) -> Request:
    """A signed push of SENSORO's."""
    return sensoro.request(SENSORO_SAFE if safe else SENSORO, URL, body, at=at)


def sealed_text(text: bytes, app_key: str = SENSORO_SAFE["app_key"]) -> str:
    """`encryptData` that decrypts to exactly this text, padding and all."""
    key = base64.b64decode(app_key + "=")
    return base64.b64encode(AES.new(key, AES.MODE_CBC, key[:16]).encrypt(text)).decode()


def safe_text(
    message: bytes, *, app_id: str = SENSORO_SAFE["app_id"], length: int | None = None, padding: bytes | None = None
) -> bytes:
    """Clear text of safe mode, with 16 zeros for the random bytes; each part can be made wrong."""
    text = bytes(16) + (len(message) if length is None else length).to_bytes(4, "big") + message + app_id.encode()
    missing = 32 - len(text) % 32
    return text + (bytes([missing]) * missing if padding is None else padding)
