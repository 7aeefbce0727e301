"""A vendor's secret: the accounts whose pushes it may verify, fetched once and refreshed when that may help."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError

from gatehouse import aws
from gatehouse.errors import Reason, Rejected, Unavailable, WrongSetting
from gatehouse.sandbox import Attempt, under_way
from gatehouse.telemetry import Count, count, log

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_AGE: Final = 300.0
"""Seconds after which the secret is read again. A withdrawn credential is refused from then on."""
MIN_AGE: Final = 10.0
"""Least seconds between two reads, also after failed verifications: hostile pushes must not drive the bill."""
GRACE: Final = 86_400.0
"""Default of `Secret.grace`: seconds for which the last accounts stay in use while no newer ones can be read."""
_LOG_PAUSE: Final = 60.0
"""Seconds for which the same fault is not logged again. It is counted each time."""


class Credentials(BaseModel):
    """The base of the models of a vendor's secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _filled(key: SecretStr) -> SecretStr:
    bare = key.get_secret_value().strip()
    if not bare:
        # An empty key signs as well as any other. Anyone who knows that it is empty could push.
        raise ValueError("is empty")
    return SecretStr(bare)


type Key = Annotated[SecretStr, AfterValidator(_filled)]
"""A credential from the vendor, without the blanks and line ends that came with it when it was copied."""

_SHORTEST: Final = 20
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")


def _unguessable(token: SecretStr) -> SecretStr:
    bare = token.get_secret_value()
    if len(bare) < _SHORTEST:
        # A path has no lock: at the rate that the API takes, a short one is found.
        raise ValueError(f"is shorter than {_SHORTEST} characters")
    if not _TOKEN.fullmatch(bare):
        raise ValueError("has other characters than letters, digits, - and _")
    return token


type Token = Annotated[Key, AfterValidator(_unguessable)]
"""A credential of our own making, `secrets.token_urlsafe(24)`, for the path that a vendor is given.

At least 20 characters; letters, digits, `-` and `_`.
"""


def account_for_token[A](sent: str, accounts: Iterable[tuple[A, Iterable[SecretStr]]]) -> A | None:
    """Finds the account of a token, for vendors that sign nothing and send one.

    Every token is compared, by SHA-256 and in constant time. The time taken tells neither whether the token is known
    nor whose it is.

    Args:
        sent: the token.
        accounts: the accounts, each with its live tokens.

    Returns:
        the account; None if the token is no account's.
    """
    digest = hashlib.sha256(sent.encode(errors="replace")).digest()
    matching = [
        account
        for account, tokens in accounts
        for token in tokens
        if hmac.compare_digest(hashlib.sha256(token.get_secret_value().encode()).digest(), digest)
    ]
    return matching[0] if matching else None


@dataclass(frozen=True, slots=True)
class Window:
    """The span around its arrival in which a push may have been signed."""

    past: int
    """Seconds before the arrival."""
    ahead: int
    """Seconds after the arrival: the vendor's clock may be ahead."""
    past_setting: str
    """The template's parameter for `past`."""
    ahead_setting: str
    """The template's parameter for `ahead`."""

    def check(self, signed_at: datetime, received_at: datetime, what: str) -> None:
        """Refuses a push that was signed too long ago, or too far in the future.

        Args:
            signed_at: the signed time.
            received_at: the arrival.
            what: name of the field that holds the time, for the message: `acme: timestamp`.

        Raises:
            Rejected: the time lies outside, with reason `stale` or `future`.
        """
        age = int((received_at - signed_at).total_seconds())
        if age > self.past:
            limit = f"the limit is {self.past} s (setting {self.past_setting})"
            raise Rejected(Reason.STALE, f"{what} is {age} s old, {limit}")
        if age < -self.ahead:
            limit = f"the limit is {self.ahead} s (setting {self.ahead_setting})"
            raise Rejected(Reason.FUTURE, f"{what} is {-age} s ahead, {limit}")


def usable[A: BaseModel](document: str, model: type[A]) -> tuple[A, list[str]]:
    """Reads a secret's document, and leaves out the accounts that cannot be used.

    One bad account does not spoil the document. An account is bad if it does not fit its model, or repeats the name or
    a credential of an earlier one.

    Args:
        document: the secret's text, JSON.
        model: has a field `accounts`.

    Returns:
        the document with its usable accounts, and the faults of the others; a fault holds no value of the secret.

    Raises:
        ValidationError: the document itself does not fit the model, or no account in it can be used.
    """
    content: Any = None
    try:
        content = json.loads(document)
        parsed = model.model_validate(content)
    except ValueError as error:
        bad = _bad_accounts(error)
        listed = content.get("accounts") if isinstance(content, dict) else None
        if not bad or not isinstance(listed, list) or len(bad) == len(listed):
            return model.model_validate_json(document), []  # which raises
        faults = _faults(error)
        parsed = model.model_validate(
            {**content, "accounts": [account for place, account in enumerate(listed) if place not in bad]}
        )
    else:
        faults = []
    repeated = dict(_repeated(parsed))
    if repeated:
        faults += [f"accounts.{place}: {why}" for place, why in repeated.items()]
        kept = tuple(account for place, account in enumerate(_accounts(parsed)) if place not in repeated)
        parsed = parsed.model_copy(update={"accounts": kept})
    return parsed, faults


def _accounts(document: BaseModel) -> tuple[BaseModel, ...]:
    accounts: tuple[BaseModel, ...] = getattr(document, "accounts", ())
    return accounts


def _bad_accounts(error: ValueError) -> set[int]:
    """Places in the list of the accounts that an error is about; empty if it is about anything else as well."""
    places = [fault["loc"] for fault in error.errors(include_input=False)] if isinstance(error, ValidationError) else []
    if not all(len(place) > 1 and place[0] == "accounts" and isinstance(place[1], int) for place in places):
        return set()
    return {place[1] for place in places if isinstance(place[1], int)}


def _repeated(document: BaseModel) -> Iterator[tuple[int, str]]:
    """Yields the accounts that repeat a name or a credential of an earlier one: place in the list, and the fault."""
    seen: dict[tuple[str, str], int] = {}
    for place, account in enumerate(_accounts(document)):
        for field, values in account:
            # The first field of an account is its name.
            if field == next(iter(type(account).model_fields)):
                words = [str(values)]
            elif isinstance(values, tuple):
                words = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
            else:
                words = []
            for word in words:
                first = seen.setdefault((field, word), place)
                if first != place:
                    yield place, f"its {field} stands in accounts.{first} as well"


def _faults(error: ValueError) -> list[str]:
    """Names the faults, field by field, and no value."""
    if not isinstance(error, ValidationError):
        return ["document: not JSON"]
    return [
        f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)
    ]


class Secret[A: BaseModel]:
    """A vendor's secret in Secrets Manager.

    The last accounts stay in use for a time while Secrets Manager does not answer or holds an unusable document. A
    secret that is being edited must not shut the gate, and a withdrawn one must not stay open.

    With a `patience` the secret is read in a thread beside the push, and the sandbox may freeze with that read. The
    result of such a read is neither used nor logged, and the next push waits for a new one. A withdrawn credential is
    then refused after `MAX_AGE` and one more push.
    """

    def __init__(
        self,
        client: SecretsManagerClient,
        arn: str,
        model: type[A],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        vendor: str,
        patience: float | None = None,
        grace: float = GRACE,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """A secret that has not been read yet.

        Args:
            client: of Secrets Manager.
            arn: of the secret.
            model: of the document in it.
            monotonic: a clock that is never set.
            vendor: the vendor, for the metric.
            patience: seconds that a push waits for a read at most, where a terminal waits for the answer. The first
                push that finds the accounts too old does not wait at all. None: a push waits as long as a read takes.
            grace: seconds for which the last accounts stay in use while no newer ones can be read.
            wall: a clock that runs on while the sandbox is frozen; the first one may stand still with it.
        """
        self._client = client
        self._arn = arn
        self._model = model
        self._clocks = (monotonic, wall)
        self._vendor = vendor
        self._patience = patience
        self._grace = grace
        self._accounts: A | None = None
        self._failure: Exception | None = None
        self._read_at: tuple[float, ...] | None = None
        self._tried_at: tuple[float, ...] | None = None
        self._tries = 0
        """Reads since the last successful one."""
        self._reading: Attempt | None = None
        self._last_logged: tuple[object, tuple[float, ...] | None] = None, None
        self._lock = threading.Lock()

    def accounts(self) -> A:
        """Returns the accounts, not older than `MAX_AGE` while Secrets Manager answers.

        Raises:
            Unavailable: Secrets Manager does not answer, and the last read is older than `grace`, or there was none.
            WrongSetting: the secret does not hold what the vendor's README says, and there was no read before.
        """
        age = self._since(self._read_at)
        if age >= MAX_AGE and (self._accounts is None or self._since(self._tried()) >= MIN_AGE):
            # Twice as old, or after a failed read, the push waits: a credential withdrawn meanwhile opens no door.
            self._refresh(waits=self._patience is None or age >= 2 * MAX_AGE or self._tries > 0)
        if self._accounts is None:
            raise self._failure or Unavailable("GetSecretValue: not in time")
        if self._since(self._read_at) >= self._grace:
            raise Unavailable(f"the secret could not be read for {self._grace:.0f} s")
        return self._accounts

    def newer(self) -> A | None:
        """Reads the secret again after a failed verification. Returns the accounts if they differ from those in use.

        None too if the last read is less than `MIN_AGE` ago.
        """
        if self._since(self._tried()) < MIN_AGE:
            return None
        before = self._accounts
        self._refresh(waits=True)
        return self._accounts if self._accounts != before else None

    def freshen(self) -> None:
        """Reads the secret again if it is old, in a call that no terminal waits for."""
        if self._since(self._read_at) >= MAX_AGE and self._since(self._tried()) >= MIN_AGE:
            self._refresh(waits=True)

    def begin(self) -> None:
        """Begins to read the secret, in parallel to the rest of the start."""
        self._refresh(waits=False)

    def _since(self, moment: tuple[float, ...] | None) -> float:
        if moment is None:
            return float("inf")
        return max(clock() - then for clock, then in zip(self._clocks, moment, strict=True))

    @property
    def _slept(self) -> bool:
        """Tells whether the sandbox slept during the last read in a thread."""
        return self._reading is not None and self._reading.slept

    def _tried(self) -> tuple[float, ...] | None:
        """Moment of the last read, successful or not; one during which the sandbox slept does not count."""
        return None if self._slept else self._tried_at

    def _now(self) -> tuple[float, ...]:
        return tuple(clock() for clock in self._clocks)

    def _refresh(self, *, waits: bool) -> None:
        """Reads the secret again: in line, or in a thread, for which the push waits up to its patience or not at all.

        Args:
            waits: True if the push waits.
        """
        if self._patience is None and waits:
            self._tried_at = self._now()
            self._tries += 1
            self._read(Attempt())
            return
        with self._lock:
            reading = self._reading
            if reading is None or reading.ended.is_set() or reading.slept:
                reading = self._reading = Attempt()
                self._tried_at = self._now()
                self._tries += 1
                threading.Thread(target=self._read, args=(reading,), name="secret", daemon=True).start()
        if waits and not reading.ended.wait(self._patience):
            self._log_fault("the secret cannot be read", ["not in time"])

    def _read(self, attempt: Attempt) -> None:
        """Reads the secret. The result is dropped if the sandbox slept meanwhile."""
        begun_at = self._now()
        try:
            with under_way(attempt):
                document = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
            accounts, faults = usable(document, self._model)
        except (ClientError, BotoCoreError, KeyError, Unavailable) as error:
            why = aws.fault(error) if isinstance(error, ClientError | BotoCoreError) else type(error).__name__
            self._end(attempt, Unavailable(f"GetSecretValue: {why}"), "the secret cannot be read", [why])
        except ValidationError as error:
            faults = _faults(error)
            failure = WrongSetting(f"secret {self._arn}: {'; '.join(faults)}")
            self._end(attempt, failure, "the secret is not usable", faults)
        except BaseException:
            attempt.end()
            raise
        else:
            with attempt.ending() as counts:
                if counts:
                    self._accounts = accounts
                    self._tries = 0
                    # The age counts from the question: the secret is as it was then.
                    self._read_at = begun_at
                    if faults:
                        self._log_fault("accounts in the secret are not usable", faults)

    def _end(self, attempt: Attempt, failure: Exception, what: str, faults: list[str]) -> None:
        with attempt.ending() as counts:
            if counts:
                self._failure = failure
                self._log_fault(what, faults)

    def _log_fault(self, what: str, faults: list[str]) -> None:
        """Counts and logs a fault of the secret, without any value of it."""
        count(Count.SECRET_UNUSABLE, self._vendor)
        fault = what, *faults
        logged, logged_at = self._last_logged
        if logged != fault or self._since(logged_at) >= _LOG_PAUSE:
            self._last_logged = fault, self._now()
            log.error(what, secret=self._arn, faults="; ".join(faults), in_use=self._accounts is not None)
