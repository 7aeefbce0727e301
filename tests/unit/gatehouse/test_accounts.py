"""A vendor's secret: read once, refreshed when that may help, and used on while it cannot be read."""

import json
import secrets
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.stub import Stubber
from pydantic import Field

from gatehouse.accounts import MAX_AGE, MIN_AGE, Credentials, Key, Secret, usable
from gatehouse.errors import Unavailable, WrongSetting
from gatehouse.telemetry import Count
from tests.aws import Aws, calls
from tests.output import Output
from tests.vendors import vendor_names, vendor_tests

ONE = {"accounts": [{"app_id": "1", "app_keys": ["marker-key-1"]}]}
TWO = {"accounts": [{"app_id": "1", "app_keys": ["marker-key-2"]}]}


class Account(Credentials):
    """An app of an invented vendor's, with each of its keys that are live."""

    app_id: str = Field(min_length=1)
    app_keys: tuple[Key, ...] = Field(min_length=1)


class Accounts(Credentials):
    """The document in its secret."""

    accounts: tuple[Account, ...] = ()


@dataclass
class Clock:
    """Seconds, put forward by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Kept:
    """A secret in moto's Secrets Manager, and its reader."""

    account: Aws
    arn: str
    clock: Clock
    secret: Secret[Accounts]
    reads: list[dict[str, Any]]

    def put(self, document: object) -> None:
        text = document if isinstance(document, str) else json.dumps(document)
        self.account.secretsmanager.put_secret_value(SecretId=self.arn, SecretString=text)


@pytest.fixture
def kept(account: Aws) -> Kept:
    client = account.client("secretsmanager")
    arn = account.secretsmanager.create_secret(Name="acme", SecretString=json.dumps(ONE))["ARN"]
    clock = Clock()
    return Kept(
        account,
        arn,
        clock,
        Secret(client, arn, Accounts, clock, wall=clock, vendor="acme"),
        calls(client, "secrets-manager.GetSecretValue"),
    )


def _has_answered(waited_for: threading.Event) -> None:
    """Lets Secrets Manager answer, and waits until the answer was read."""
    waited_for.set()
    for thread in threading.enumerate():
        if thread.name == "secret":
            thread.join()


def _wait(event: threading.Event) -> None:
    event.wait(60)


def _keys(accounts: Accounts | None) -> list[str]:
    assert accounts is not None
    return [key.get_secret_value() for known in accounts.accounts for key in known.app_keys]


def test_the_secret_is_read_once(kept: Kept) -> None:
    assert kept.reads == []
    for _ in range(5):
        assert _keys(kept.secret.accounts()) == ["marker-key-1"]

    assert len(kept.reads) == 1


def test_the_secret_is_read_again_when_it_has_become_old(kept: Kept) -> None:
    kept.secret.accounts()
    kept.put(TWO)

    kept.clock.now += MAX_AGE - 1
    assert _keys(kept.secret.accounts()) == ["marker-key-1"]
    kept.clock.now += 1
    assert _keys(kept.secret.accounts()) == ["marker-key-2"]


def test_where_somebody_waits_an_old_secret_is_read_again_beside_the_push(account: Aws) -> None:
    client = account.client("secretsmanager")
    arn = account.secretsmanager.create_secret(Name="door", SecretString=json.dumps(ONE))["ARN"]
    clock = Clock()
    secret = Secret(client, arn, Accounts, clock, patience=60, wall=clock, vendor="acme")
    assert _keys(secret.accounts()) == ["marker-key-1"]
    account.secretsmanager.put_secret_value(SecretId=arn, SecretString=json.dumps(TWO))
    answering = threading.Event()
    client.meta.events.register("provide-client-params.secrets-manager.GetSecretValue", lambda **_: _wait(answering))

    clock.now += MAX_AGE
    assert _keys(secret.accounts()) == ["marker-key-1"]  # Secrets Manager has not answered yet

    _has_answered(answering)
    assert _keys(secret.accounts()) == ["marker-key-2"]


def test_after_a_failed_verification_the_secret_is_read_again_at_most_once_in_a_while(kept: Kept) -> None:
    kept.secret.accounts()
    kept.put(TWO)

    kept.clock.now += MIN_AGE - 1
    assert kept.secret.newer() is None
    kept.clock.now += 1
    assert _keys(kept.secret.newer()) == ["marker-key-2"]
    for _ in range(1000):
        assert kept.secret.newer() is None
    assert len(kept.reads) == 2


def test_what_has_not_changed_is_not_newer(kept: Kept) -> None:
    kept.secret.accounts()
    kept.clock.now += MIN_AGE

    assert kept.secret.newer() is None


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        "{",
        "[]",
        '{"accounts":[{"app_id":"1"}]}',
        '{"accounts":[{"app_id":"1","app_keys":["marker-x"],"a":1}]}',
    ],
)
def test_a_secret_that_is_not_usable_leaves_the_one_before_in_use(kept: Kept, output: Output, document: str) -> None:
    kept.secret.accounts()
    kept.put(document)
    kept.clock.now += MAX_AGE

    assert _keys(kept.secret.accounts()) == ["marker-key-1"]
    assert "the secret is not usable" in output.read()
    assert "marker" not in output.read()


def test_a_secret_that_cannot_be_read_leaves_the_one_before_in_use(kept: Kept, output: Output) -> None:
    client = kept.account.secretsmanager
    secret = Secret(client, kept.arn, Accounts, kept.clock, wall=kept.clock, vendor="acme")
    secret.accounts()
    kept.clock.now += MAX_AGE
    with Stubber(client) as stub:
        stub.add_client_error("get_secret_value", service_error_code="InternalServiceError")
        assert _keys(secret.accounts()) == ["marker-key-1"]
        assert secret.newer() is None

    assert "cannot be read" in output.read()


def test_a_secret_that_was_never_read_is_unavailable_until_it_can_be(kept: Kept) -> None:
    client = kept.account.secretsmanager
    secret = Secret(client, kept.arn, Accounts, kept.clock, wall=kept.clock, vendor="acme")
    with Stubber(client) as stub:
        stub.add_client_error("get_secret_value", service_error_code="ResourceNotFoundException")
        with pytest.raises(Unavailable, match="GetSecretValue"):
            secret.accounts()

    assert _keys(secret.accounts()) == ["marker-key-1"]


def test_a_secret_that_was_never_usable_is_a_wrong_setting_that_names_the_field_and_no_value(kept: Kept) -> None:
    kept.put('{"accounts":[{"app_id":"1","app_keys":"marker-key"}]}')

    with pytest.raises(WrongSetting, match=r"accounts\.0\.app_keys") as caught:
        kept.secret.accounts()
    assert "marker" not in str(caught.value)
    assert kept.arn in str(caught.value)


def test_a_secret_that_is_binary_is_unavailable(kept: Kept) -> None:
    kept.account.secretsmanager.put_secret_value(SecretId=kept.arn, SecretBinary=b"marker")

    with pytest.raises(Unavailable):
        kept.secret.accounts()


def test_the_credentials_do_not_show_in_a_repr(kept: Kept) -> None:
    assert "marker" not in repr(kept.secret.accounts())


# ─── Withdrawn, and nobody can say so ─────────────────────────────────────────────────────────────────────────────────


def _hurried(kept: Kept, patience: float = 60, grace: float = 86_400, wall: Clock | None = None) -> Secret[Accounts]:
    client = kept.account.client("secretsmanager")
    return Secret(
        client, kept.arn, Accounts, kept.clock, patience=patience, grace=grace, wall=wall or kept.clock, vendor="acme"
    )


def test_a_door_that_slept_for_an_hour_waits_for_the_secret(kept: Kept) -> None:
    secret = _hurried(kept)
    assert _keys(secret.accounts()) == ["marker-key-1"]
    kept.put(TWO)

    kept.clock.now += 3600
    assert _keys(secret.accounts()) == ["marker-key-2"]


def test_a_sandbox_whose_clock_stood_still_waits_too(kept: Kept) -> None:
    wall = Clock()
    secret = _hurried(kept, wall=wall)
    assert _keys(secret.accounts()) == ["marker-key-1"]
    kept.put(TWO)

    wall.now += 3600
    assert _keys(secret.accounts()) == ["marker-key-2"]


def test_a_read_that_failed_does_not_count_as_one(kept: Kept) -> None:
    client = kept.account.secretsmanager
    secret = Secret(client, kept.arn, Accounts, kept.clock, wall=kept.clock, vendor="acme")
    secret.accounts()
    kept.clock.now += MAX_AGE
    with Stubber(client) as stub:
        stub.add_client_error("get_secret_value", service_error_code="InternalServiceError")
        assert _keys(secret.accounts()) == ["marker-key-1"]
    kept.put(TWO)

    kept.clock.now += MIN_AGE
    assert _keys(secret.accounts()) == ["marker-key-2"]


def test_nobody_waits_longer_than_the_patience_and_never_for_two(kept: Kept) -> None:
    secret = _hurried(kept, patience=0.01)
    release = threading.Event()
    secret._client.meta.events.register(  # noqa: SLF001 - the client that it reads with
        "provide-client-params.secrets-manager.GetSecretValue", lambda **_: _wait(release)
    )
    for _ in range(3):
        with pytest.raises(Unavailable, match="not in time"):
            secret.accounts()
    assert [thread.name for thread in threading.enumerate()].count("secret") == 1

    _has_answered(release)
    assert _keys(secret.accounts()) == ["marker-key-1"]


def test_what_is_begun_at_the_start_is_read_once(kept: Kept) -> None:
    secret = _hurried(kept)
    seen = calls(secret._client, "secrets-manager.GetSecretValue")  # noqa: SLF001 - as above
    secret.begin()
    assert _keys(secret.accounts()) == ["marker-key-1"]

    assert len(seen) == 1


@pytest.mark.parametrize("document", ["no json", '{"accounts":[{"app_id":"1","app_keys":["stolen"],"typo":1}]}'])
def test_what_was_read_long_ago_comes_to_an_end(kept: Kept, output: Output, document: str) -> None:
    secret = Secret(
        kept.account.secretsmanager, kept.arn, Accounts, kept.clock, grace=3600, wall=kept.clock, vendor="acme"
    )
    secret.accounts()
    kept.put(document)
    for _ in range(11):
        kept.clock.now += MAX_AGE
        assert _keys(secret.accounts()) == ["marker-key-1"]

    kept.clock.now += MAX_AGE
    with pytest.raises(Unavailable, match="3600 s"):
        secret.accounts()
    assert output.counted[Count.SECRET_UNUSABLE] == 12
    kept.put(TWO)
    kept.clock.now += MIN_AGE
    assert _keys(secret.accounts()) == ["marker-key-2"]


# ─── One bad account ──────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = {"app_id": "good", "app_keys": ["marker-good"]}


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ({"app_id": "2", "app_keys": [""]}, "accounts.0.app_keys.0: Value error, is empty"),
        ({"app_id": "2", "app_keys": [" \n"]}, "accounts.0.app_keys.0: Value error, is empty"),
        ({"app_id": "2", "app_keys": []}, "accounts.0.app_keys"),
        ({"app_id": "2", "app_keys": ["marker-x"], "typo": 1}, "accounts.0.typo"),
        ({"app_id": "", "app_keys": ["marker-x"]}, "accounts.0.app_id"),
        ("marker", "accounts.0"),
    ],
)
def test_one_bad_account_does_not_spoil_the_document(kept: Kept, output: Output, bad: object, fault: str) -> None:
    kept.put({"accounts": [bad, GOOD]})

    assert [account.app_id for account in kept.secret.accounts().accounts] == ["good"]
    assert any(fault in line["faults"] for line in output.logged if "faults" in line)
    assert output.counted[Count.SECRET_UNUSABLE] == 1
    assert "marker" not in output.read()


@pytest.mark.parametrize(
    ("second", "field"),
    [
        ({"app_id": "good", "app_keys": ["marker-2"]}, "app_id"),
        ({"app_id": "2", "app_keys": ["marker-good"]}, "app_keys"),
    ],
)
def test_an_account_with_the_name_or_a_key_of_another_is_refused_by_name(
    kept: Kept, output: Output, second: dict[str, Any], field: str
) -> None:
    kept.put({"accounts": [GOOD, second, {"app_id": "3", "app_keys": ["marker-3"]}]})

    assert [account.app_id for account in kept.secret.accounts().accounts] == ["good", "3"]
    assert any(
        f"accounts.1: its {field} stands in accounts.0 as well" in line.get("faults", "") for line in output.logged
    )
    assert "marker" not in output.read()


def test_a_key_is_taken_without_the_blanks_around_it(kept: Kept) -> None:
    kept.put({"accounts": [{"app_id": "1", "app_keys": [" marker-1\n"]}]})

    assert _keys(kept.secret.accounts()) == ["marker-1"]


LONG = "marker-0123456789abcdef-0123456789"
with_tokens = pytest.mark.parametrize(
    "vendor", [vendor for vendor in vendor_names() if "tokens" in vendor_tests(vendor).SECRET["accounts"][0]]
)
"""Every vendor whose pushes have a token of ours in their path."""


def _read(vendor: str, *tokens: list[str]) -> tuple[list[list[str]], list[str]]:
    """The tokens of the accounts that are usable, of as many as there are lists of tokens; and the faults."""
    model = type(vendor_tests(vendor).rig().accounts.known)
    (name, _), *_ = vendor_tests(vendor).SECRET["accounts"][0].items()
    entries = [{name: str(number), "tokens": live} for number, live in enumerate(tokens)]
    accounts, faults = usable(json.dumps({"accounts": entries}), model)
    return [[one.get_secret_value() for one in account.tokens] for account in accounts.accounts], faults


@with_tokens
@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("1", "is shorter than 20 characters"),
        (f" {'a' * 19}\n", "is shorter than 20 characters"),
        ("", "is empty"),
        (" \t", "is empty"),
        ("marker/0123456789abcdef", "has other characters"),
        ("marker 0123456789abcdef", "has other characters"),
        ("märker-0123456789abcdef", "has other characters"),
        ("marker-0123456789abcdef%2e", "has other characters"),
    ],
)
def test_a_token_of_ours_that_may_be_guessed_or_fits_no_path_is_refused_by_name(
    vendor: str, token: str, fault: str
) -> None:
    # S13: "1" was one, and opened doors. The account beside it is as good as ever.
    accounts, faults = _read(vendor, [LONG], [token])

    assert accounts == [[LONG]]
    assert any(told.startswith("accounts.1.tokens.0: ") and fault in told for told in faults)
    assert "marker" not in "".join(faults)


@with_tokens
def test_a_token_of_ours_that_two_have_is_refused_by_name(vendor: str) -> None:
    accounts, faults = _read(vendor, [LONG], ["b" * 20, f"{LONG}\n"])

    assert accounts == [[LONG]]
    assert faults == ["accounts.1: its tokens stands in accounts.0 as well"]


@with_tokens
@pytest.mark.parametrize(
    "token", ["a" * 20, "-_" * 10, f"\n {LONG} ", pytest.param(secrets.token_urlsafe(24), id="new")]
)
def test_a_token_as_the_readmes_make_it_is_taken_without_the_blanks_around_it(vendor: str, token: str) -> None:
    assert _read(vendor, [token]) == ([[token.strip()]], [])


def test_where_no_account_is_usable_nothing_is(kept: Kept) -> None:
    kept.put({"accounts": [{"app_id": "1", "app_keys": [""]}]})

    with pytest.raises(WrongSetting, match=r"accounts\.0\.app_keys\.0"):
        kept.secret.accounts()
