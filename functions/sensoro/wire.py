"""SENSORO's messages, and what its secret holds.

Source: "Webhook", chapters 2, 3 and 6, of SENSORO's developer documentation.
"""

from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from gatehouse.accounts import Credentials
from gatehouse.wire import Code, Mapping, Message, Text


class Account(Credentials):
    """An app on SENSORO's platform, with each of its secrets and keys that are live."""

    app_id: str = Field(min_length=1)
    app_secrets: tuple[SecretStr, ...] = Field(min_length=1)
    app_keys: tuple[SecretStr, ...] = ()
    mode: Literal["plain", "safe"] = "plain"
    """`safe`: a push that is not encrypted is refused."""

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if any(len(key.get_secret_value()) != 43 for key in self.app_keys):
            raise ValueError("each of app_keys has 43 characters")
        if self.mode == "safe" and not self.app_keys:
            raise ValueError("mode safe needs app_keys")
        return self


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"app_id": "…", "app_secrets": ["…"], "app_keys": ["…"]}]}`."""

    accounts: tuple[Account, ...] = ()


class Push(Message):
    """The body, chapters 2 and 3, with what was encrypted in its place."""

    type: Text = None
    sn: Text = None
    device_type: Text = Field(default=None, alias="deviceType")
    created_time: Any = Field(default=None, alias="createdTime")
    data: Mapping = None
    task_id: Text = Field(default=None, alias="taskId")
    result_code: Code = Field(default=None, alias="resultCode")
