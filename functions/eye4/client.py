"""The call we make to Eye4: the files of a recording, with their addresses.

Source: "Get the Resource Playback Address", chapter 4; for credentials in headers, the vendor's open platform.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import urllib3

from functions.eye4 import wire
from functions.eye4.wire import BodyLogin, HeaderLogin, Listed
from gatehouse.errors import CallFailed
from gatehouse.reading import read_json

_PATH: Final = "/push/fileid"
_TIMEOUT: Final = urllib3.Timeout(connect=3, read=10)
_ANSWER: Final = 1024 * 1024
"""Bytes of an answer at most; it holds a few addresses."""


class Storage(StrEnum):
    """`type`: the one of the vendor's two storages that is asked."""

    ALARM = "D005"
    DOORBELL = "D009"


class Denied(CallFailed):
    """Eye4 rejects our credentials."""


class Client:
    """Eye4's API, for one customer."""

    def __init__(self, login: BodyLogin | HeaderLogin, base_url: str = "") -> None:
        """Makes a client.

        Args:
            login: the credentials, which also decide on the API.
            base_url: in place of that API.
        """
        self._login = login
        self._url = (base_url or api_url(login)).rstrip("/") + _PATH
        self._http = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)

    def files(self, fileid: str, storage: Storage) -> list[Listed]:
        """The files of a recording: none before it is there, after it expired, or if it never was.

        Raises:
            Denied: our credentials are rejected.
            CallFailed: there was no usable answer.
        """
        body, headers = self._credentials()
        try:
            answer = self._http.request(
                "POST",
                self._url,
                body=json.dumps({**body, "fileid": fileid, "type": storage}),
                headers={"content-type": "application/json", **headers},
                redirect=False,
                preload_content=False,
            )
            try:
                if answer.status in {401, 403}:
                    raise Denied(f"eye4: {_PATH} answered {answer.status}: are the credentials in the secret right?")
                if answer.status != 200:
                    raise CallFailed(f"eye4: {_PATH} answered {answer.status}")
                content = answer.read(_ANSWER + 1)
            finally:
                answer.close()
            if len(content) > _ANSWER:
                raise CallFailed(f"eye4: {_PATH} answered more than {_ANSWER} bytes")
            return wire.listed(read_json(content, parts=_ANSWER))
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise CallFailed(f"eye4: {_PATH} gave no usable answer: {type(error).__name__}") from None

    def _credentials(self) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """The credentials: fields of the body, and headers."""
        if isinstance(self._login, BodyLogin):
            return {"userid": self._login.userid, "authkey": self._login.authkey.get_secret_value()}, {}
        return {}, {"AccessKey": self._login.access_key, "SecretKey": self._login.secret_key.get_secret_value()}


def api_url(login: BodyLogin | HeaderLogin) -> str:
    """The API that accepts these credentials."""
    return "https://api.eye4.cn" if isinstance(login, BodyLogin) else "https://open.eye4.cn"
