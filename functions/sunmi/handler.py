"""The Lambda's edge of SUNMI: `POST /v1/sunmi`."""

from functools import partial

from pydantic import Field

from functions.sunmi import normalise, verify, wire
from gatehouse import edge
from gatehouse.gate import Vendor
from gatehouse.settings import VendorSettings


class Settings(VendorSettings):
    """What this function is told besides what every vendor's is."""

    timestamp_window: int = Field(default=86_400, ge=1, le=86_400)
    """Seconds that a push may be old: a day at most, since that long its repetition is known by its id."""
    timestamp_ahead: int = Field(default=600, ge=1, le=86_400)
    """Seconds that it may come from the future."""


def vendor(settings: Settings) -> Vendor[wire.Accounts, verify.Verified]:
    """SUNMI, for the gate."""
    return Vendor(
        name="sunmi",
        accounts=wire.Accounts,
        verify=partial(verify.verify, past=settings.timestamp_window, ahead=settings.timestamp_ahead),
        decrypt=verify.decrypt,
        identity=verify.identity,
        normalise=normalise.normalise,
        evidence=verify.evidence,
        known=verify.known,
        images=verify.images,
        body_limit=verify.BODY_LIMIT,
        acknowledgement={"code": 0, "msg": "succeed", "data": {}},
    )


lambda_handler = edge.http(Settings, vendor)
