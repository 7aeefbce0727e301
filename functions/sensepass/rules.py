"""The rules that decide whether a door opens: one document, evaluated by Powertools' feature flags.

https://docs.powertools.aws.dev/lambda/python/latest/utilities/feature_flags/
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.feature_flags import FeatureFlags, SchemaValidator
from aws_lambda_powertools.utilities.feature_flags.base import StoreProvider
from aws_lambda_powertools.utilities.feature_flags.exceptions import SchemaValidationError
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gatehouse.errors import Unavailable
from gatehouse.sandbox import Attempt, under_way
from gatehouse.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

FLAG: Final = "open"
"""The feature in the document; its rules are the rules of the doors."""
MAX_AGE: Final = 30.0
"""Seconds after which the document is read again: a terminal's heartbeat comes as often."""


class Verdict(BaseModel):
    """The verdict of a rule: `when_match` or `default` of the document. A bare truth value means `pass`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    allowed: bool = Field(alias="pass")
    tip: str = ""
    """Text for the terminal's screen."""
    even_if_refused: bool = False
    """True to open also to a person whom the terminal refused, for another reason than not knowing them."""
    rule: str | None = None
    """The rule's name, which we add; None for the default."""


class _Held(StoreProvider):
    """A document in memory, as a store of Powertools."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    @property
    def get_raw_configuration(self) -> dict[str, Any]:
        return self._document

    def get_configuration(self) -> dict[str, Any]:
        return self._document


class Rules:
    """The rules document, cached. A broken document never replaces a good one, and no question waits for a new one."""

    def __init__(
        self,
        fetch: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
        patience: float = 0.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Rules that were not read yet.

        Args:
            fetch: reads the document.
            monotonic: a clock that is never set.
            patience: seconds that the first question after a start waits for the document at most.
            wall: a clock that runs on while the sandbox is frozen; the first one may stand still with it.
        """
        self._fetch = fetch
        self._clocks = (monotonic, wall)
        self._patience = patience
        self._read = threading.Event()
        self._flags: FeatureFlags | None = None
        self._was_there = False
        self._looked_at: tuple[float, ...] | None = None
        self._looking: Attempt | None = None
        self._lock = threading.Lock()

    def verdict(self, context: Mapping[str, object]) -> Verdict | None:
        """Evaluates the rules. None if there are none.

        Args:
            context: facts about person and place. A condition on a fact that is missing does not match.
        """
        if not self._read.is_set():
            if self._looking is not None and self._looking.slept:
                self.refresh_in_background()
            self._read.wait(self._patience)
        if self._flags is None:
            return None
        verdict: Any = self._flags.evaluate(name=FLAG, context=dict(context), default=None)
        return None if verdict is None else Verdict.model_validate(verdict)

    def refresh(self) -> None:
        """Reads the document again, if the last look is older than `MAX_AGE`. Faults are logged."""
        if (attempt := self._begin()) is not None:
            self._look(attempt)

    def refresh_in_background(self) -> None:
        """Does the same as `refresh` in a thread, beside a call that does not wait for it."""
        if (attempt := self._begin()) is not None:
            threading.Thread(target=self._look, args=(attempt,), name="rules", daemon=True).start()

    def _begin(self) -> Attempt | None:
        """Begins a look; None if none is due. After one during which the sandbox slept, another is due at once."""
        with self._lock:
            looking = self._looking
            is_at_it = looking is not None and not looking.ended.is_set()
            if looking is not None and not looking.slept and (is_at_it or self._age() < MAX_AGE):
                return None
            self._looked_at = tuple(clock() for clock in self._clocks)
            self._looking = Attempt()
            return self._looking

    def _age(self) -> float:
        if self._looked_at is None:
            return float("inf")
        return max(clock() - then for clock, then in zip(self._clocks, self._looked_at, strict=True))

    def _look(self, attempt: Attempt) -> None:
        """Reads the document. If the sandbox slept meanwhile, the result is neither used nor logged."""
        try:
            with under_way(attempt):
                document = self._fetch()
            flags = _flags(document)
        except (ClientError, BotoCoreError, Unavailable) as error:
            with attempt.ending() as counts:
                # Rules that were never set are no fault.
                if counts and (self._was_there or not _is_not_there(error)):
                    log.error("the rules cannot be read; those read before stay in use", error=type(error).__name__)
        except (ValueError, SchemaValidationError) as error:
            with attempt.ending() as counts:
                if counts:
                    self._was_there = True
                    # Powertools' text names the place and the fault. The document is our own, and not secret.
                    log.error("the rules are not usable; those read before stay in use", fault=str(error)[:300])
        else:
            with attempt.ending() as counts:
                if counts:
                    self._was_there = True
                    self._flags = flags
        finally:
            attempt.end()
            if not attempt.slept:
                self._read.set()


def check(document: str) -> None:
    """Checks that a document has usable rules.

    Raises:
        ValueError: it has none, or one is not usable; the message names that one.
    """
    try:
        if _flags(document) is None:
            raise ValueError("the document has no rules")
    except SchemaValidationError as error:
        raise ValueError(str(error)) from None


def _is_not_there(error: Exception) -> bool:
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == "ParameterNotFound"


def from_parameter(client: Callable[[], SSMClient], name: str) -> Callable[[], str]:
    """Makes a function that reads the document from an SSM parameter.

    Args:
        client: of SSM.
        name: of the parameter.
    """

    def fetch() -> str:
        return client().get_parameter(Name=name)["Parameter"]["Value"]

    return fetch


def _flags(text: str) -> FeatureFlags | None:
    """Parses a document into flags, each verdict with the name of its rule. None if it is empty.

    Raises:
        ValueError: it is not JSON, or a verdict is neither a truth value nor `{"pass": …, "tip": …}`.
        SchemaValidationError: Powertools does not take it.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("the document is no object")  # noqa: TRY004 - one kind of error for what is in the document
    if not document:  # emptied on purpose
        return None
    if FLAG not in document:
        raise ValueError(f'there is no "{FLAG}" in the document')
    flag = document[FLAG]
    if isinstance(flag, dict):
        # A verdict may be more than a truth value. The authors of rules need not know Powertools' word for that.
        flag = {**flag, "boolean_type": False}
        if flag.get("rules", {}) in ({}, None):  # else Powertools warns
            flag.pop("rules", None)
    SchemaValidator({FLAG: flag}).validate()
    rules = {
        name: {**rule, "when_match": _verdict(rule["when_match"], name)} for name, rule in flag.get("rules", {}).items()
    }
    named: dict[str, Any] = {FLAG: {"default": _verdict(flag["default"], None), "boolean_type": False}}
    if rules:  # of an empty one Powertools warns
        named[FLAG]["rules"] = rules
    SchemaValidator(named).validate()
    return FeatureFlags(store=_Held(named))


def _verdict(value: object, rule: str | None) -> dict[str, Any]:
    try:
        verdict = Verdict.model_validate({"pass": value} if isinstance(value, bool) else value)
    except ValidationError:
        raise ValueError(f'{rule or "default"}: neither a truth value nor {{"pass": …, "tip": …}}') from None
    return {"pass": verdict.allowed, "tip": verdict.tip, "even_if_refused": verdict.even_if_refused, "rule": rule}
