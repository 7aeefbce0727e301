"""SUNMI in the tests: its function on fakes, and pushes of an app that it knows."""

from collections.abc import Mapping, Sequence
from typing import Any

from functions.sunmi import handler, wire
from gatehouse.settings import Announce
from ops.simulators import Request, sunmi
from tests.builders import AT, ENVIRONMENT, URL
from tests.rig import Rig, rig_of

SUNMI = {"app_id": "2039dds", "app_key": "kdsofkdsnflke9382938k"}
FACE = {
    "ipc_id": "928",
    "face_id": "29195",
    "gender": 1,
    "age_range": 4,
    "group_id": "8927",
    "group_name": "熟客",
    "group_type": 2,
}


def sunmi_rig(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> Rig[Any]:
    """SUNMI's handler; `secret` is the document of its secret."""
    settings = handler.SunmiSettings.read(ENVIRONMENT)
    return rig_of(
        handler.vendor(settings),
        wire.Accounts.model_validate(
            secret or {"accounts": [{"app_id": SUNMI["app_id"], "app_keys": [SUNMI["app_key"]]}]}
        ),
        announce,
    )


def face_push(payload: Any = None, event: int = 2001, **more: Any) -> Request:
    """A push of SUNMI's, signed now, that is the same each time."""
    return sunmi.request(SUNMI, URL, event, FACE if payload is None else payload, **{"at": AT, "nonce": "N1", **more})


def sunmi_form(fields: Mapping[str, str] | Sequence[tuple[str, str]], sign: str | None = None) -> Request:
    """A form as it is, signed by nobody unless a signature is given."""
    pairs = [*(fields.items() if isinstance(fields, Mapping) else fields), *([("sign", sign)] if sign else [])]
    return Request(
        url=URL + sunmi.PATH,
        body=sunmi.form(pairs),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
