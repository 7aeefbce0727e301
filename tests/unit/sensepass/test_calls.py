"""`gatehouse sensepass`, between a terminal's HTTPS API, the secret, and our own API."""

import argparse
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import trustme
import werkzeug
from moto import mock_aws
from pytest_httpserver import HTTPServer

from functions.sensepass.wire import Accounts
from gatehouse.errors import CallFailed
from ops.calls import sensepass as calls
from ops.simulators import Request
from ops.simulators.sensepass import STAFF, Terminal, picture
from tests import aws
from tests.builders import NOW
from tests.rig import Rig
from tests.unit.sensepass.device import FUNCTIONS, PASSWORD, Device, fingerprint, running
from tests.vendors.sensepass import sensepass_rig

_TOKEN = "the-newest-token-of-the-site"
_SERIAL = "PSC7MC22F00001"
_SECRET = '{"accounts": [{"site": "workshop", "tokens": ["the-newest-token-of-the-site", "an-older-one-of-the-site"]}]}'
_RANGE = ("--from", "2026-07-01T14:00:00+02:00", "--to", "2026-07-01T13:00:00+00:00")


@dataclass
class Place:
    """A terminal, our API and the secret."""

    device: Device
    rig: Rig[Any]
    api_url: str
    call: Callable[..., None]


def _api(rig: Rig[Any], server: HTTPServer) -> str:
    """Our API, by HTTP; its address."""

    def respond(request: werkzeug.Request) -> werkzeug.Response:
        answer = rig.send(Request(request.url, request.data, dict(request.headers.items())))
        return werkzeug.Response(json.dumps(answer.body), answer.status)

    server.expect_request(re.compile(".*"), method="POST").respond_with_handler(respond)
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, httpserver_ipv4: HTTPServer) -> Iterator[Place]:
    """Everything that the command speaks to."""
    for name, value in {**aws.ENVIRONMENT, calls.PASSWORD: PASSWORD}.items():
        monkeypatch.setenv(name, value)
    rig = sensepass_rig(json.loads(_SECRET))
    own, api_url = trustme.CA(), _api(rig, httpserver_ipv4)
    with mock_aws(), running(own) as device:
        arn = boto3.client("secretsmanager").create_secret(Name="sensepass", SecretString=_SECRET)["ARN"]
        terminal = ["--host", "127.0.0.1", "--port", str(device.port), "--fingerprint", fingerprint(own)]
        ours = ["--secret", arn, "--site", "workshop", "--api-url", api_url]

        def call(*words: str) -> None:
            parser = argparse.ArgumentParser()
            calls.add_arguments(parser)
            calls.run(parser.parse_args([*terminal, *ours, *words]))

        yield Place(device, rig, api_url, call)
    httpserver_ipv4.check()


def _terminal(place: Place) -> Terminal:
    return Terminal(_SERIAL, _TOKEN, place.api_url, "1.3")


def _record(place: Place, number: int) -> dict[str, Any]:
    return _terminal(place).record(STAFF, at=NOW.timestamp() + number, image=picture(100, seed=number))


def test_subscribing_points_events_and_questions_at_the_sites_newest_token(place: Place) -> None:
    place.call("subscribe")

    assert place.device.event_dest == f"{place.api_url}/v1/sensepass/{_TOKEN}"
    asking = {"auth_mode": 1, "remote_authentication_address": f"{place.api_url}/v1/sensepass/{_TOKEN}/authorize"}
    assert place.device.functions == {**FUNCTIONS, **asking}


def test_another_sites_bad_token_is_told_of_and_keeps_nobody_from_calling(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(_SECRET)
    document["accounts"].append({"site": "harbour", "tokens": ["MARKER"]})
    boto3.client("secretsmanager").put_secret_value(SecretId="sensepass", SecretString=json.dumps(document))

    place.call("subscribe")

    told = capsys.readouterr().err
    assert "accounts.1.tokens.0" in told
    assert "shorter than 20 characters" in told
    assert "MARKER" not in told


def test_a_secret_of_which_nothing_can_be_used_is_an_error_that_names_the_field(place: Place) -> None:
    document = {"accounts": [{"site": "workshop", "tokens": ["MARKER"]}]}
    boto3.client("secretsmanager").put_secret_value(SecretId="sensepass", SecretString=json.dumps(document))

    with pytest.raises(RuntimeError, match=r"accounts\.0\.tokens\.0") as caught:
        place.call("subscribe")
    assert "MARKER" not in str(caught.value)


def test_a_terminal_of_the_first_generation_is_told_of_events_alone(place: Place) -> None:
    place.call("subscribe", "--ask", "nobody")

    assert place.device.event_dest == f"{place.api_url}/v1/sensepass/{_TOKEN}"
    assert place.device.functions == FUNCTIONS


@pytest.mark.parametrize("ask", [(), ("--ask", "nobody"), ("--ask", "strangers")])
@pytest.mark.parametrize("answer", [(404, b""), (200, b'{"code":404,"data":null}'), (200, b'{"code":200,"data":null}')])
def test_a_terminal_of_v1_0_is_subscribed_and_shown_without_an_error(
    place: Place, answer: tuple[int, bytes], ask: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Protocol A10: it knows `/v1/auth/login` and `/v1/event/subscribe`, and no more."""
    place.device.instead["/v1/device/functions"] = answer

    place.call("subscribe", *ask)
    place.call("show")

    assert place.device.event_dest == f"{place.api_url}/v1/sensepass/{_TOKEN}"
    shown = capsys.readouterr().out
    assert shown.count(f"pushes to   {place.api_url}/v1/sensepass/the-…") == 2
    assert "POST" not in {method for method, path, _ in place.device.calls if path == "/v1/device/functions"}


def test_what_is_shown_names_the_addresses_and_not_the_token(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.call("show")
    assert capsys.readouterr().out.split() == ["pushes", "to", "nowhere", "asks", "nobody"]

    place.call("subscribe")

    shown = capsys.readouterr().out
    assert f"{place.api_url}/v1/sensepass/the-…" in shown
    assert f"{place.api_url}/v1/sensepass/the-…/authorize" in shown
    assert _TOKEN not in shown


def test_what_is_shown_of_somebody_elses_address_has_no_credential_and_no_order(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    # S18: a terminal that was pointed elsewhere shows that place's secret, or moves the operator's cursor.
    place.device.event_dest = "https://other.example.com/hook?token=OTHERSECRET\x1b[2J"
    place.device.functions = {**FUNCTIONS, "remote_authentication_address": "https://u:OTHERSECRET@b.example.com/\x07"}

    place.call("show")

    shown = capsys.readouterr().out
    assert "other.example.com" in shown
    assert "OTHERSECRET" not in shown
    assert all(line.isprintable() for line in shown.splitlines())


def test_a_gap_is_filled_and_what_was_there_is_not_doubled(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.device.records = [_record(place, number) for number in range(5)]
    known = place.device.records[2]
    place.rig.send(_terminal(place).pushed(0, known))

    place.call("backfill", *_RANGE, "--page", "2")
    place.call("backfill", *_RANGE)

    assert {event["data"]["payload"]["data"]["uuid"] for event in place.rig.stored} == {
        record["uuid"] for record in place.device.records
    }
    assert len(place.rig.stored) == len(place.rig.published) == len(place.rig.media.pictures) == 5
    assert "5 records taken, 0 not" in capsys.readouterr().out
    assert [event["data"]["arrival"] for event in place.rig.stored].count("backfill") == 4


def test_records_that_are_not_taken_are_told_of(place: Place) -> None:
    place.device.records = [_record(place, 0), {**_record(place, 1), "timestamp": 5}]
    place.rig.accounts.known = Accounts.model_validate(
        {"accounts": [{"site": "workshop", "tokens": ["another-token-than-the-terminals"]}]}
    )

    with pytest.raises(RuntimeError, match="1 records were not taken"):
        place.call("backfill", *_RANGE)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["backfill"], "--from and --to"),
        (["subscribe", "--site", "elsewhere"], "no site elsewhere"),
        (["subscribe", "--api-url", ""], "needs --api-url"),
    ],
)
def test_what_is_missing_is_named_before_the_terminal_is_called(place: Place, words: list[str], says: str) -> None:
    with pytest.raises(RuntimeError, match=says):
        place.call(*words)

    assert place.device.calls == []


def test_a_time_without_a_zone_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        place.call("backfill", "--from", "2026-07-01T12:00:00")

    assert "--from" in capsys.readouterr().err


def test_a_wrong_password_is_the_terminals_refusal(place: Place) -> None:
    place.device.password = "another"

    with pytest.raises(CallFailed, match="password is wrong"):
        place.call("show")
