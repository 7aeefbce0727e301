"""The sandbox: an attempt during which it slept does not count."""

from dataclasses import dataclass, field

import pytest

from gatehouse import aws, sandbox
from gatehouse.errors import Unavailable
from gatehouse.sandbox import Attempt, Sandbox


@dataclass
class Clock:
    """Seconds, put forward by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Place:
    """A sandbox with two clocks."""

    monotonic: Clock = field(default_factory=Clock)
    wall: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.sandbox = Sandbox((self.monotonic, self.wall))

    def call(self) -> None:
        self.sandbox.called()
        self.sandbox.answered()

    def wait(self, seconds: float) -> None:
        self.monotonic.now += seconds
        self.wall.now += seconds


def test_an_attempt_counts_that_ended_before_the_answer_however_long_it_took() -> None:
    place = Place()
    place.sandbox.called()
    attempt = Attempt(place.sandbox)
    place.wait(60)
    with attempt.ending() as counts:
        assert counts
    place.sandbox.answered()
    place.wait(60)
    assert not attempt.slept


@pytest.mark.parametrize("stands_still", ["monotonic", "wall"])
@pytest.mark.parametrize("first", ["the thread", "the call"])
def test_what_slept_does_not_count_whichever_clock_stood_still_and_whoever_wakes_first(
    stands_still: str, first: str
) -> None:
    place = Place()
    place.sandbox.called()
    attempt = Attempt(place.sandbox)
    place.sandbox.answered()
    place.wait(3600)
    getattr(place, stands_still).now = 0.0
    if first == "the call":
        place.sandbox.called()
    with attempt.ending() as counts:
        assert not counts
    assert attempt.slept
    assert not Attempt(place.sandbox).slept


def test_a_start_that_waits_long_for_its_first_call_sleeps_as_well() -> None:
    place = Place()
    attempt = Attempt(place.sandbox)
    place.sandbox.rests()
    place.wait(3600)
    place.sandbox.called()
    assert attempt.slept


def test_a_moment_between_two_calls_is_no_sleep() -> None:
    place = Place()
    attempt = Attempt(place.sandbox)
    for _ in range(100):
        place.call()
        place.wait(0.9)
    assert not attempt.slept


def test_it_does_not_sleep_while_another_call_is_on() -> None:
    place = Place()
    place.sandbox.called()
    attempt = Attempt(place.sandbox)
    place.call()
    place.wait(60)
    assert not attempt.slept


def test_a_process_that_is_not_called_never_sleeps() -> None:
    """An example is the listener, which is a task of its own."""
    place = Place()
    attempt = Attempt(place.sandbox)
    place.wait(3600)
    assert not attempt.slept


def test_a_request_that_slept_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    place = Place()
    attempt = Attempt(place.sandbox)
    place.call()
    place.wait(60)
    aws.client.cache_clear()  # type: ignore[attr-defined]
    try:
        with sandbox.under_way(attempt), pytest.raises(Unavailable, match="slept"):
            aws.client("sns").publish(TopicArn="arn:aws:sns:eu-central-1:123456789012:t", Message="m")
    finally:
        aws.client.cache_clear()  # type: ignore[attr-defined]
