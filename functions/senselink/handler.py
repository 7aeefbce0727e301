"""The Lambda's edge of SenseLink: its event subscription, `POST /v1/senselink/{token}`."""

import json
from functools import partial
from typing import Final

from pydantic import JsonValue

from functions.senselink import normalise, verify, wire
from gatehouse import edge
from gatehouse.gate import Answer, Keep, Push, Vendor
from gatehouse.settings import VendorSettings

_ACKNOWLEDGEMENT: Final[JsonValue] = {"code": 200, "message": "success"}


class Settings(VendorSettings):
    """What this function is told: nothing besides what every vendor's is."""


def vendor(_settings: Settings) -> Vendor[wire.Accounts, verify.Verified]:
    """SenseLink, for the gate."""
    return Vendor(
        name="senselink",
        accounts=wire.Accounts,
        verify=verify.verify,
        decrypt=verify.decrypt,
        identity=verify.identity,
        normalise=normalise.normalise,
        respond=_respond,
        acknowledgement=_ACKNOWLEDGEMENT,
    )


def _respond(_push: Push, verified: verify.Verified, _payload: JsonValue, keep: Keep) -> Answer:
    """Keeps the message, whose times are in its server's zone."""
    keep(partial(normalise.normalise, zone=verified.server.zone))
    return Answer(200, json.dumps(_ACKNOWLEDGEMENT))


lambda_handler = edge.http(Settings, vendor)
