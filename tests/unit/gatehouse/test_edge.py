"""The Lambda's edge: an event of API Gateway in, an answer out, and nothing of a push in logs and metrics."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue

from gatehouse import edge
from gatehouse.errors import (
    NOT_AUTHENTIC,
    GatehouseError,
    NotReadable,
    NotUnderstood,
    Reason,
    Rejected,
    Unavailable,
    WrongSetting,
)
from gatehouse.events import CloudEvent
from gatehouse.gate import Gate, Push, Unwrapped, Vendor
from gatehouse.settings import Announce, VendorSettings
from gatehouse.telemetry import Count, count
from ops.simulators import Request
from tests import styles
from tests.builders import ENVIRONMENT, NOW, URL, api_event
from tests.fakes import FakeAccounts, FakeMedia
from tests.output import Output
from tests.rig import Rig

# ─── The push in an event ─────────────────────────────────────────────────────────────────────────────────────────────


def _event(**changes: Any) -> dict[str, Any]:
    return {
        **api_event(Request(URL + "/v1/acme", b"body", {"X-Name": "word", "content-type": "text/plain"})),
        **changes,
    }


def test_a_push_is_what_arrived() -> None:
    assert edge.push(_event()) == Push(
        method="POST",
        urls=("https://push.example.com/v1/acme",),
        headers={"x-name": "word", "content-type": "text/plain"},
        body=b"body",
        received_at=NOW,
    )


def test_a_body_in_base64_is_decoded() -> None:
    body = bytes(range(256))

    assert edge.push(_event(body=base64.b64encode(body).decode(), isBase64Encoded=True)).body == body


@pytest.mark.parametrize(
    "event", [_event(body=None), _event(body=""), {k: v for k, v in _event().items() if k != "body"}]
)
def test_a_missing_body_is_an_empty_one(event: dict[str, Any]) -> None:
    assert edge.push(event).body == b""


def test_a_missing_header_list_is_an_empty_one() -> None:
    assert edge.push({name: value for name, value in _event().items() if name != "headers"}).headers == {}


@pytest.mark.parametrize("body", ["=", "AAA", "A===", "a b=", "AAAA\n", "设备", "\ud800", "AAAA=AAA", "*" * 70_000])
def test_a_body_that_is_not_the_base64_it_is_said_to_be_is_rejected(body: str) -> None:
    with pytest.raises(Rejected) as caught:
        edge.push(_event(body=body, isBase64Encoded=True))
    assert caught.value.reason is Reason.MALFORMED


def test_a_body_that_has_no_bytes_is_rejected() -> None:
    with pytest.raises(Rejected):
        edge.push(_event(body="a\ud800"))


@pytest.mark.parametrize("base", ["https://gate.example.com", "https://gate.example.com/"])
def test_the_address_is_the_one_that_the_vendor_was_given(base: str) -> None:
    assert edge.push(_event(rawQueryString="a=%20&b"), base).urls == ("https://gate.example.com/v1/acme?a=%20&b",)


def test_without_one_it_is_the_gateways_own() -> None:
    assert edge.push(_event(rawQueryString="a=1")).urls == ("https://push.example.com/v1/acme?a=1",)


@pytest.mark.parametrize(
    ("base", "raw", "told"),
    [
        ("", "/v1/acme", "/hooks/v1/acme"),
        ("", "/hooks/v1/acme", "/v1/acme"),
        ("https://push.example.com", "/v1/acme", "/hooks/v1/acme"),
        ("https://push.example.com/hooks", "/v1/acme", "/v1/acme"),
        ("https://push.example.com/hooks/", "/hooks/v1/acme", "/hooks/v1/acme"),
    ],
)
def test_the_key_of_a_custom_domains_mapping_is_in_one_of_the_addresses(base: str, raw: str, told: str) -> None:
    event = _event(rawPath=raw)
    event["requestContext"]["http"]["path"] = told

    assert "https://push.example.com/hooks/v1/acme" in edge.push(event, base).urls


def test_the_time_of_arrival_is_the_gateways() -> None:
    event = _event()
    event["requestContext"]["timeEpoch"] = 1782907200123

    assert edge.push(event).received_at == datetime(2026, 7, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def test_path_parameters_are_handed_on() -> None:
    assert edge.push(_event(pathParameters={"token": "t"})).path_parameters == {"token": "t"}
    assert edge.push(_event(pathParameters=None)).path_parameters == {}


def test_a_header_that_has_no_bytes_does_not_stop_the_push() -> None:
    push = edge.push(_event(headers={"X-Odd": "a\ud800b"}, rawQueryString="\udfff"))

    assert push.headers == {"x-odd": "a?b"}
    assert all(url.encode() for url in push.urls)


@pytest.mark.parametrize("encoding", styles.ENCODINGS)
def test_a_content_encoding_is_undone(encoding: str) -> None:
    request = styles.encoded(Request(URL + "/v1/acme", b"body" * 100, {}), encoding)

    assert edge.push(api_event(request)).body == b"body" * 100


def test_a_body_that_is_too_large_when_it_is_decompressed_is_rejected() -> None:
    request = styles.encoded(Request(URL + "/v1/acme", b"0" * 10_000_001, {}), "gzip")

    with pytest.raises(Rejected, match="10000000 bytes") as caught:
        edge.push(api_event(request), limit=10_000_000)
    assert caught.value.reason is Reason.TOO_LARGE
    assert edge.push(api_event(request), limit=10_000_001).body == b"0" * 10_000_001


# ─── The answer ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Nobody(BaseModel):
    """The secret of an invented vendor: it has no fields."""


class Known:
    """The result of verifying: the account."""

    account = "A1"


def _rig(
    verify: Callable[[Push, Nobody], Known] = lambda _push, _accounts: Known(),
    normalise: Callable[..., Any] = lambda _payload, _builder, _verified: [],
    unwrap: Callable[[Push, Known], Unwrapped] = lambda push, _verified: Unwrapped(
        push.body.decode(), [push.body.decode()]
    ),
) -> Rig[Nobody]:
    vendor = _vendor(verify, normalise, unwrap)
    return Rig(lambda gate, accounts: edge.handler(vendor, gate, accounts, ""), FakeAccounts(Nobody()))


def _vendor(
    verify: Callable[[Push, Nobody], Known] = lambda _push, _accounts: Known(),
    normalise: Callable[..., Any] = lambda _payload, _builder, _verified: [],
    unwrap: Callable[[Push, Known], Unwrapped] = lambda push, _verified: Unwrapped(
        push.body.decode(), [push.body.decode()]
    ),
) -> Vendor[Nobody, Known]:
    return Vendor[Nobody, Known](
        name="acme",
        accounts=Nobody,
        verify=verify,
        unwrap=unwrap,
        normalise=normalise,
        acknowledgement={"ok": True},
    )


def test_an_answer_is_the_vendors_own_acknowledgement_in_json() -> None:
    answer = _rig().handle(_event())

    assert (answer.status, answer.body) == (200, {"ok": True})


@pytest.mark.parametrize("reason", Reason)
def test_a_rejection_is_answered_in_json_with_its_reason_and_counted(reason: Reason, output: Output) -> None:
    def refuse(_push: Push, _accounts: Nobody) -> Known:
        raise Rejected(reason, "acme: sorry, 412 s")

    rig = _rig(verify=refuse)
    answer = rig.handle(_event())

    assert 400 <= answer.status < 500
    if reason.may_be_told:
        assert answer.body == {"error": {"reason": reason, "message": "acme: sorry, 412 s"}}
    assert rig.is_untouched
    (line,) = output.logged
    assert (line["level"], line["message"], line["reason"]) == ("WARNING", "rejected", reason)
    (metric,) = (line for line in output.lines if "_aws" in line)
    assert (metric["vendor"], metric["reason"], metric["Rejected"]) == ("acme", reason, [1.0])


def test_whoever_shows_no_credential_gets_one_answer_letter_by_letter_whatever_was_wrong() -> None:
    # S14: an answer must not tell a stranger which accounts exist.
    def answer(reason: Reason) -> dict[str, Any]:
        def refuse(_push: Push, _accounts: Nobody) -> Known:
            raise Rejected(reason, f"acme: {reason}")

        rig = _rig(verify=refuse)
        gate = Gate(rig.store, rig.topics, rig.spill, Announce.INLINE, FakeMedia())
        return rig.make(gate, rig.accounts)(_event(), None)

    untold = [answer(reason) for reason in Reason if not reason.may_be_told]

    assert len(untold) == 5
    assert [given for given in untold if given != untold[0]] == []
    assert untold[0]["statusCode"] == 401
    assert json.loads(untold[0]["body"])["error"]["reason"] == NOT_AUTHENTIC
    assert {reason for reason in Reason if reason.status == 401 and reason.may_be_told} == {Reason.STALE, Reason.FUTURE}


@pytest.mark.parametrize("error", [Unavailable("GetSecretValue"), WrongSetting("secret: accounts")])
def test_what_is_our_fault_asks_the_vendor_to_send_again(error: GatehouseError, output: Output) -> None:
    def fail(_push: Push, _accounts: Nobody) -> Known:
        raise error

    answer = _rig(verify=fail).handle(_event())

    assert (answer.status, answer.reason) == (503, "unavailable")
    assert str(error) not in json.dumps(answer.body)
    assert [line["level"] for line in output.logged] == ["ERROR"]
    assert output.counted == {Count.FAILED: 1}


def test_a_bug_of_ours_asks_the_vendor_to_send_again_and_tells_where_it_was_and_not_what(output: Output) -> None:
    def fail(_push: Push, _accounts: Nobody) -> Known:
        raise KeyError("marker")

    answer = _rig(verify=fail).handle(_event(body="marker"))

    assert (answer.status, answer.reason) == (500, "internal")
    (line,) = output.logged
    assert (line["message"], line["error"]) == ("failed", "KeyError")
    assert line["where"][-1].endswith(" fail")
    assert "test_edge.py" in line["where"][-1]
    assert output.counted == {Count.FAILED: 1}
    assert "marker" not in output.read() + json.dumps(answer.body)


@pytest.mark.parametrize("error", [NotUnderstood("not in our tables"), KeyError("marker"), RecursionError("marker")])
def test_whatever_goes_wrong_in_our_tables_keeps_the_push(error: Exception, output: Output) -> None:
    def fail(_payload: JsonValue, _receipt: object) -> Any:
        raise error

    rig = _rig(normalise=fail)

    assert rig.handle(_event()).status == 200
    assert (rig.event["data"]["kind"], rig.event["data"]["payload"]) == ("unmapped", "body")
    assert output.counted[Count.UNMAPPED] == 1
    assert "marker" not in output.read() + rig.store.records.popitem()[1].body


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(KeyError("marker"), "KeyError", id="a bug"),
        pytest.param(NotUnderstood("no form of ours"), "no form of ours", id="not understood"),
        pytest.param(NotReadable("no text"), "no text", id="not readable"),
    ],
)
def test_a_push_that_cannot_be_unwrapped_is_kept_where_no_subscriber_looks(
    error: Exception, reason: str, output: Output
) -> None:
    def fail(_push: Push, _verified: Known) -> Unwrapped:
        raise error

    rig = _rig(unwrap=fail)

    assert rig.handle(_event(body="marker")).status == 200
    data = rig.event["data"]
    assert (data["kind"], data["reason"], "payload" in data) == ("unmapped", reason, False)
    assert rig.media.pictures[data["body"]["key"]].data == b"marker"
    assert output.counted[Count.UNMAPPED] == 1
    assert "marker" not in output.read() + rig.store.records.popitem()[1].body


def test_the_evidence_of_a_push_is_read_once_whatever_becomes_of_it() -> None:
    read: list[bytes] = []

    def evidence(push: Push, _verified: Known) -> bytes:
        read.append(push.body)
        return push.body

    def fail(*_: object) -> list[CloudEvent]:
        raise NotUnderstood("in no table")

    vendor = replace(
        _vendor(normalise=fail, unwrap=lambda push, _verified: Unwrapped(push.body.decode())), evidence=evidence
    )
    rig = Rig(lambda gate, accounts: edge.handler(vendor, gate, accounts, ""), FakeAccounts(Nobody()))

    assert rig.handle(_event(body="marker")).status == 200
    assert rig.event["data"]["kind"] == "unmapped"
    assert read == [b"marker"]


def test_a_push_that_means_nothing_is_acknowledged() -> None:
    rig = _rig()

    assert rig.handle(_event()).status == 200
    assert rig.is_untouched


def test_the_log_lines_carry_the_id_of_the_request(output: Output) -> None:
    def refuse(_push: Push, _accounts: Nobody) -> Known:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "acme: nobody")

    _rig(verify=refuse).handle(_event())

    assert [line["correlation_id"] for line in output.logged] == ["JKJaXmPLvHcESHA="]


# ─── On AWS ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_made_is_made_with_the_first_event_and_once() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    handler = edge.triggered(make, lambda event, number: {"answer": number, **event})
    assert made == []

    assert [handler({"a": 1}, None), handler({}, None)] == [{"answer": 1, "a": 1}, {"answer": 1}]


def test_on_lambda_it_is_made_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "acme")
    made: list[int] = []

    edge.triggered(lambda: made.append(1), lambda _event, _made: {})
    assert made == [1]


def test_on_lambda_a_wrong_setting_fails_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "acme")
    for name, value in {**ENVIRONMENT, "SECRET_GRACE": "soon"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(WrongSetting, match="SECRET_GRACE"):
        edge.http(VendorSettings, lambda _settings: _vendor())


def test_what_was_counted_is_written_when_the_invocation_ends_however_it_ends(output: Output) -> None:
    def handle(event: dict[str, Any], _made: None) -> dict[str, Any]:
        count(Count.RECORDED, "acme")
        if event:
            raise SystemExit
        return {}

    handler = edge.triggered(lambda: None, handle)
    handler({}, None)
    with pytest.raises(SystemExit):
        handler({"die": True}, None)

    written = [line["Recorded"] for line in output.lines]
    assert written == [[1.0], [1.0]]
