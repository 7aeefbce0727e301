"""SenseLink in the tests: its function on fakes, and records and alarms of a server that it knows."""

import json
from collections.abc import Mapping
from typing import Any

from functions.senselink import handler, wire
from gatehouse.settings import Announce
from ops.simulators import Request
from tests.builders import AT, ENVIRONMENT, NOW, TOKENS, URL, seconds
from tests.rig import Rig, rig_of

SENSELINK: dict[str, Any] = {
    "server": "north",
    "tokens": list(TOKENS),
    "url": "wss://192.0.2.20:9000",
    "app_key": "0f3a9c71",
    "app_secret": "the-secret-of-0f3a9c71",
    "time_zone": "+09:00",
}


def senselink_rig(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> Rig[Any]:
    """SenseLink's handler, by default with one server."""
    vendor = handler.vendor(
        handler.SenselinkSettings.read(ENVIRONMENT), now=lambda: NOW + seconds(0.02), monotonic=lambda: 0.0
    )
    accounts = wire.Accounts.model_validate(secret or {"accounts": [SENSELINK]})
    return rig_of(vendor, accounts, announce)


def access_record(**more: Any) -> dict[str, Any]:
    """A record of somebody at a door, as the sample of chapter 3.1.1 has it."""
    return {
        "id": 1364591,
        "userId": 4021,
        "name": "Mira Holt",
        "type": 1,
        "avatar": "",
        "direction": 0,
        "verifyScore": 0.9375,
        "receptionUserId": 0,
        "receptionUserName": "",
        "groups": [{"id": 1, "name": "Default group", "type": 1}],
        "deviceName": "bella pro",
        "sn": "SPSP-f26131cf5301be29b3a6f7be150ed330",
        "signDate": "2026-07-01",
        "signTime": int(AT) - 2,
        "signAvatar": "5d901af663cdaf0001252bb9",
        "signBgAvatar": "5d901af663cdaf0001252bba",
        "entryMode": 1,
        "signTimeZone": "+09:00",
        "location": "306",
        "abnormalType": 0,
        **more,
    }


def alarm_record(**more: Any) -> dict[str, Any]:
    """An alarm, in the fields of chapter 3.1.2."""
    return {
        "id": 7001,
        "level": 1,
        "code": 10003,
        "description": "",
        "status": 1,
        "traceId": "T1",
        "deviceId": 31,
        "deviceName": "bella pro",
        "deviceSn": "SPSP-f26131cf5301be29b3a6f7be150ed330",
        "deviceLocation": "306",
        "alarmTime": "2026-07-01 20:59:58",
        "releaseTime": "",
        "alarmPhoto": "",
        "resloveOption": 1,
        **more,
    }


def told(data: Any, kind: int = 30000, token: str = TOKENS[0], **more: Any) -> Request:
    """A push of SenseLink's event subscription; bytes as they are."""
    message = {"messageId": "M1", "eventType": kind, "sendTime": int(AT * 1000), "data": data, **more}
    body = data if isinstance(data, bytes) else json.dumps(message).encode()
    return Request(f"{URL}/v1/senselink/{token}", body, {"content-type": "application/json"})
