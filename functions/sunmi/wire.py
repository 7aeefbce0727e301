"""SUNMI's messages, and what its secret holds.

Source: "Notification Center", chapters 2.3 and 8.3.1, of the SUNMI store open platform.
"""

from typing import Any

from pydantic import Field

from gatehouse.accounts import Credentials, Key
from gatehouse.wire import Code, Message, Text


class Account(Credentials):
    """An app on SUNMI's platform, with each of its keys that are live."""

    app_id: str = Field(min_length=1)
    app_keys: tuple[Key, ...] = Field(min_length=1)


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"app_id": "…", "app_keys": ["…"]}]}`."""

    accounts: tuple[Account, ...] = ()


class Push(Message):
    """The form's fields, chapter 2.3 and 8.3.1; `payload` is JSON in a string on the wire."""

    event: Code = None
    shop_id: Text = None
    timestamp: Code = None
    payload: dict[str, Any]


class Motion(Message):
    """Payload of event 1010."""

    ipc_id: Text = None
    sn: Text = None
    motion_type: Code = None
    video_url: Text = None


class FaceAdded(Message):
    """Payload of event 1100."""

    code: Code = None
    msg: Text = None
    face_id: Text = None


class FaceRecognised(Message):
    """Payload of event 2001."""

    ipc_id: Text = None
    face_id: Text = None
    gender: Code = None
    age_range: Code = None
    group_id: Text = None
    group_name: Text = None
    group_type: Code = None
