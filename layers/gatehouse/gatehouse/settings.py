"""Settings of a function: its environment, read once and checked."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gatehouse.errors import WrongSetting
from gatehouse.vocabulary import LIVE, Topic


class Announce(StrEnum):
    """Publisher of an event: the invocation that recorded it (`inline`), or the relay behind the table (`stream`)."""

    INLINE = "inline"
    STREAM = "stream"


def _pairs(value: object) -> object:
    """Parses `alarm=arn…,notice=arn…` into a dict. The template writes the topics in this form, in its Globals."""
    if not isinstance(value, str):
        return value
    return {name: arn for name, _, arn in (pair.partition("=") for pair in value.split(",") if pair)}


def _complete(arns: dict[Topic, str]) -> dict[Topic, str]:
    missing = [topic for topic in Topic if not arns.get(topic)]
    if missing:
        raise ValueError(f"no ARN for {', '.join(missing)}")
    return arns


type TopicArns = Annotated[dict[Topic, str], BeforeValidator(_pairs), AfterValidator(_complete)]
"""The ARN of each topic."""


class Settings(BaseModel):
    """The base of a function's settings: each field is an environment variable in upper case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Reads the settings from an environment.

        Raises:
            WrongSetting: a variable is missing or has no usable value; the message names every such one.
        """
        values = {name: environ[name.upper()] for name in cls.model_fields if name.upper() in environ}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(
                f"{str(fault['loc'][0]).upper() if fault['loc'] else 'settings'}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False)
            )
            # Not chained: pydantic's own message repeats the values.
            raise WrongSetting(f"wrong setting in the function's environment: {faults}") from None


class GateSettings(Settings):
    """Settings of every function that has a gate, of any vendor."""

    events_table: str = Field(min_length=1)
    topic_arns: TopicArns
    spill_queue_url: str = Field(min_length=1)
    media_bucket: str = Field(min_length=1)
    announce_mode: Announce = Announce.INLINE
    retention_days: int = Field(default=90, ge=3, le=3650)
    """Three at least: an id has to be remembered for as long as its push may be repeated."""
    live_seconds: float = Field(default=LIVE.total_seconds(), ge=1, le=86_400)
    """Age up to which an event counts as `live`."""

    @property
    def live(self) -> timedelta:
        """`live_seconds` as a time span."""
        return timedelta(seconds=self.live_seconds)


class VendorSettings(GateSettings):
    """Settings of every vendor's function: those of the gate, the secret, and the address that the vendor was given."""

    secret_arn: str = Field(min_length=1)
    secret_grace: float = Field(default=86_400, ge=600, le=2_592_000)
    """Seconds for which the last accounts stay in use while the secret cannot be read or used."""
    public_base_url: str = Field(default="", pattern=r"^(https?://[^/?#]+[^?#]*)?$")
    """The address that the vendor was given; empty if it is the gateway's own."""
