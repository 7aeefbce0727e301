"""SUNMI's messages, and what its secret holds.

Sources: "Notification Center", chapters 2.3 and 8.3.1, of the SUNMI store open platform; for a printer's receipts
docs.sunmi.com/store/hook/cp-api and chapters 4.3 and 4.4 of docs.sunmi.com/zh-CN/cdixeghjk491/xfxieghjk579.
"""

from typing import Final

from pydantic import Field, JsonValue, SkipValidation

from gatehouse.accounts import Credentials, Key
from gatehouse.wire import Code, Message, Text

PRICE_CHANGED: Final = 4100


class Account(Credentials):
    """An app on SUNMI's platform, with each of its keys that are live."""

    app_id: str = Field(min_length=1)
    app_keys: tuple[Key, ...] = Field(min_length=1)


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"app_id": "…", "app_keys": ["…"]}]}`."""

    accounts: tuple[Account, ...] = ()


class Fields(Message):
    """The form's fields but `payload`, chapters 2.3 and 8.3.1."""

    event: Code = None
    shop_id: Text = None
    sunmi_shop_no: Text = None
    timestamp: Text = None

    @property
    def site(self) -> str | None:
        """The shop, by the id that the operator's software has for it, else by SUNMI's own number.

        Either may be empty; from version 2.0 on SUNMI prefers the number.
        """
        return self.shop_id or self.sunmi_shop_no


class Form(Fields):
    """The whole form; `payload` is JSON in a string on the wire."""

    payload: SkipValidation[JsonValue] = None


class Motion(Message):
    """Payload of event 1010."""

    ipc_id: Text = None
    sn: Text = None
    name: Text = None
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


class PrintedReceipt(Message):
    """Payload of events 6001 to 6004: what tells the receipt. Its words and figures stay in the payload."""

    id: Text = None
    """SUNMI's, of the receipt."""
    sn: Text = None
    """The printer's."""
    seq: Text = None
    """The printer's own, of the upload; older platforms have none."""
