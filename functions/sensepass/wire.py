"""SensePass's messages of all firmware generations, and what its secret holds.

Source: "Event Push Protocol" of the terminal's documentation (V1.0), and the pages of V1.1 to V1.3 for what came later.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr

from gatehouse.accounts import Credentials
from gatehouse.wire import Code, Message, Number, Text


class Account(Credentials):
    """A site or a terminal, with each of its tokens that are live."""

    site: str = Field(min_length=1)
    tokens: tuple[SecretStr, ...] = Field(min_length=1)
    serials: tuple[str, ...] = ()
    """The serial numbers that it may speak for; none named, it may speak for any."""


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"site": "…", "tokens": ["…"], "serials": ["…"]}]}`."""

    accounts: tuple[Account, ...] = ()


class Generation(StrEnum):
    """How a record is to be read; the same field may mean different things."""

    V1_0 = "1.0"
    LATER = "1.1 and later"


class User(Message):
    """Who the terminal took somebody for. `pin` is a secret and never gets this far."""

    name: Text = None
    user_id: Text = None
    type: Code = None
    ic_number: Text = None
    group_id: Text = None
    group_name: Text = None
    group_ids: tuple[str, ...] = ()
    """All of them; the two before are the first."""


def _user(value: object) -> object:
    """A stranger may have no user at all; from V1.2.1 on the group is the first of a list."""
    if not isinstance(value, dict):
        return {}
    listed = value.get("groups")
    groups = [group for group in listed if isinstance(group, dict)] if isinstance(listed, list) else []
    ids = tuple(str(group["id"]) for group in groups if group.get("id"))
    if not groups:
        return {**value, "group_ids": ids}
    return {"group_id": groups[0].get("id"), "group_name": groups[0].get("name"), **value, "group_ids": ids}


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


class AccessRecord(Message):
    """A recognition: `data` of an envelope of type 0, or the whole body of a remote authentication."""

    device_sn: Text = Field(default=None, alias="deviceSN")
    uuid: Text = None
    timestamp: Code = None
    recognize_status: Code = Field(default=None, alias="recognizeStatus")
    recognition_type: Code = Field(default=None, alias="recognitionType")
    recognize_score: Number = Field(default=None, alias="recognizeScore")
    liveness_score: Number = Field(default=None, alias="livenessScore")
    mask: Code = None
    mode: Code = None
    entry_mode: Code = None
    abnormal_type: Code = None
    body_temperature: Number = Field(default=None, alias="bodyTemperature")
    passed: Annotated[bool | None, BeforeValidator(_truth)] = Field(default=None, alias="pass")
    user: Annotated[User, BeforeValidator(_user)] = User()

    @property
    def generation(self) -> Generation:
        """By its fields: V1.1 put `recognitionType` in the place of `recognizeStatus`."""
        return Generation.V1_0 if self.recognition_type is None else Generation.LATER


class DeviceAlarm(Message):
    """An alarm of the terminal: `data` of an envelope of type 1, from V1.3 on."""

    device_sn: Text = Field(default=None, alias="deviceSN")
    trace_id: Text = None
    code: Code = None
    status: Code = None
    event_time: Code = None


def record(payload: Any) -> dict[str, Any] | None:
    """The record in a body: in its envelope, or bare; None if there is none."""
    if not isinstance(payload, dict):
        return None
    inner = payload.get("data")
    return inner if isinstance(inner, dict) else payload
