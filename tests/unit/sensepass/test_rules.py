"""The rules document: read at intervals, never replaced by a broken one, and evaluated by Powertools."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from functions.sensepass.rules import MAX_AGE, Rules, Verdict, from_parameter
from tests.aws import Aws
from tests.builders import rules_document
from tests.output import Output
from tests.vendors.sensepass import rules_of

GOOD = rules_document(staff=({"pass": True, "tip": "Hello"}, [("EQUALS", "kind", "staff")]))
STAFF = {"kind": "staff"}
ALL_DAY = {"START": "00:00", "END": "23:59", "TIMEZONE": "Asia/Tokyo"}
DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


class Parameter:
    """The parameter, and a clock."""

    def __init__(self, *documents: str | Exception) -> None:
        self.now = 1000.0
        self.read = 0
        self._documents: Iterator[str | Exception] = iter(documents)

    def fetch(self) -> str:
        self.read += 1
        document = next(self._documents)
        if isinstance(document, Exception):
            raise document
        return document

    def rules(self) -> Rules:
        """Rules that have looked once."""
        rules = Rules(self.fetch, monotonic=lambda: self.now)
        rules.refresh()
        return rules


# ─── The verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_that_matches_gives_its_verdict_its_tip_and_its_name() -> None:
    assert rules_of(GOOD).verdict(STAFF) == Verdict(allowed=True, tip="Hello", rule="staff")


def test_where_no_rule_matches_it_is_the_default() -> None:
    assert rules_of(GOOD).verdict({"kind": "visitor"}) == Verdict(allowed=False)


def test_the_first_rule_that_matches_counts() -> None:
    rules = rules_of(
        rules_document(barred=(False, [("EQUALS", "user_id", "7")]), staff=(True, [("EQUALS", "kind", "staff")]))
    )

    assert rules.verdict({**STAFF, "user_id": "7"}) == Verdict(allowed=False, rule="barred")
    assert rules.verdict({**STAFF, "user_id": "8"}) == Verdict(allowed=True, rule="staff")


def test_all_conditions_of_a_rule_have_to_match() -> None:
    rules = rules_of(rules_document(lab=(True, [("EQUALS", "kind", "staff"), ("IN", "group", ["3", "4"])])))

    assert rules.verdict({**STAFF, "group": "4"}) == Verdict(allowed=True, rule="lab")
    assert rules.verdict({**STAFF, "group": "5"}) == Verdict(allowed=False)


@pytest.mark.parametrize("action", ["EQUALS", "NOT_EQUALS", "IN", "NOT_IN", "STARTSWITH", "KEY_GREATER_THAN_VALUE"])
def test_a_condition_on_what_is_not_known_does_not_match(action: str) -> None:
    rules = rules_of(rules_document(found=(True, [(action, "group", ["3"] if "IN" in action else "3")])))

    assert rules.verdict({}) == Verdict(allowed=False)


@pytest.mark.parametrize(
    ("matches", "condition"),
    [
        (True, ("SCHEDULE_BETWEEN_TIME_RANGE", "CURRENT_TIME", ALL_DAY)),
        (True, ("SCHEDULE_BETWEEN_DAYS_OF_WEEK", "CURRENT_DAY_OF_WEEK", {"DAYS": DAYS, "TIMEZONE": "America/Lima"})),
        (
            False,
            (
                "SCHEDULE_BETWEEN_DATETIME_RANGE",
                "CURRENT_DATETIME",
                {"START": "2001-01-01T00:00:00", "END": "2001-12-31T23:59:59", "TIMEZONE": "Europe/Berlin"},
            ),
        ),
    ],
)
def test_times_days_and_time_zones_are_powertools_business(matches: bool, condition: tuple[str, str, Any]) -> None:
    verdict = rules_of(rules_document(always=(True, [condition]))).verdict({})

    assert verdict is not None
    assert verdict.allowed is matches


@pytest.mark.parametrize("document", ["{}", '{"another": {"default": true}}'])
def test_a_document_without_rules_for_doors_says_nothing(document: str) -> None:
    assert rules_of(document).verdict(STAFF) is None


# ─── A broken one ─────────────────────────────────────────────────────────────────────────────────────────────────────

BROKEN = {
    "no JSON": "{",
    "nothing": "",
    "no object": "[]",
    "a flag that is none": '{"open": 1}',
    "a flag that is empty": '{"open": {}}',
    "no default": '{"open": {"rules": {}}}',
    "a verdict that is none": rules_document("yes"),
    "a verdict with a word too many": rules_document({"pass": True, "color": "red"}),
    "a verdict without pass": rules_document({"tip": "Hello"}),
    "a verdict whose pass is no truth value": rules_document({"pass": 1}),
    "a rule's verdict that is none": rules_document(staff=("yes", [("EQUALS", "kind", "staff")])),
    "an action that there is not": rules_document(staff=(True, [("IS", "kind", "staff")])),
    "a time that is none": rules_document(
        day=(True, [("SCHEDULE_BETWEEN_TIME_RANGE", "CURRENT_TIME", {"START": "25:00", "END": "26:00"})])
    ),
    "a time zone that there is not": rules_document(
        day=(True, [("SCHEDULE_BETWEEN_TIME_RANGE", "CURRENT_TIME", {**ALL_DAY, "TIMEZONE": "Mars/Base"})])
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_document_does_not_replace_a_good_one(broken: str, output: Output) -> None:
    parameter = Parameter(GOOD, broken)
    rules = parameter.rules()

    parameter.now += MAX_AGE
    rules.refresh()

    assert parameter.read == 2
    assert rules.verdict(STAFF) == Verdict(allowed=True, tip="Hello", rule="staff")
    (line,) = output.logged
    assert (line["level"], line["message"]) == ("ERROR", "the rules are not usable; those read before stay in use")


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_document_alone_says_nothing(broken: str) -> None:
    assert Parameter(broken).rules().verdict(STAFF) is None


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "ParameterNotFound", "Message": "MARKER"}}, "GetParameter"),
        EndpointConnectionError(endpoint_url="MARKER"),
    ],
)
def test_a_parameter_that_cannot_be_read_leaves_what_was_read_before(fault: Exception, output: Output) -> None:
    parameter = Parameter(GOOD, fault)
    rules = parameter.rules()

    parameter.now += MAX_AGE
    rules.refresh()

    assert rules.verdict(STAFF) is not None
    (line,) = output.logged
    assert line["error"] == type(fault).__name__
    assert "MARKER" not in output.read()


def test_a_parameter_that_was_never_made_means_that_there_are_no_rules(output: Output) -> None:
    """Protocol A12: no update of the stack makes it, and no update resets it."""
    absent = ClientError({"Error": {"Code": "ParameterNotFound", "Message": "MARKER"}}, "GetParameter")
    parameter = Parameter(absent, absent, GOOD, absent)
    rules = parameter.rules()
    for _ in range(2):
        assert rules.verdict(STAFF) is None
        assert output.logged == []
        parameter.now += MAX_AGE
        rules.refresh()
    assert rules.verdict(STAFF) is not None

    parameter.now += MAX_AGE
    rules.refresh()
    assert rules.verdict(STAFF) is not None
    assert [line["level"] for line in output.logged] == ["ERROR"]


def test_a_document_without_the_flag_is_a_mistake_and_empties_nothing(output: Output) -> None:
    parameter = Parameter(GOOD, GOOD.replace('"open"', '"opens"'))
    rules = parameter.rules()

    parameter.now += MAX_AGE
    rules.refresh()
    assert rules.verdict(STAFF) is not None
    assert [line["level"] for line in output.logged] == ["ERROR"]


# ─── A new one ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_document_counts_from_when_it_is_read() -> None:
    parameter = Parameter(GOOD, rules_document({"pass": False, "tip": "Closed"}))
    rules = parameter.rules()

    parameter.now += MAX_AGE
    assert rules.verdict(STAFF) == Verdict(allowed=True, tip="Hello", rule="staff")
    rules.refresh()
    assert rules.verdict(STAFF) == Verdict(allowed=False, tip="Closed")


def test_rules_that_were_taken_away_say_nothing_any_more() -> None:
    parameter = Parameter(GOOD, "{}")
    rules = parameter.rules()

    parameter.now += MAX_AGE
    rules.refresh()
    assert rules.verdict(STAFF) is None


def test_it_is_not_read_again_before_its_time() -> None:
    parameter = Parameter(GOOD, GOOD)
    rules = parameter.rules()

    parameter.now += MAX_AGE - 0.1
    rules.refresh()
    rules.refresh_in_background()
    assert parameter.read == 1


def test_one_that_could_not_be_read_is_not_asked_for_with_every_call() -> None:
    parameter = Parameter("{", GOOD)
    rules = parameter.rules()
    rules.refresh()
    assert parameter.read == 1

    parameter.now += MAX_AGE
    rules.refresh()
    assert rules.verdict(STAFF) is not None


def test_many_that_look_at_once_read_it_once() -> None:
    parameter = Parameter(GOOD, GOOD)
    rules = parameter.rules()
    parameter.now += MAX_AGE
    together = Barrier(8, timeout=10)

    def look() -> None:
        together.wait()
        rules.refresh()

    with ThreadPoolExecutor(8) as pool:
        for looked in [pool.submit(look) for _ in range(8)]:
            looked.result()
    assert parameter.read == 2


def test_nobody_waits_while_it_is_read() -> None:
    reading, release, done = Event(), Event(), Event()
    now = 0.0

    def fetch() -> str:
        if now:
            reading.set()
            assert release.wait(10)
            done.set()
        return GOOD if not now else rules_document(True)

    rules = Rules(fetch, monotonic=lambda: now)
    rules.refresh()
    now = MAX_AGE
    rules.refresh_in_background()
    assert reading.wait(10)

    rules.refresh()  # somebody is at it already
    assert rules.verdict({"kind": "visitor"}) == Verdict(allowed=False)

    release.set()
    assert done.wait(10)


def test_the_document_is_the_value_of_an_ssm_parameter(account: Aws) -> None:
    client = account.client("ssm")
    client.put_parameter(Name="/doors", Value=GOOD, Type="String")

    assert json.loads(from_parameter(lambda: client, "/doors")()) == json.loads(GOOD)
