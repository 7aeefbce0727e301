"""The answer to a terminal that waits: the decider, the content, and the independence from everything else."""

import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.sensepass import handler
from functions.sensepass.door import DecidedBy
from functions.sensepass.rules import Rules, Verdict
from functions.sensepass.wire import Accounts
from gatehouse import edge
from gatehouse.errors import WrongSetting
from gatehouse.gate import Gate
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.telemetry import Count, Span
from gatehouse.vocabulary import Decider
from ops.simulators import Request
from ops.simulators.sensepass import BLOCKLISTED, NOT_LIVE, STAFF, STRANGER, VISITOR, Firmware, Person
from tests.builders import NOW, URL, api_event, rules_document, seconds
from tests.fakes import FakeAccounts, FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output
from tests.rig import Answered, Rig
from tests.template.stack import ROOT
from tests.vendors.sensepass import SENSEPASS_ENVIRONMENT, SERIAL, SITE, rules_of, sensepass_rig, terminal

WAITING: dict[str, Firmware] = {"a record of V1.0": "1.0", "V1.1": "1.1", "V1.2.1": "1.2.1", "V1.3": "1.3"}
each_that_waits = pytest.mark.parametrize("firmware", WAITING.values(), ids=WAITING)
STAFF_ONLY = rules_document(staff=({"pass": True, "tip": "Hello"}, [("EQUALS", "kind", "staff")]))


def _asks(firmware: Firmware = "1.3", person: Person = STAFF, **more: Any) -> Request:
    """A terminal that waits for the answer: V1.0 with the record itself, later firmware with a call of its own."""
    door = terminal(firmware)
    fields = {"rgb_image": " ", **more}
    return door.upload(person, **fields) if firmware == "1.0" else door.question(person, **fields)


def _passes(answer: Answered) -> bool:
    assert answer.status == 200
    passed = answer.body["data"]["pass"]
    assert isinstance(passed, bool)
    return passed


class BrokenRules(Rules):
    """Rules that cannot be evaluated."""

    def __init__(self) -> None:
        super().__init__(lambda: "{}")

    def verdict(self, context: Mapping[str, object]) -> Verdict | None:
        raise RuntimeError(str(context))


# ─── The terminal decides ─────────────────────────────────────────────────────────────────────────────────────────────


@each_that_waits
@pytest.mark.parametrize(
    ("person", "passed"),
    [(STAFF, True), (VISITOR, True), (STRANGER, False), (NOT_LIVE, False), (BLOCKLISTED, False)],
)
def test_by_default_it_is_what_the_terminal_concluded(
    sensepass: Rig[Any], firmware: Firmware, person: Person, passed: bool
) -> None:
    assert _passes(sensepass.send(_asks(firmware, person))) is passed

    data = sensepass.event["data"]
    assert data["decision"] == {"allowed": passed, "by": "terminal", "milliseconds": 20}
    assert data["outcome"] == ("granted" if passed else "denied")


@each_that_waits
def test_what_the_terminal_says_outright_goes_before_what_it_saw(sensepass: Rig[Any], firmware: Firmware) -> None:
    assert not _passes(sensepass.send(_asks(firmware, STAFF, **{"pass": False})))
    assert _passes(sensepass.send(_asks(firmware, Person(4, 1, passed=True), **{"pass": True})))


@each_that_waits
@pytest.mark.parametrize("in_doubt", ["deny", "allow"])
def test_where_the_terminal_concludes_nothing_the_setting_answers(firmware: Firmware, in_doubt: str) -> None:
    rig = sensepass_rig(in_doubt=in_doubt)

    says_nothing: dict[str, Any] = {"recognizeStatus": 0, "pass": None}
    assert _passes(rig.send(_asks(firmware, **says_nothing))) is (in_doubt == "allow")
    assert rig.event["data"]["decision"]["by"] == "doubt"


# ─── The rules decide ─────────────────────────────────────────────────────────────────────────────────────────────────


@each_that_waits
@pytest.mark.parametrize(("person", "passed"), [(STAFF, True), (VISITOR, False), (STRANGER, False)])
def test_rules_decide_by_the_kind_of_person(firmware: Firmware, person: Person, passed: bool) -> None:
    rig = sensepass_rig(decision="rules", rules=rules_of(STAFF_ONLY))

    answer = rig.send(_asks(firmware, person))

    assert _passes(answer) is passed
    assert answer.body["data"]["customtips"] == ("Hello" if passed else "")
    assert rig.event["data"]["decision"] == {
        "allowed": passed,
        "by": "rules",
        **({"rule": "staff"} if passed else {}),
        "milliseconds": 20,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "staff"),
        ("user_id", "17"),
        ("group", "3"),
        ("card", "40017"),
        ("terminal", SERIAL),
        ("site", "north"),
        ("method", "face"),
        ("mask", "not_worn"),
        ("anomaly", "none"),
        ("terminal_says", True),
    ],
)
def test_rules_can_ask_for(key: str, value: object) -> None:
    rules = rules_of(rules_document(found=(True, [("EQUALS", key, value)])))
    rig = sensepass_rig(decision="rules", rules=rules)

    assert _passes(rig.send(_asks()))
    assert rig.event["data"]["decision"]["rule"] == "found"


def test_rules_can_ask_for_the_temperature() -> None:
    rules = rules_of(rules_document(True, fever=(False, [("KEY_GREATER_THAN_VALUE", "temperature", 37.5)])))
    rig = sensepass_rig(decision="rules", rules=rules)

    assert not _passes(rig.send(_asks(bodyTemperature=38.1)))
    assert _passes(rig.send(_asks(bodyTemperature=36.4)))


@pytest.mark.parametrize("action", ["EQUALS", "NOT_EQUALS", "IN", "NOT_IN", "KEY_NOT_IN_VALUE"])
def test_a_condition_on_what_is_not_known_does_not_match(action: str) -> None:
    value = ["3"] if "IN" in action else "3"
    rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(guests=(True, [(action, "group", value)]))))

    assert not _passes(rig.send(_asks(person=STRANGER)))


@each_that_waits
def test_a_terminals_no_is_overruled_by_a_rule_that_says_so_and_by_no_other(firmware: Firmware) -> None:
    """Security S2: a person who was taken for staff and failed the check is not let in by the rule for the staff."""
    by_name = {"pass": True, "even_if_refused": True}
    for verdict, opens in ((True, False), ({"pass": True, "tip": "Hello"}, False), (by_name, True)):
        rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(verdict)))
        assert _passes(rig.send(_asks(firmware, person=BLOCKLISTED))) is opens
        decision = rig.event["data"]["decision"]
        assert (decision["allowed"], decision["by"]) == (opens, "rules" if opens else "terminal")


def test_a_stranger_is_let_in_by_a_rule() -> None:
    """An unknown person is not a refusal by the terminal: the rules may know them."""
    rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(True)))

    assert _passes(rig.send(_asks(person=STRANGER)))


def _shipped() -> list[str]:
    """The rules that people copy: the README's, and those of the local stack."""
    readme = (ROOT / "functions" / "sensepass" / "README.md").read_text()
    documents = [block for block in re.findall(r"(?:^    .*\n|^\n)+", readme, re.MULTILINE) if '"open"' in block]
    assert len(documents) == 1
    return [documents[0], (ROOT / "ops" / "rules.local.json").read_text()]


@pytest.mark.parametrize("document", _shipped(), ids=["README", "local"])
@pytest.mark.parametrize("status", range(7))
@pytest.mark.parametrize("said", [True, False, None])
@pytest.mark.parametrize("kind", [1, 2, 3, 5, None])
def test_no_rules_that_we_ship_open_a_door_that_the_terminal_refuses(
    document: str, status: int, said: bool | None, kind: int | None
) -> None:
    rig = sensepass_rig(decision="rules", rules=rules_of(document))
    user = {"user_id": "7"} | ({} if kind is None else {"type": kind})
    record = {"recognizeStatus": status, "deviceSN": SERIAL, "timestamp": int(NOW.timestamp()), "user": user}
    body = {"type": 0, "data": record | ({} if said is None else {"pass": said})}

    passed = _passes(rig.send(_raw(body, "upload")))
    if said is False or status in {0, 1, 3, 6} or kind in {3, 5, None}:
        assert not passed


@pytest.mark.parametrize("in_doubt", ["deny", "allow"])
@pytest.mark.parametrize("body", [b"", b"no json", b'{"type":2,"data":{}}', b'{"data":{"recognizeStatus":2}}', b"[1]"])
def test_the_notice_of_a_question_that_nobody_understood_holds_what_was_answered(body: bytes, in_doubt: str) -> None:
    rig = sensepass_rig(decision="rules", in_doubt=in_doubt, rules=rules_of(EVERYBODY))

    passed = _passes(rig.send(_raw(body)))
    data = rig.event["data"]
    assert data["kind"] == "unmapped"
    assert data["decision"]["allowed"] is passed is (in_doubt == "allow")
    assert data["decision"]["by"] == "doubt"
    assert data["site"] == "north"


def test_a_question_that_is_repeated_and_decided_otherwise_is_two_events() -> None:
    """Races S5: the door is answered by the present rules, and both answers can be read afterwards."""
    rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(False)))
    question = _asks()
    assert not _passes(rig.send(question))
    assert not _passes(rig.send(question))
    assert len(rig.stored) == 1
    later = sensepass_rig(decision="rules", rules=rules_of(rules_document(True)))
    later.store, later.topics = rig.store, rig.topics

    assert _passes(later.send(question))
    decisions = {event["data"]["decision"]["allowed"]: event["data"].get("conflicts_with") for event in rig.stored}
    assert set(decisions) == {False, True}
    assert decisions[True] in rig.store.records


def test_the_first_question_after_a_start_waits_for_the_rules_but_not_for_long() -> None:
    """Races S9: the rules are read beside the start, and the answer is out in any case."""
    release = threading.Event()

    def slow() -> str:
        release.wait(60)
        return rules_document(True)

    rules = Rules(slow, patience=0.01)
    rules.refresh_in_background()
    rig = sensepass_rig(decision="rules", rules=rules)
    assert not _passes(rig.send(_asks()))
    assert rig.event["data"]["decision"]["by"] == "doubt"
    release.set()
    for thread in threading.enumerate():
        if thread.name == "rules":
            thread.join()

    assert _passes(rig.send(_asks()))


def test_a_clock_of_ours_that_is_behind_gives_no_more_time_than_there_is() -> None:
    """Races S6."""
    rig = sensepass_rig(deadline=0.5, now=lambda: NOW - seconds(3))
    rig.store.down = True

    assert _passes(rig.send(_asks()))
    assert rig.spill.messages


def test_a_tip_is_cut_at_ten_characters() -> None:
    tip = {"pass": True, "tip": "Hello \N{WAVING HAND SIGN}, dear guest"}
    rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(tip)))

    assert rig.send(_asks()).body["data"]["customtips"] == "Hello \N{WAVING HAND SIGN}, d"


# ─── In doubt ─────────────────────────────────────────────────────────────────────────────────────────────────────────

in_any_doubt = pytest.mark.parametrize(("in_doubt", "passed"), [("deny", False), ("allow", True)])


@each_that_waits
@in_any_doubt
@pytest.mark.parametrize("rules", [None, "{}", "broken", "[]"])
def test_without_rules_the_setting_answers(firmware: Firmware, rules: str | None, in_doubt: str, passed: bool) -> None:
    rig = sensepass_rig(decision="rules", in_doubt=in_doubt, rules=None if rules is None else rules_of(rules))

    assert _passes(rig.send(_asks(firmware))) is passed
    assert rig.event["data"]["decision"] == {"allowed": passed, "by": "doubt", "milliseconds": 20}


@in_any_doubt
def test_where_the_rules_fail_the_setting_answers_and_nothing_of_the_push_is_logged(
    output: Output, in_doubt: str, passed: bool
) -> None:
    rig = sensepass_rig(decision="rules", in_doubt=in_doubt, rules=BrokenRules())

    assert _passes(rig.send(_asks())) is passed
    assert rig.event["data"]["decision"]["by"] == "doubt"
    (line,) = output.logged
    assert (line["level"], line["error"]) == ("ERROR", "RuntimeError")
    assert "Mira" not in output.read()


@each_that_waits
@in_any_doubt
def test_past_the_deadline_the_setting_answers_and_the_event_is_kept(
    firmware: Firmware, in_doubt: str, passed: bool
) -> None:
    rig = sensepass_rig(
        decision="rules",
        in_doubt=in_doubt,
        rules=rules_of(rules_document(not passed)),
        deadline=1.0,
        now=lambda: NOW + seconds(1.5),
    )

    assert _passes(rig.send(_asks(firmware))) is passed
    assert rig.event["data"]["decision"] == {"allowed": passed, "by": "doubt", "milliseconds": 1500}


@each_that_waits
@in_any_doubt
def test_past_the_deadline_a_late_question_still_gets_the_terminals_word(
    firmware: Firmware, in_doubt: str, passed: bool
) -> None:
    rig = sensepass_rig(in_doubt=in_doubt, deadline=1.0, now=lambda: NOW + seconds(1.5))

    assert _passes(rig.send(_asks(firmware)))
    assert rig.event["data"]["decision"]["by"] == "terminal"
    assert passed is (in_doubt == "allow")


def _told_by(output: Output) -> dict[tuple[str, str | None], float]:
    """The counts, by metric and decider."""
    return {
        (metric["Name"], line.get("by")): sum(line[metric["Name"]])
        for line in output.lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
        for metric in directive["Metrics"]
        if metric["Name"] in {Count.DECISION, Count.DECISION_LATE, Span.DECISION}
    }


@each_that_waits
@pytest.mark.parametrize(
    ("settings", "says", "by"),
    [
        ({}, {}, "terminal"),
        ({"decision": "rules", "rules": rules_of(STAFF_ONLY)}, {}, "rules"),
        ({}, {"recognizeStatus": 0, "pass": None}, "doubt"),
        ({"decision": "rules"}, {}, "doubt"),
    ],
)
def test_an_operator_sees_who_decides_and_how_long_it_takes(
    firmware: Firmware, settings: dict[str, Any], says: dict[str, Any], by: str, output: Output
) -> None:
    sensepass_rig(**settings).send(_asks(firmware, **says))

    assert _told_by(output) == {(Count.DECISION, by): 1, (Span.DECISION, None): 20}


@each_that_waits
@pytest.mark.parametrize(("seconds_later", "late"), [(0.999, 0), (1.0, 1), (1.5, 1)])
def test_an_operator_sees_which_answers_came_after_the_deadline(
    firmware: Firmware, seconds_later: float, late: int, output: Output
) -> None:
    sensepass_rig(deadline=1.0, now=lambda: NOW + seconds(seconds_later)).send(_asks(firmware))

    told = _told_by(output)
    assert told.get((Count.DECISION_LATE, None), 0) == late
    assert told[Span.DECISION, None] == pytest.approx(seconds_later * 1000)
    lines = [line for line in output.logged if line["message"] == "a door was answered late"]
    assert [(line["by"], line["milliseconds"]) for line in lines] == [("terminal", seconds_later * 1000)] * late


def test_what_nobody_waits_for_is_no_decision(output: Output) -> None:
    rig = sensepass_rig()
    rig.send(terminal("1.3").upload(STAFF))
    rig.send(terminal("1.3").heartbeat())

    assert _told_by(output) == {}


def test_a_clock_that_is_behind_the_gateways_does_not_stop_the_door() -> None:
    rig = sensepass_rig(now=lambda: NOW - seconds(2))

    assert _passes(rig.send(_asks()))
    assert rig.event["data"]["decision"]["milliseconds"] == 0


@pytest.mark.parametrize("path", ["upload", "authorize"])
@pytest.mark.parametrize("body", [b"", b"MARKER", b'{"type":0,', b"\xff\xfe", b"[" * 5000, b"null", b"[]", b"7"])
def test_a_body_that_cannot_be_read_is_kept_and_denied(sensepass: Rig[Any], body: bytes, path: str) -> None:
    door = terminal()
    url = door.event_dest if path == "upload" else door.remote_authentication_address

    assert not _passes(sensepass.send(Request(url, body)))
    assert sensepass.event["data"]["kind"] == "unmapped"


# ─── Only a question that was understood is decided ───────────────────────────────────────────────────────────────────

EVERYBODY = rules_document(True, nobody=(False, [("EQUALS", "kind", "nobody")]))
"""Rules that let in all persons that they do not know."""


def _body(firmware: Firmware, **more: Any) -> Any:
    return json.loads(_asks(firmware, **more).body)


def _raw(body: bytes | Any, path: str = "authorize") -> Request:
    door = terminal()
    url = door.event_dest if path == "upload" else door.remote_authentication_address
    return Request(url, body if isinstance(body, bytes) else json.dumps(body).encode())


_SEED = _body("1.0")
_UNKNOWN = {
    "an envelope without a type": {"data": _SEED["data"]},
    "an envelope of type 2": {"type": 2, "data": _SEED["data"]},
    "an envelope of no type": {"type": None, "data": _SEED["data"]},
    "an envelope whose type is no number": {"type": "zero", "data": _SEED["data"]},
    "an envelope whose type is false": {"type": False, "data": _SEED["data"]},
    "an envelope in an envelope": {"type": 0, "data": _SEED},
    "an envelope with a list": {"type": 0, "data": [_SEED["data"]]},
    "an envelope with a text": {"type": 0, "data": json.dumps(_SEED["data"])},
    "a list of envelopes": [_SEED],
    "a question with a type": {"type": 0, **_body("1.3")},
    "capitals": {"Type": 0, "Data": _SEED["data"]},
    "nothing": {},
    "no status": {"type": 0, "data": {**_SEED["data"], "recognizeStatus": None}},
    "a text": "recognizeStatus",
    "half a body": json.dumps(_SEED).encode()[:-2],
    "another encoding": json.dumps(_SEED, ensure_ascii=False).replace("Mira Holt", "米拉").encode("gb18030"),
    "no body": b"",
}
_UNREADABLE_FIELDS: dict[str, Any] = {
    "recognizeStatus": "two",
    "recognitionType": [1],
    "pass": "maybe",
    "abnormal_type": "9" * 50,
    "user": "Mira Holt",
    "user.type": {"is": 1},
    "user.groups, the type in words": [{"id": "9", "type": "five"}],
    "user.groups, the type in a list": [{"id": "9", "type": [5]}],
    "user.groups, as text": '[{"id":"9","type":5}]',
    "user.groups, lists in a list": [[{"id": "9", "type": 5}]],
    "user.groups, an envelope": {"list": [{"type": 5}]},
    "user.groups, envelopes": [{"group": {"type": 5}}],
    "user.groups, types": [5],
    "user.groups, one type": 5,
    "user.groups, one of two": [{"id": "9", "type": 1}, "9"],
}


@in_any_doubt
@pytest.mark.parametrize("decision", DecidedBy)
@pytest.mark.parametrize("path", ["upload", "authorize"])
@pytest.mark.parametrize("body", _UNKNOWN.values(), ids=_UNKNOWN)
def test_what_is_in_no_envelope_that_we_know_reaches_neither_rules_nor_the_terminals_word(
    body: Any, path: str, decision: str, in_doubt: str, passed: bool
) -> None:
    """Protocol A8, security S1."""
    rig = sensepass_rig(decision=decision, in_doubt=in_doubt, rules=rules_of(EVERYBODY))

    answer = rig.send(_raw(body, path))

    assert (_passes(answer), answer.body["code"]) == (passed, 200)
    assert rig.event["data"]["kind"] == "unmapped"


_WORDS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-1, 7) | st.text(max_size=4) | st.floats() | st.just([])
)
_RECORDS = st.dictionaries(
    st.sampled_from(["recognizeStatus", "recognitionType", "pass", "abnormal_type", "user", "type", "data", "uuid"]),
    _WORDS | st.dictionaries(st.sampled_from(["type", "groups", "user_id"]), _WORDS, max_size=3),
    max_size=6,
)
_BODIES = st.binary(max_size=40) | (
    _RECORDS | st.builds(lambda kind, data: {"type": kind, "data": data}, _WORDS, _RECORDS) | st.lists(_RECORDS)
).map(lambda body: json.dumps(body).encode())


@settings(deadline=None)
@given(_BODIES)
def test_whatever_is_sent_only_an_understood_question_opens_a_door_by_rules_that_let_everybody_in(body: bytes) -> None:
    rig = sensepass_rig(decision="rules", rules=rules_of(EVERYBODY))

    passed = _passes(rig.send(_raw(body)))

    (event,) = rig.stored
    decision = event["data"].get("decision")
    if decision is None:  # an upload: the terminal's own conclusion
        assert not passed or event["data"]["outcome"] == "granted"
    else:
        assert passed is decision["allowed"]
        assert not passed or event["type"] == "gatehouse.recognition.v1"


def test_a_type_that_comes_as_text_is_a_type() -> None:
    """Protocol A8, reports 22: it is a question, and the rules decide."""
    rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(False)))

    assert not _passes(rig.send(_raw({**_SEED, "type": "0"}, "upload")))
    assert rig.event["type"] == "gatehouse.recognition.v1"
    assert rig.event["data"]["decision"]["by"] == "rules"


@in_any_doubt
@pytest.mark.parametrize("decision", DecidedBy)
@pytest.mark.parametrize(("name", "value"), _UNREADABLE_FIELDS.items(), ids=_UNREADABLE_FIELDS)
@pytest.mark.parametrize("firmware", ["1.0", "1.3"])
def test_a_field_that_decides_and_cannot_be_read_is_not_absent(
    firmware: Firmware, name: str, value: object, decision: str, in_doubt: str, passed: bool
) -> None:
    rig = sensepass_rig(decision=decision, in_doubt=in_doubt, rules=rules_of(EVERYBODY))
    """Review 4: the groups too, any of which may bar a person."""
    of, _, inner = name.partition(",")[0].partition(".")
    fields = {of: {"name": "Mira Holt", inner: value}} if inner else {name: value}

    assert _passes(rig.send(_asks(firmware, **fields))) is passed
    assert rig.event["type"] == "gatehouse.recognition.v1"
    if (firmware, name) != ("1.0", "recognitionType"):  # an upload by its fields: no person waits
        assert rig.event["data"]["decision"]["by"] == "doubt"


FORBIDDING = rules_document(
    fever=(False, [("KEY_GREATER_THAN_VALUE", "temperature", 37.5)]),
    mask=(False, [("EQUALS", "mask", "not_worn")]),
    card=(False, [("EQUALS", "card", "5")]),
    guests=(False, [("ANY_IN_VALUE", "groups", ["9"])]),
    code=(False, [("EQUALS", "method", "code")]),
    seven=(False, [("EQUALS", "user_id", "7")]),
    vault=(False, [("EQUALS", "terminal", "VAULT")]),
    staff=(True, [("EQUALS", "kind", "staff")]),
)
"""Rules that let the staff in, but for some."""
_UNREADABLE_TO_RULES: list[dict[str, Any]] = [
    {"bodyTemperature": "39,5"},
    {"bodyTemperature": "39.5°C"},
    {"bodyTemperature": [39.5]},
    {"bodyTemperature": {"value": 39.5}},
    {"bodyTemperature": True},
    {"mask": "none"},
    {"mask": [1]},
    {"mode": "code", "entry_mode": "code"},
    {"entry_mode": [2]},
    {"deviceSN": ["VAULT"]},
    {"user": {"type": 1, "user_id": ["7"]}},
    {"user": {"type": 1, "ic_number": {"id": "5"}}},
    {"user": {"type": 1, "groups": [{"id": ["9"], "type": 1}]}},
    {"user": {"type": 1, "group_id": ["9"]}},
]


@in_any_doubt
@each_that_waits
@pytest.mark.parametrize("fields", _UNREADABLE_TO_RULES, ids=str)
def test_a_rule_that_forbids_is_not_passed_by_with_what_nobody_can_read(
    firmware: Firmware, fields: dict[str, Any], in_doubt: str, passed: bool
) -> None:
    """Review 4b: a condition on a field that cannot be read does not match, so the rules are not evaluated."""
    rig = sensepass_rig(decision="rules", in_doubt=in_doubt, rules=rules_of(FORBIDDING))

    assert _passes(rig.send(_asks(firmware, **fields))) is passed
    assert rig.event["data"]["decision"]["by"] == "doubt"


@each_that_waits
@pytest.mark.parametrize("fields", _UNREADABLE_TO_RULES, ids=str)
def test_what_only_rules_ask_for_does_not_concern_the_terminals_word(
    sensepass: Rig[Any], firmware: Firmware, fields: dict[str, Any]
) -> None:
    assert _passes(sensepass.send(_asks(firmware, **fields)))
    assert sensepass.event["data"]["decision"]["by"] == "terminal"


@each_that_waits
@pytest.mark.parametrize("nothing", [None, "", "NaN", "nan", "-Infinity", 0.0, "0.0"])
def test_a_temperature_that_was_not_measured_does_not_concern_the_rules(firmware: Firmware, nothing: object) -> None:
    rig = sensepass_rig(decision="rules", rules=rules_of(FORBIDDING))

    assert _passes(rig.send(_asks(firmware, bodyTemperature=nothing, mask=2)))
    assert rig.event["data"]["decision"]["by"] == "rules"
    assert "temperature" not in rig.event["data"]


@in_any_doubt
@each_that_waits
@pytest.mark.parametrize("decision", DecidedBy)
@pytest.mark.parametrize(
    "fields",
    [
        {"recognizeStatus": 0},
        {"recognizeStatus": 3},
        {"recognizeStatus": 6},
        {"recognizeStatus": "6"},
        {"recognizeStatus": 2, "user": {"type": 5}},
        {"recognizeStatus": 2, "user": {"type": 1, "groups": [{"id": "9", "type": 5}]}},
    ],
    ids=str,
)
def test_who_passes_by_one_field_and_not_by_another_is_in_doubt(
    firmware: Firmware, fields: dict[str, Any], decision: str, in_doubt: str, passed: bool
) -> None:
    """Protocol A9."""
    rig = sensepass_rig(decision=decision, in_doubt=in_doubt, rules=rules_of(EVERYBODY))

    assert _passes(rig.send(_asks(firmware, **{**fields, "pass": True}))) is passed
    assert rig.event["data"]["decision"]["by"] == "doubt"
    assert rig.event["data"]["device_outcome"] == "unknown"


@pytest.mark.parametrize("kind", [3, 5, 0])
def test_a_question_that_names_a_stranger_and_says_pass_is_in_doubt(sensepass: Rig[Any], kind: int) -> None:
    fields: dict[str, Any] = {"recognitionType": kind, "pass": True}

    assert not _passes(sensepass.send(_asks("1.3", **fields)))
    assert sensepass.event["data"]["decision"]["by"] == "doubt"


def test_the_record_of_a_stranger_whom_we_let_in_is_no_contradiction(sensepass: Rig[Any]) -> None:
    fields: dict[str, Any] = {"pass": True}

    assert _passes(sensepass.send(terminal().upload(STRANGER, **fields)))
    assert (sensepass.event["data"]["kind"], sensepass.event["data"]["outcome"]) == ("stranger", "granted")


def test_an_alarm_opens_nothing_whatever_is_in_it(sensepass: Rig[Any]) -> None:
    fields = {"trace_id": "T1", "status": 1, "recognitionType": 1, "recognizeStatus": 2, "pass": True}

    assert not _passes(sensepass.send(terminal().pushed(1, fields)))


@each_that_waits
@pytest.mark.parametrize(
    "write",
    [
        lambda body: body.replace(b'"mask": 1', b'"mask": 1, "bodyTemperature": NaN'),
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body + b"\0",
        lambda body: body.replace(b"Mira Holt", rb"Mira \ud842"),
        lambda body: body.replace(b"Mira Holt", b"Mira \xe7\xb1"),
        lambda body: body.replace(b"Mira Holt", b"Mira\tHolt"),
    ],
    ids=["NaN", "byte order mark", "closing zero", "half a surrogate pair", "half a character", "a raw tab"],
)
def test_staff_is_let_in_however_the_terminal_writes(firmware: Firmware, write: Any) -> None:
    """Reports 3, 4 and 5; security S1."""
    rig = sensepass_rig()
    asked = _asks(firmware)

    answer = rig.send(Request(asked.url, write(asked.body), {**asked.headers, "content-type": "text/plain"}))

    assert _passes(answer)
    assert rig.event["data"]["kind"] == "staff"
    assert "temperature" not in rig.event["data"]


def test_what_the_terminal_concluded_stands_beside_what_the_rules_say() -> None:
    rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(False)))

    rig.send(_asks("1.0"))

    data = rig.event["data"]
    assert (data["outcome"], data["device_outcome"]) == ("denied", "granted")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (1, "not_recognised"),
        (2, "recognised"),
        (3, "not_recognised"),
        (4, "recognised"),
        (5, "granted"),
        (6, "denied"),
        (0, "unknown"),
    ],
)
def test_the_event_tells_recognised_from_passed(sensepass: Rig[Any], status: int, outcome: str) -> None:
    """Protocol B1: `recognizeStatus`."""
    fields: dict[str, Any] = {"recognizeStatus": status, "pass": None}

    sensepass.send(_asks("1.0", **fields))

    assert sensepass.event["data"]["device_outcome"] == outcome


# ─── The answer ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_answer_to_a_record_of_v1_0_is_the_one_of_its_page(sensepass: Rig[Any]) -> None:
    assert sensepass.send(_asks("1.0")).body == {
        "code": 200,
        "msg": "success",
        "message": "success",
        "data": {"pass": True, "customtips": ""},
    }


@pytest.mark.parametrize("firmware", ["1.1", "1.2.1", "1.3"])
def test_the_answer_to_a_remote_authentication_names_the_user(sensepass: Rig[Any], firmware: Firmware) -> None:
    assert sensepass.send(_asks(firmware)).body == {
        "code": 200,
        "msg": "success",
        "message": "success",
        "data": {
            "pass": True,
            "customtips": "",
            "user_id": "17",
            "user_name": "Mira Holt",
            "verify_code": 2,
            "ic_number": "40017",
            "verify_score": 0.9837480783462524,
        },
    }


@pytest.mark.parametrize("firmware", ["1.1", "1.2.1", "1.3"])
@pytest.mark.parametrize(("allowed", "code"), [(True, 2), (False, 3)])
def test_the_answer_to_a_remote_authentication_has_the_code_that_the_strangers_mode_wants(
    firmware: Firmware, allowed: bool, code: int
) -> None:
    """Findings of the vendors' code, 3: `pass` counts there only with `verify_code` 2."""
    rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(allowed)))

    data = rig.send(_asks(firmware, STRANGER)).body["data"]

    assert (data["pass"], data["verify_code"]) == (allowed, code)
    assert "ic_number" not in data


def test_the_answer_to_a_remote_authentication_of_a_stranger_has_the_names_fields_empty(sensepass: Rig[Any]) -> None:
    data = sensepass.send(_asks(person=STRANGER)).body["data"]

    assert (data["user_id"], data["user_name"]) == ("", "")


@pytest.mark.parametrize("decision", DecidedBy)
def test_a_heartbeat_is_answered_and_leaves_nothing(decision: str) -> None:
    rig = sensepass_rig(decision=decision, rules=rules_of(STAFF_ONLY))

    answer = rig.send(terminal().heartbeat())

    assert (answer.status, answer.body["code"], answer.body["data"]) == (200, 200, {})
    assert rig.is_untouched


@pytest.mark.parametrize("firmware", ["1.1", "1.2.1", "1.3"])
def test_an_upload_of_later_firmware_is_no_question(firmware: Firmware) -> None:
    rig = sensepass_rig(decision="rules", rules=rules_of(rules_document(False)))

    answer = rig.send(terminal(firmware).upload())

    assert answer.body == {
        "code": 200,
        "msg": "success",
        "message": "success",
        "data": {"pass": True, "customtips": ""},
    }
    assert "decision" not in rig.event["data"]
    assert rig.event["data"]["outcome"] == "granted"


def test_an_alarm_is_no_question(sensepass: Rig[Any]) -> None:
    assert sensepass.send(terminal().alarm()).body["code"] == 200
    assert not _passes(sensepass.send(terminal().alarm()))


def test_an_upload_that_takes_long_is_kept_all_the_same() -> None:
    rig = sensepass_rig(deadline=1.0, now=lambda: NOW + seconds(20))

    assert rig.send(terminal().upload()).status == 200
    assert rig.event["data"]["stage"] == "recorded"


# ─── The decision is first ────────────────────────────────────────────────────────────────────────────────────────────


class Following(FakeStore):
    """An events table that notes the time of each decision."""

    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self._order = order

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        self._order.append("stored")
        return super().record(record, announce)


class Leading(Rules):
    """Rules that note when they are asked."""

    def __init__(self, order: list[str]) -> None:
        super().__init__(lambda: STAFF_ONLY)
        self._order = order
        self.refresh()

    def verdict(self, context: Mapping[str, object]) -> Verdict | None:
        self._order.append("decided")
        return super().verdict(context)


def test_it_is_decided_before_anything_is_stored() -> None:
    order: list[str] = []
    rig = sensepass_rig(decision="rules", rules=Leading(order))
    rig.store = Following(order)

    assert _passes(rig.send(_asks()))
    assert order == ["decided", "stored"]


@each_that_waits
@pytest.mark.parametrize("down", ["store", "topics", "media", "store media"])
def test_with_a_service_down_the_answer_is_the_same_and_the_event_is_kept(firmware: Firmware, down: str) -> None:
    rig = sensepass_rig()
    for port in down.split():
        getattr(rig, port).down = True

    answer = rig.send(_asks(firmware, rgb_image="/9j/4AAQ"))

    assert _passes(answer)
    assert answer.body["code"] == 200
    assert len(rig.spill.messages) == ("store" in down)
    assert len(rig.spill.pictures) == ("media" in down)


@each_that_waits
@pytest.mark.parametrize("lost", ["store", "media"])
def test_the_answer_is_a_decision_and_no_receipt_and_what_nobody_took_is_counted(
    firmware: Firmware, lost: str, output: Output
) -> None:
    """Protocol B1: a code other than 200 may keep a door shut for a person whom we let in."""
    rig = sensepass_rig()
    rig.spill.down = True
    getattr(rig, lost).down = True

    answer = rig.send(_asks(firmware, rgb_image="/9j/4AAQ"))

    assert _passes(answer)
    assert (answer.body["code"], answer.body["msg"], answer.body["message"]) == (200, "success", "success")
    assert output.counted[Count.NOT_KEPT] == 1
    assert [line["level"] for line in output.logged] == ["ERROR"]


class Surprising(FakeSpill):
    """A queue with a fault of its own."""

    def send(self, record: Record, step: object) -> None:  # noqa: ARG002 - the port's
        raise RuntimeError(record.body)


def test_a_fault_of_ours_is_no_reason_to_leave_somebody_at_the_door(output: Output) -> None:
    rig = sensepass_rig()
    rig.store.down = True
    rig.spill = Surprising()

    answer = rig.send(_asks())

    assert (_passes(answer), answer.body["code"]) == (True, 200)
    assert output.counted[Count.NOT_KEPT] == 1
    assert "Mira" not in output.read()


def test_an_upload_that_nobody_took_is_refused_so_that_the_terminal_sends_it_again() -> None:
    rig = sensepass_rig()
    rig.store.down = rig.spill.down = True

    assert rig.send(terminal().upload()).status == 503

    rig.store.down = False
    assert rig.send(terminal().upload()).status == 200


# ─── As it is deployed ────────────────────────────────────────────────────────────────────────────────────────────────


def _deployed(rules: Rules | None = None, **environment: str) -> Answered:
    """The answer by the handler's own composition, to a question that arrives now."""
    vendor = handler.vendor(handler.SensepassSettings.read({**SENSEPASS_ENVIRONMENT, **environment}), rules)
    gate = Gate(FakeStore(), FakeTopics(), FakeSpill(), Announce.INLINE, FakeMedia())
    accounts = FakeAccounts(Accounts.model_validate({"accounts": [SITE]}))
    response = edge.handler(vendor, gate, accounts, URL)(api_event(_asks(), datetime.now(UTC)), None)
    return Answered(response["statusCode"], json.loads(response["body"]))


def test_as_deployed_the_terminal_decides() -> None:
    assert _passes(_deployed(DECISION_DEADLINE="10"))


def test_as_deployed_rules_decide_where_they_are_to() -> None:
    answer = _deployed(rules_of(rules_document({"pass": False, "tip": "No"})), DOOR_DECISION="rules")

    assert (_passes(answer), answer.body["data"]["customtips"]) == (False, "No")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DECISION_DEADLINE", "0.2"),
        ("DECISION_DEADLINE", "11"),
        ("WHEN_IN_DOUBT", "maybe"),
        ("DOOR_DECISION", "us"),
        ("MEDIA_BUCKET", ""),
        ("RULES_PARAMETER", ""),
    ],
)
def test_a_setting_that_cannot_work_names_itself(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=name):
        handler.SensepassSettings.read({**SENSEPASS_ENVIRONMENT, name: value})


def test_the_deciders_are_those_of_the_event() -> None:
    assert {*DecidedBy} < {*Decider}
