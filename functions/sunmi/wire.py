"""Models of SUNMI's messages and of its secret.

Sources: "Notification Center", chapters 2.3 and 8.3.1, of the SUNMI store open platform; for a printer's receipts
docs.sunmi.com/store/hook/cp-api and chapters 4.3 and 4.4 of docs.sunmi.com/zh-CN/cdixeghjk491/xfxieghjk579.
"""

from typing import Final

from pydantic import Field, JsonValue, SkipValidation

from gatehouse.accounts import Credentials, Key
from gatehouse.wire import Code, Message, Text

PRICE_CHANGED: Final = 4100


class Account(Credentials):
    """An app on SUNMI's platform, with its live keys."""

    app_id: str = Field(min_length=1)
    app_keys: tuple[Key, ...] = Field(min_length=1)


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"app_id": "…", "app_keys": ["…"]}]}`."""

    accounts: tuple[Account, ...] = ()


class Fields(Message):
    """The form's fields without `payload`, chapters 2.3 and 8.3.1."""

    event: Code = None
    shop_id: Text = None
    sunmi_shop_no: Text = None
    timestamp: Text = None

    @property
    def site(self) -> str | None:
        """The shop: the id in the operator's own software, else SUNMI's number.

        Either may be empty. From version 2.0 on SUNMI prefers the number.
        """
        return self.shop_id or self.sunmi_shop_no


class Form(Fields):
    """The whole form. On the wire `payload` is JSON in a string."""

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
    """Payload of events 6001 to 6004: the ids of the receipt. Its words and figures stay in the payload."""

    id: Text = None
    """SUNMI's id of the receipt."""
    sn: Text = None
    """The printer's serial number."""
    seq: Text = None
    """The printer's number of the upload; older platforms have none."""
