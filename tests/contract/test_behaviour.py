"""Behaviour of every vendor's function: the samples of events/<vendor> on fakes."""

import base64
import hashlib
import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import botocore.session
import pytest
from pydantic import BaseModel, JsonValue, SecretStr

from gatehouse import aws, edge
from gatehouse.errors import NOT_AUTHENTIC, Reason
from gatehouse.events import CloudEvent, Notice
from gatehouse.gate import Gate, Vendor
from gatehouse.settings import Announce, VendorSettings
from gatehouse.vocabulary import NoticeKind
from tests import vendor_files
from tests.fakes import FakeAccounts, FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.rejections import rejections
from tests.settings import settings_of
from tests.template.driver import deployed
from tests.template.stack import ROOT, Stack
from tests.vendor_files import Document

_FUNCTIONS: Final = {function.properties["Handler"]: function for function in Stack().functions()}
_REFUSED: Final = {
    "future": Reason.FUTURE,
    "missing-signature": Reason.MISSING_SIGNATURE,
    "stale": Reason.STALE,
    "tampered": Reason.WRONG_SIGNATURE,
    "unknown-account": Reason.UNKNOWN_ACCOUNT,
}
# The gate's answer where AWS takes an event nowhere: only the vendor's own retry is left.
_AGAIN: Final = (503, {"error": {"reason": "unavailable", "message": "not taken: please send it again"}})
_GARBAGE: Final = {
    "nothing": b"",
    "a null byte": b"\x00",
    "no utf-8": b"\xff\xfe\xfd",
    "half a json": b'{"a":',
    "a json null": b"null",
    "a json list": b"[1]",
    "deep json": b"[" * 30_000,
    "a surrogate": b'{"a": "\\ud800"}',
    "a form": b"a=1&b=2",
    "a form twice": b"a=1&a=1",
    "ampersands": b"&" * 1_000,
    "an equals sign": b"=",
    "percent signs": b"%zz=%ff",
}

every_vendor = pytest.mark.parametrize("vendor", vendor_files.vendors(ROOT))
every_valid_sample = pytest.mark.parametrize(
    ("vendor", "sample"),
    [(vendor, sample) for vendor in vendor_files.vendors(ROOT) for sample in vendor_files.valid_samples(ROOT, vendor)],
)
every_silent_sample = pytest.mark.parametrize(
    ("vendor", "sample"),
    [(vendor, sample) for vendor in vendor_files.vendors(ROOT) for sample in vendor_files.silent_samples(ROOT, vendor)],
)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS that has what the template makes: a push that is no event may be noted elsewhere than on the fakes."""
    clients: Any = aws.client
    with deployed(Stack()):
        session = botocore.session.get_session()
        monkeypatch.setattr("gatehouse.aws.session", lambda: session)
        clients.cache_clear()
        yield
        clients.cache_clear()


def bound_by(rule: str) -> pytest.MarkDecorator:
    """Every vendor that is not exempt from a rule."""
    return pytest.mark.parametrize("vendor", vendor_files.bound_by(ROOT, rule))


def _settings(vendor: str) -> VendorSettings:
    """A vendor's settings, as the template makes them."""
    module = importlib.import_module(f"functions.{vendor}.handler")
    settings = settings_of(module).read(_FUNCTIONS[f"{module.__name__}.lambda_handler"].environment)
    assert isinstance(settings, VendorSettings)
    return settings


def _supplied(vendor: str) -> Vendor[Any, Any]:
    """The vendor as its module supplies it."""
    supplied: Vendor[Any, Any] = importlib.import_module(f"functions.{vendor}.handler").vendor(_settings(vendor))
    return supplied


def _secret(vendor: str) -> Document:
    document: Document = json.loads((ROOT / "events" / vendor / "secret.json").read_text())
    return document


def _event(vendor: str, sample: str) -> Document:
    event: Document = json.loads(vendor_files.samples(ROOT, vendor)[sample].read_text())
    return event


def _with_body(event: Document, body: bytes) -> Document:
    return {**event, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}


@dataclass
class Rig:
    """A vendor's function in front of fakes."""

    vendor: str
    secret: Document
    store: FakeStore = field(default_factory=FakeStore)
    topics: FakeTopics = field(default_factory=FakeTopics)
    spill: FakeSpill = field(default_factory=FakeSpill)
    media: FakeMedia = field(default_factory=FakeMedia)

    def __post_init__(self) -> None:
        supplied = _supplied(self.vendor)
        self.accounts = supplied.accounts.model_validate_json(json.dumps(self.secret))
        gate = Gate(self.store, self.topics, self.spill, Announce.INLINE, self.media)
        base_url = _settings(self.vendor).public_base_url
        self.handler = edge.handler(supplied, gate, FakeAccounts(self.accounts), base_url)

    def send(self, event: Document) -> Document:
        """The answer to a push."""
        return self.handler(event, None)

    def events(self) -> list[CloudEvent]:
        """The recorded events."""
        return [CloudEvent.model_validate_json(record.body) for record in self.store.records.values()]

    def is_untouched(self) -> bool:
        """True where nothing was recorded, published, stored or spilled."""
        events = self.store.records or self.topics.messages or self.spill.messages
        return not (events or self.media.pictures or self.spill.pictures)


def rig(vendor: str) -> Rig:
    """A vendor's function with the accounts of its samples."""
    return Rig(vendor, _secret(vendor))


def _is_taken(answer: Document) -> bool:
    return answer["statusCode"] in range(200, 300)


@every_vendor
def test_a_handler_is_what_lambda_calls_and_is_named_after_its_folder(vendor: str) -> None:
    module = importlib.import_module(f"functions.{vendor}.handler")
    assert callable(module.lambda_handler)
    assert _supplied(vendor).name == vendor


# ─── What is taken ────────────────────────────────────────────────────────────────────────────────────────────────


@every_valid_sample
def test_a_valid_push_is_acknowledged_in_the_vendors_own_words(vendor: str, sample: str) -> None:
    answer = rig(vendor).send(_event(vendor, sample))
    assert _is_taken(answer)
    own = vendor_files.answers(ROOT, vendor).get(sample, {"taken": _supplied(vendor).acknowledgement})
    assert (json.loads(answer["body"]) if answer["body"] else "") == own["taken"]
    assert answer["headers"]["content-type"] == "application/json"


@every_valid_sample
def test_a_valid_push_is_understood_recorded_and_published(vendor: str, sample: str) -> None:
    on = rig(vendor)
    on.send(_event(vendor, sample))
    events = on.events()
    assert events
    assert [message.id for message in on.topics.messages] == [event.id for event in events]
    assert on.store.published == {event.id for event in events}
    assert on.spill.messages == []
    assert all(not _is_unmapped(event) for event in events)


@every_valid_sample
def test_an_event_says_whose_it_is_and_when_it_arrived(vendor: str, sample: str) -> None:
    on = rig(vendor)
    push = _event(vendor, sample)
    on.send(push)
    accounts = json.dumps(_secret(vendor))
    for event in on.events():
        assert event.type == f"gatehouse.{event.data.topic}.v1"
        assert event.id.startswith(f"{vendor}-")
        assert event.data.vendor == vendor
        assert f'"{event.data.account}"' in accounts
        assert int(event.data.received_at.timestamp() * 1000) == push["requestContext"]["timeEpoch"]
        assert event.data.payload is not None


@every_valid_sample
def test_the_pictures_of_an_event_are_stored_as_it_says_and_no_others(vendor: str, sample: str) -> None:
    on = rig(vendor)
    on.send(_event(vendor, sample))
    pictures = [picture for event in on.events() for picture in getattr(event.data, "pictures", ())]
    stored = {key: (upload.content_type, len(upload.data), upload.data) for key, upload in on.media.pictures.items()}
    copied = [picture for picture in pictures if picture.key]
    assert {picture.key for picture in copied} == stored.keys()
    assert all(picture.reference for picture in pictures if not picture.key)
    for picture in copied:
        content_type, size, data = stored[picture.key]
        assert (picture.content_type, picture.size) == (content_type, size)
        assert picture.sha256 == hashlib.sha256(data).hexdigest()
        assert base64.b64encode(data).decode() not in on.store.records[str(picture.key).split("/")[-2]].body


@every_vendor
def test_every_sample_comes_on_a_route_of_its_function(vendor: str) -> None:
    function = _FUNCTIONS[f"functions.{vendor}.handler.lambda_handler"]
    routes = {f"{event['Method']} {event['Path']}" for event in function.events_of("HttpApi")}
    assert {_event(vendor, sample)["routeKey"] for sample in vendor_files.samples(ROOT, vendor)} <= routes


@every_valid_sample
def test_a_push_that_comes_twice_is_recorded_and_published_once(vendor: str, sample: str) -> None:
    on = rig(vendor)
    first = on.send(_event(vendor, sample))
    events = on.events()
    assert on.send(_event(vendor, sample)) == first
    assert on.events() == events
    assert len(on.topics.messages) == len(events)


@bound_by("duplicate")
def test_a_later_delivery_of_the_same_happening_is_acknowledged_and_nothing_more(vendor: str) -> None:
    on = rig(vendor)
    alone = rig(vendor)
    for sample in vendor_files.valid_samples(ROOT, vendor):
        on.send(_event(vendor, sample))
    known, messages = set(on.store.records), len(on.topics.messages)
    again = _event(vendor, "duplicate")
    assert all(again != _event(vendor, sample) for sample in vendor_files.valid_samples(ROOT, vendor))
    assert _is_taken(on.send(again))
    assert (set(on.store.records), len(on.topics.messages)) == (known, messages)
    # And not because it meant nothing.
    alone.send(again)
    assert alone.store.records.keys() <= known
    assert alone.store.records


@every_vendor
def test_no_two_valid_samples_are_one_happening(vendor: str) -> None:
    alone = []
    for sample in vendor_files.valid_samples(ROOT, vendor):
        on = rig(vendor)
        on.send(_event(vendor, sample))
        alone += list(on.store.records)
    assert len(alone) == len(set(alone))


@bound_by("rotated")
def test_a_push_signed_with_the_older_of_two_live_secrets_is_accepted(vendor: str) -> None:
    on = rig(vendor)
    assert _is_taken(on.send(_event(vendor, "rotated")))
    assert on.events()


@bound_by("rotated")
def test_a_push_signed_with_a_withdrawn_secret_is_refused(vendor: str) -> None:
    """The older one stands behind the newer one."""
    accounts = [
        {name: value[:1] if isinstance(value, list) else value for name, value in account.items()}
        for account in _secret(vendor)["accounts"]
    ]
    on = Rig(vendor, {"accounts": accounts})
    assert on.send(_event(vendor, "rotated"))["statusCode"] == 401
    assert on.is_untouched()


@pytest.mark.usefixtures("account")
@every_silent_sample
def test_a_push_that_is_no_event_of_its_own_is_acknowledged_as_often_as_it_comes_and_leaves_nothing(
    vendor: str, sample: str
) -> None:
    on = rig(vendor)
    for _ in range(2):
        answer = on.send(_event(vendor, sample))
        assert _is_taken(answer)
        assert json.loads(answer["body"]) == _supplied(vendor).acknowledgement
        assert answer["headers"]["content-type"] == "application/json"
        assert on.is_untouched()


@every_silent_sample
def test_a_push_that_is_no_event_of_its_own_is_refused_where_nobody_is_known(vendor: str, sample: str) -> None:
    on = Rig(vendor, {"accounts": []})
    assert on.send(_event(vendor, sample))["statusCode"] == 401
    assert on.is_untouched()


# ─── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("vendor", "sample"), [(vendor, sample) for sample in _REFUSED for vendor in vendor_files.bound_by(ROOT, sample)]
)
def test_a_push_that_is_not_authentic_is_refused_with_its_reason_and_leaves_nothing(vendor: str, sample: str) -> None:
    on = rig(vendor)
    with rejections() as reasons:
        answer = on.send(_event(vendor, sample))
    assert reasons == [_REFUSED[sample]]
    assert answer["statusCode"] == 401
    error = json.loads(answer["body"])["error"]
    assert error["reason"] == (_REFUSED[sample] if _REFUSED[sample].may_be_told else NOT_AUTHENTIC)
    assert error["message"]
    assert on.is_untouched()


def test_no_answer_tells_a_stranger_which_account_there_is_at_any_vendor() -> None:
    answers = [
        rig(vendor).send(_event(vendor, sample))
        for sample, reason in _REFUSED.items()
        for vendor in vendor_files.bound_by(ROOT, sample)
        if not reason.may_be_told
    ]
    assert len(answers) > len(vendor_files.vendors(ROOT))
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize(
    ("vendor", "sample"),
    [(vendor, sample) for sample in ("stale", "future") for vendor in vendor_files.bound_by(ROOT, sample)],
)
def test_a_push_out_of_time_would_have_been_taken_in_time(vendor: str, sample: str) -> None:
    """So that it is the time, and nothing else, that is wrong with it."""
    event = _event(vendor, sample)
    request = event["requestContext"]
    hour = 3_600_000
    earlier_and_later = range(request["timeEpoch"] - hour, request["timeEpoch"] + hour, 10_000)
    answers = [
        rig(vendor).send({**event, "requestContext": {**request, "timeEpoch": moment}}) for moment in earlier_and_later
    ]
    assert any(map(_is_taken, answers))


@pytest.mark.parametrize("body", _GARBAGE.values(), ids=list(_GARBAGE))
@bound_by("garbage")
def test_garbage_in_place_of_a_body_is_refused_and_leaves_nothing(vendor: str, body: bytes) -> None:
    for sample in vendor_files.valid_samples(ROOT, vendor):
        on = rig(vendor)
        answer = on.send(_with_body(_event(vendor, sample), body))
        assert 400 <= answer["statusCode"] < 500
        assert json.loads(answer["body"])["error"]["reason"] in {*Reason, NOT_AUTHENTIC}
        assert on.is_untouched()


@every_valid_sample
def test_a_body_that_is_not_the_base64_it_is_said_to_be_is_refused(vendor: str, sample: str) -> None:
    on = rig(vendor)
    answer = on.send({**_event(vendor, sample), "body": "%%%", "isBase64Encoded": True})
    assert answer["statusCode"] == 400
    assert on.is_untouched()


@every_valid_sample
def test_a_body_beyond_the_limit_is_refused_unread(vendor: str, sample: str) -> None:
    on = rig(vendor)
    answer = on.send(_with_body(_event(vendor, sample), b"a" * (_supplied(vendor).body_limit + 1)))
    assert answer["statusCode"] == 413
    assert json.loads(answer["body"])["error"]["reason"] == Reason.TOO_LARGE
    assert on.is_untouched()


# ─── What is kept although it is not understood, and what is never shown ──────────────────────────────────────────


def _is_unmapped(event: CloudEvent) -> bool:
    return isinstance(event.data, Notice) and event.data.kind is NoticeKind.UNMAPPED


def _opened(on: Rig, event: Document) -> JsonValue:
    """A push's payload, as the vendor's own verify and unwrap find it."""
    supplied = _supplied(on.vendor)
    push = edge.push(event, _settings(on.vendor).public_base_url)
    payload: JsonValue = supplied.unwrap(push, supplied.verify(push, on.accounts)).payload
    return payload


@bound_by("unmapped")
def test_a_push_that_is_not_understood_is_acknowledged_and_kept_whole(vendor: str) -> None:
    on = rig(vendor)
    event = _event(vendor, "unmapped")
    assert _is_taken(on.send(event))
    (kept,) = on.events()
    assert _is_unmapped(kept)
    assert kept.data.payload == _opened(on, event)
    assert kept.data.payload
    assert [message.id for message in on.topics.messages] == [kept.id]


@bound_by("unreadable")
def test_a_push_that_nobody_can_read_is_acknowledged_and_kept_where_no_subscriber_looks(vendor: str) -> None:
    on = rig(vendor)
    event = _event(vendor, "unreadable")
    assert _is_taken(on.send(event))
    (kept,) = on.events()
    assert _is_unmapped(kept)
    assert kept.data.payload is None
    assert kept.data.body is not None
    (upload,) = on.media.pictures.values()
    assert upload.key == kept.data.body.key
    assert upload.key.startswith(f"unreadable/{vendor}/")
    assert hashlib.sha256(upload.data).hexdigest() == kept.data.body.sha256
    assert [message.id for message in on.topics.messages] == [kept.id]


def _credentials(accounts: object) -> Iterator[str]:
    """The secrets in a vendor's accounts, however deep."""
    if isinstance(accounts, SecretStr):
        yield accounts.get_secret_value()
    if isinstance(accounts, BaseModel):
        for _, value in accounts:
            yield from _credentials(value)
    if isinstance(accounts, Mapping):
        yield from _credentials(tuple(accounts.values()))
    if isinstance(accounts, tuple | list | frozenset):
        for value in accounts:
            yield from _credentials(value)


@pytest.mark.usefixtures("account")
@every_vendor
def test_no_credential_gets_into_an_answer_or_an_event(vendor: str) -> None:
    on = rig(vendor)
    answers = [json.dumps(on.send(_event(vendor, sample))) for sample in vendor_files.samples(ROOT, vendor)]
    shown = "".join([*answers, *(record.body for record in on.store.records.values())])
    credentials = list(_credentials(on.accounts))
    assert credentials
    assert [credential for credential in credentials if credential in shown] == []


@every_valid_sample
def test_aws_failing_altogether_makes_the_vendor_send_again(vendor: str, sample: str) -> None:
    on = rig(vendor)
    on.store.down = on.spill.down = on.media.down = True
    answer = on.send(_event(vendor, sample))
    own = vendor_files.answers(ROOT, vendor).get(sample, {})
    expected = (200, own["not_kept"]) if "not_kept" in own else _AGAIN
    assert (answer["statusCode"], json.loads(answer["body"])) == expected
