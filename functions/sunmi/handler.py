"""The Lambda's edge of SUNMI: `POST /v1/sunmi`."""

from functools import partial

from pydantic import Field

from functions.sunmi import normalise, verify, wire
from gatehouse import edge
from gatehouse.accounts import Window
from gatehouse.gate import Vendor
from gatehouse.settings import VendorSettings


class SunmiSettings(VendorSettings):
    """Settings of SUNMI's function."""

    timestamp_window: int = Field(default=86_400, ge=1, le=86_400)
    """Seconds that a push may be old. A day at most: for that long its repetition is known by its id."""
    timestamp_ahead: int = Field(default=600, ge=1, le=86_400)
    """Seconds that a push may be signed in the future."""


def vendor(settings: SunmiSettings) -> Vendor[wire.Accounts, verify.Verified]:
    """SUNMI, for the gate."""
    return Vendor(
        name="sunmi",
        accounts=wire.Accounts,
        verify=partial(
            verify.verify,
            window=Window(
                settings.timestamp_window, settings.timestamp_ahead, "SunmiTimestampWindow", "SunmiTimestampAhead"
            ),
        ),
        unwrap=verify.unwrap,
        normalise=normalise.normalise,
        evidence=verify.evidence,
        known=verify.known,
        body_limit=verify.BODY_LIMIT,
        acknowledgement={"code": 0, "msg": "succeed", "data": {}},
    )


lambda_handler = edge.http(SunmiSettings, vendor)
