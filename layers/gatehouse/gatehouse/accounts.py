"""A vendor's secret: the accounts whose pushes it may verify, fetched once and refreshed when that may help."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from gatehouse.errors import Unavailable, WrongSetting
from gatehouse.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_AGE = 300.0
"""Seconds after which the secret is read again: a withdrawn credential is refused from then on."""
MIN_AGE = 10.0
"""Seconds for which even a failed verification does not read it again: hostile pushes must not drive the bill."""


class Credentials(BaseModel):
    """The base of the models of a vendor's secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def holder[A](sent: str, known: Iterable[tuple[A, Iterable[SecretStr]]]) -> A | None:
    """Whose secret was sent: for vendors that sign nothing and send a token.

    Every one is compared, by hashes of one length: the time it takes tells neither whether one is known nor which.

    Args:
        sent: the token.
        known: who there is, each with the tokens that are live.
    """
    digest = hashlib.sha256(sent.encode(errors="replace")).digest()
    matching = [
        account
        for account, tokens in known
        for token in tokens
        if hmac.compare_digest(hashlib.sha256(token.get_secret_value().encode()).digest(), digest)
    ]
    return matching[0] if matching else None


class Secret[A: BaseModel]:
    """A vendor's secret in Secrets Manager.

    What was read last is used on while Secrets Manager does not answer or holds something unusable: a secret
    that somebody is just editing must not shut the gate.
    """

    def __init__(
        self,
        client: SecretsManagerClient,
        arn: str,
        model: type[A],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        meanwhile: bool = False,
    ) -> None:
        """What is read, and how.

        Args:
            client: of Secrets Manager.
            arn: of the secret.
            model: of the document in it.
            monotonic: a clock.
            meanwhile: an old secret is read again beside the push, which goes on with the one at hand: for a vendor
                that waits at a door.
        """
        self._client = client
        self._arn = arn
        self._model = model
        self._monotonic = monotonic
        self._meanwhile = meanwhile
        self._accounts: A | None = None
        self._read_at = 0.0

    def accounts(self) -> A:
        """The accounts, not older than `MAX_AGE` while Secrets Manager answers.

        Raises:
            Unavailable: Secrets Manager does not answer, and nothing was read before.
            WrongSetting: the secret does not hold what the vendor's README says, and nothing was read before.
        """
        if self._accounts is None:
            self._read()
        elif self._monotonic() - self._read_at >= MAX_AGE:
            if self._meanwhile:
                self._read_at = self._monotonic()  # nobody else need start
                threading.Thread(target=self._read, name="secret", daemon=True).start()
            else:
                self._read()
        if self._accounts is None:
            raise Unavailable("GetSecretValue: nothing read")
        return self._accounts

    def newer(self) -> A | None:
        """The accounts as they are now, if they differ from those in use; asked after a failed verification."""
        if self._monotonic() - self._read_at < MIN_AGE:
            return None
        before = self._accounts
        self._read()
        return self._accounts if self._accounts != before else None

    def _read(self) -> None:
        try:
            document = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
            self._accounts = self._model.model_validate_json(document)
        except (ClientError, BotoCoreError, KeyError) as error:
            if self._accounts is None:
                raise Unavailable(f"GetSecretValue: {type(error).__name__}") from error
            log.error("the secret cannot be read; the one read before stays in use", secret=self._arn)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False, include_context=False)
            )
            if self._accounts is None:
                raise WrongSetting(f"secret {self._arn}: {faults}") from None
            log.error("the secret is not usable; the one read before stays in use", secret=self._arn, faults=faults)
        self._read_at = self._monotonic()
