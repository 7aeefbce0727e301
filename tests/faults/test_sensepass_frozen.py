"""The door's sandbox, frozen between two calls with a request under way: what was withdrawn meanwhile opens nothing.

A real process, stopped and continued by signals as Lambda stops one that has answered; AWS is a small server here,
which answers, keeps silent or goes away when the test says so.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pytest

from gatehouse.accounts import MAX_AGE as REAL_AGE
from ops.serving import Handler, Port
from ops.simulators.sensepass import Terminal
from tests.aws import ENVIRONMENT
from tests.builders import api_event, rules_document
from tests.faults.sandbox import Sandbox, sandbox
from tests.vendors.sensepass import SENSEPASS_ENVIRONMENT, SERIAL, SITE
from tests.waiting import until

MAX_AGE: Final = 3.0
"""Seconds, in place of five minutes; of the secret and of the rules."""
ASLEEP: Final = 1.2
"""Seconds that it is frozen: longer than what no request notices, and not so long that the secret is twice too old."""
OLD, NEW = (f"{name}-0123456789abcdef" for name in ("withdrawn", "renewed"))
SECRET, RULES, PUBLISH = "secretsmanager.GetSecretValue", "AmazonSSM.GetParameter", "sns"


class Way(StrEnum):
    """The end of a request that is under way."""

    OLD = "is answered as things were"
    ERROR = "is refused"
    GONE = "is cut off"
    NEVER = "is never answered"


@dataclass
class Cloud:
    """AWS: what it answers now, and what it holds back."""

    tokens: list[str] = field(default_factory=lambda: [OLD])
    rules: str = field(default_factory=lambda: rules_document(True))
    holds: set[str] = field(default_factory=set)
    """Calls that are not answered before they are let go."""
    way: Way = Way.NEVER
    asked: Counter[str] = field(default_factory=Counter)
    let_go: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    """Held calls that have met what they were to meet."""

    def answer(self, call: str) -> dict[str, Any]:
        if call == SECRET:
            return {"SecretString": json.dumps({"accounts": [{**SITE, "tokens": self.tokens}]})}
        return {"Parameter": {"Value": self.rules}} if call == RULES else {}


@contextmanager
def _served(cloud: Cloud) -> Iterator[str]:
    """The cloud's address; by http.server, since some of its answers never come."""
    over = threading.Event()

    class Answering(Handler):
        def respond(self) -> None:
            self.close_connection = True
            self.body()
            if self.command == "PUT":  # a picture
                self.answer(200, connection="close")
                return
            call = self.headers.get("X-Amz-Target", PUBLISH)
            answer = json.dumps(cloud.answer(call)).encode()  # as things are when it comes
            held = call in cloud.holds
            cloud.asked[call] += 1
            if not held:
                self.answer(200, answer, connection="close")
                return
            assert cloud.let_go.wait(60)
            if cloud.way is Way.OLD:
                self.answer(200, answer, connection="close")
            elif cloud.way is Way.ERROR:
                self.answer(400, b'{"__type": "AccessDeniedException"}', connection="close")
            elif cloud.way is Way.NEVER:
                over.wait(60)
            cloud.done[call] += 1

    with Port(Answering) as port:
        try:
            yield f"http://{port.address}"
        finally:
            over.set()
            cloud.let_go.set()


@dataclass
class Door:
    """A terminal with a token, at the function in its sandbox."""

    sandbox: Sandbox

    def asks(self, token: str) -> tuple[int, bool]:
        """The answer's status, and whether the door opens."""
        return self._answered(_terminal(token).question())

    def beats(self, token: str) -> int:
        """A heartbeat's status."""
        return self._answered(_terminal(token).heartbeat())[0]

    def _answered(self, request: Any) -> tuple[int, bool]:
        response = self.sandbox.call(api_event(request, datetime.now(UTC)))
        told = json.loads(response["body"])
        return response["statusCode"], bool(told.get("data", {}).get("pass"))


def _terminal(token: str) -> Terminal:
    return Terminal(SERIAL, token, "https://api.example.com")


@contextmanager
def _door(cloud: Cloud, folder: Path, **settings: str) -> Iterator[Door]:
    ages = {f"{module}:MAX_AGE": MAX_AGE for module in ("gatehouse.accounts", "functions.sensepass.rules")}
    with _served(cloud) as address:
        environment = {
            **SENSEPASS_ENVIRONMENT,
            **ENVIRONMENT,
            "AWS_ENDPOINT_URL": address,
            "ANNOUNCE_MODE": "stream",
            "DOOR_DECISION": "rules",
            # The longest: on a busy machine the event is to be kept in time all the same.
            "DECISION_DEADLINE": "10",
            **settings,
        }
        constants = {**ages, "gatehouse.accounts:MIN_AGE": MAX_AGE / REAL_AGE * 10}
        with sandbox("functions.sensepass.handler", environment, folder, constants) as made:
            yield Door(made)


def _faults(lines: list[dict[str, Any]]) -> list[object]:
    """Faults of the secret or the rules, as it logged and counted them."""
    spoken = [line["message"] for line in lines if line.get("level") in {"ERROR", "WARNING"}]
    return [word for word in spoken if word != "rejected"] + [line for line in lines if "SecretUnusable" in line]


def _asleep(cloud: Cloud, door: Door, meanwhile: Callable[[], None]) -> None:
    """The sandbox sleeps; what it has under way comes to its end meanwhile."""
    door.sandbox.freeze()
    fell_asleep = time.monotonic()
    meanwhile()
    cloud.holds.clear()
    ended = cloud.done.total()
    cloud.let_go.set()
    until(lambda: cloud.way is Way.NEVER or cloud.done.total() > ended)
    until(lambda: time.monotonic() - fell_asleep >= ASLEEP)
    door.sandbox.thaw()


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("first", ["question", "heartbeat"])
def test_a_token_that_was_withdrawn_while_it_slept_over_a_read_opens_nothing(
    tmp_path: Path, way: Way, first: str
) -> None:
    cloud = Cloud(way=way)
    with _door(cloud, tmp_path) as door:
        assert door.asks(OLD) == (200, True)
        read_by = time.monotonic()
        until(lambda: time.monotonic() - read_by >= MAX_AGE)
        cloud.holds = {SECRET}
        assert door.asks(OLD) == (200, True)  # read beside it: the one call more
        until(lambda: cloud.asked[SECRET] == 2)

        def withdraw() -> None:
            cloud.tokens = [NEW]

        _asleep(cloud, door, withdraw)
        if first == "heartbeat":
            assert door.beats(OLD) == 401
        assert door.asks(OLD) == (401, False)
        assert door.asks(NEW) == (200, True)
        written = door.sandbox.end()
    assert _faults(written) == []


@pytest.mark.parametrize("way", Way)
def test_rules_that_were_changed_while_it_slept_over_a_read_are_used_at_once(tmp_path: Path, way: Way) -> None:
    cloud = Cloud(way=way)
    with _door(cloud, tmp_path) as door:
        assert door.asks(OLD) == (200, True)
        read_by = time.monotonic()
        until(lambda: time.monotonic() - read_by >= MAX_AGE)
        cloud.holds = {RULES}
        assert door.asks(OLD) == (200, True)
        until(lambda: cloud.asked[RULES] == 2)

        def change() -> None:
            cloud.rules = rules_document(False)

        _asleep(cloud, door, change)
        assert door.beats(OLD) == 200
        assert door.asks(OLD) == (200, False)
        written = door.sandbox.end()
    assert _faults(written) == []


def test_a_secret_that_is_too_old_is_read_in_a_heartbeat_and_no_question_waits_for_it(tmp_path: Path) -> None:
    cloud = Cloud()
    with _door(cloud, tmp_path) as door:
        assert door.beats(OLD) == 200
        read_by = time.monotonic()
        until(lambda: time.monotonic() - read_by >= MAX_AGE)
        cloud.tokens = [NEW]
        assert door.beats(OLD) == 401
        assert cloud.asked[SECRET] == 2
        assert door.asks(NEW) == (200, True)
        assert cloud.asked[SECRET] == 2
        assert _faults(door.sandbox.end()) == []


def test_a_secret_that_cannot_be_read_while_it_is_awake_is_still_told(tmp_path: Path) -> None:
    cloud = Cloud(way=Way.ERROR)
    with _door(cloud, tmp_path) as door:
        assert door.beats(OLD) == 200
        read_by = time.monotonic()
        until(lambda: time.monotonic() - read_by >= MAX_AGE)
        cloud.holds = {SECRET}
        cloud.let_go.set()
        assert door.beats(OLD) == 200
        faults = _faults(door.sandbox.end())
    assert faults[0] == "the secret cannot be read"
    assert len(faults) == 2


def test_a_message_that_slept_is_not_published_again_as_one_of_now(tmp_path: Path) -> None:
    """It was `live` when it was made; the SDK would send it once more, as it is, when its time-out is over."""
    cloud = Cloud(holds={PUBLISH}, way=Way.NEVER)
    with _door(cloud, tmp_path, ANNOUNCE_MODE="inline", DECISION_DEADLINE="1") as door:
        assert door.asks(OLD)[0] == 200
        until(lambda: cloud.asked[PUBLISH] == 1)
        _asleep(cloud, door, lambda: None)
        door.sandbox.end()
    assert cloud.asked[PUBLISH] == 1
