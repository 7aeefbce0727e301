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
    """`alarm=arn…,notice=arn…` → a dict; template.yaml writes the topics so, once, in its Globals."""
    if not isinstance(value, str):
        return value
    return {name: arn for name, _, arn in (pair.partition("=") for pair in value.split(",") if pair)}


def _complete(arns: dict[Topic, str]) -> dict[Topic, str]:
    missing = [topic for topic in Topic if not arns.get(topic)]
    if missing:
        raise ValueError(f"no ARN for {', '.join(missing)}")
    return arns


type TopicArns = Annotated[dict[Topic, str], BeforeValidator(_pairs), AfterValidator(_complete)]


class Settings(BaseModel):
    """The base of a function's settings: each field is an environment variable in upper case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """The settings from an environment.

        Raises:
            WrongSetting: a variable is missing or has no usable value; the message names every such one.
        """
        found = {name: environ[name.upper()] for name in cls.model_fields if name.upper() in environ}
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            faults = "; ".join(
                f"{str(fault['loc'][0]).upper() if fault['loc'] else 'settings'}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False)
            )
            # Not chained: pydantic's own message repeats the values.
            raise WrongSetting(f"wrong setting in the function's environment: {faults}") from None


class GateSettings(Settings):
    """Settings of every function with a gate in it, whichever vendor stands in front."""

    events_table: str = Field(min_length=1)
    topic_arns: TopicArns
    spill_queue_url: str = Field(min_length=1)
    media_bucket: str = Field(min_length=1)
    announce_mode: Announce = Announce.INLINE
    retention_days: int = Field(default=90, ge=3, le=3650)
    """Three at least: as long as a push may be repeated, its id has to be remembered."""
    live_seconds: float = Field(default=LIVE.total_seconds(), ge=1, le=86_400)
    """Age up to which a happening counts as one of now."""

    @property
    def live(self) -> timedelta:
        """The same as a span."""
        return timedelta(seconds=self.live_seconds)


class VendorSettings(GateSettings):
    """Settings of a vendor's function besides: its secret, and the address that the vendor was given."""

    secret_arn: str = Field(min_length=1)
    secret_grace: float = Field(default=86_400, ge=600, le=2_592_000)
    """Seconds for which the accounts that were read last are used on while the secret cannot be read or used."""
    public_base_url: str = Field(default="", pattern=r"^(https?://[^/?#]+[^?#]*)?$")
