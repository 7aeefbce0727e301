"""Models of SENSORO's messages and of its secret.

Source: "Webhook", chapters 2, 3 and 6, of SENSORO's developer documentation.
"""

import base64
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from gatehouse.accounts import Credentials, Key
from gatehouse.reading import number
from gatehouse.wire import Code, Mapping, Message, Text, truth

_LETTERS: Final = {"t": True, "y": True, "f": False, "n": False}
"""Single letters that some firmware sends for a truth value."""


def _is_app_key(text: str) -> bool:
    try:
        return len(text) == 43 and len(base64.b64decode(text + "=", validate=True)) == 32
    except ValueError:
        return False


class Account(Credentials):
    """An app on SENSORO's platform, with its live secrets and keys."""

    app_id: str = Field(min_length=1)
    app_secrets: tuple[Key, ...] = Field(min_length=1)
    app_keys: tuple[Key, ...] = ()
    mode: Literal["plain", "safe"] = "plain"
    """With `safe`, a push that is not encrypted is refused."""

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if not all(_is_app_key(key.get_secret_value()) for key in self.app_keys):
            raise ValueError("each of app_keys has 43 characters of base64")
        if self.mode == "safe" and not self.app_keys:
            raise ValueError("mode safe needs app_keys")
        return self


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"app_id": "…", "app_secrets": ["…"], "app_keys": ["…"]}]}`."""

    accounts: tuple[Account, ...] = ()


class Body(Message):
    """The body, chapters 2 and 3, with decrypted content in its place."""

    type: Text = None
    sn: Text = None
    device_type: Text = Field(default=None, alias="deviceType")
    created_time: Any = Field(default=None, alias="createdTime")
    """A "Timestamp" by the vendor's page: in milliseconds like the nonce, or in another form that `read_time` reads."""
    data: Mapping = None
    task_id: Text = Field(default=None, alias="taskId")
    result_code: Code = Field(default=None, alias="resultCode")


def leak(value: object) -> bool | None:
    """Reads whether there is a leak, from a truth value in any spelling or a number; None for a negative number."""
    level = number(value)
    if level is not None:
        return None if level < 0 else level > 0
    return truth_value(value)


def truth_value(value: object) -> bool | None:
    """Reads a truth value in any spelling, that of one letter included; None for anything else."""
    letter = _LETTERS.get(value.strip().lower()) if isinstance(value, str) else None
    return truth(value) if letter is None else letter
