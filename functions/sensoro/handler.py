"""The Lambda's edge of SENSORO: `POST /v1/sensoro`."""

from functools import partial

from pydantic import Field

from functions.sensoro import normalise, verify, wire
from gatehouse import edge
from gatehouse.gate import Vendor
from gatehouse.settings import VendorSettings


class Settings(VendorSettings):
    """What this function is told besides what every vendor's is."""

    nonce_window: int = Field(default=300, ge=1, le=86_400)
    """Seconds."""


def vendor(settings: Settings) -> Vendor[wire.Accounts, verify.Verified]:
    """SENSORO, for the gate."""
    return Vendor(
        name="sensoro",
        accounts=wire.Accounts,
        verify=partial(verify.verify, window=settings.nonce_window),
        decrypt=verify.decrypt,
        identity=verify.identity,
        normalise=normalise.normalise,
        acknowledgement={"messages": "success"},
    )


lambda_handler = edge.http(Settings, vendor)
