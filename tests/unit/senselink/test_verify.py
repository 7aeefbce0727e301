"""The sender of a SenseLink message, the signature of a connection, and the identity of a message."""

import base64
import hmac
import itertools
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from functions.senselink import verify
from functions.senselink.recorder import Recorder, Stop
from functions.senselink.wire import Accounts, Server, camel
from gatehouse.gate import Gate
from gatehouse.reading import read_json
from gatehouse.telemetry import Count
from gatehouse.vocabulary import Arrival
from ops.simulators import Request, senselink
from tests.builders import AT, NEARLY_TOKENS, NOW, URL, seconds
from tests.output import Output
from tests.rig import Rig
from tests.vendors.senselink import SENSELINK, access_record, alarm_record, senselink_rig, told

JPEG: Final = bytes.fromhex("ffd8ffe0") + b"a face" * 2
SOUTH = {
    "server": "south",
    "tokens": ["south-one-0123456789abcdef", "south-two-0123456789abcdef", "south-three-0123456789abcdef"],
}


def _snake(record: dict[str, Any]) -> dict[str, Any]:
    """A record in the form of some versions' list."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): value for name, value in record.items()}


def _identity(message: object) -> list[str]:
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return verify.identity(read_json(text), verify.Verified(Server(server="north")))


# ─── The signature of ours ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_signature_is_that_of_the_known_answer(vectors: dict[str, list[dict[str, Any]]]) -> None:
    (known,) = vectors["senselink"]

    assert verify.signature(int(known["timestamp"]), known["app_secret"]) == known["sign"]


def test_another_time_and_another_secret_are_another_signature() -> None:
    assert len({verify.signature(at, secret) for at in (1, 2) for secret in ("a", "b")}) == 4


# ─── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_that_no_server_has_is_refused(senselink: Rig[Any], output: Output) -> None:
    answer = senselink.send(told(access_record(), token="another"))

    assert (answer.status, answer.reason) == (401, "unknown_account")
    assert senselink.is_untouched
    assert output.counted == {Count.REJECTED: 1}


@pytest.mark.parametrize("token", NEARLY_TOKENS)
def test_what_is_nearly_a_token_is_refused(senselink: Rig[Any], token: str) -> None:
    assert senselink.send(told(access_record(), token=token)).status == 401
    assert senselink.is_untouched


def test_a_push_without_a_token_is_refused(senselink: Rig[Any]) -> None:
    push = told(access_record())

    assert senselink.send(Request(URL + "/v1/senselink", push.body, push.headers)).status == 401


def test_a_server_without_tokens_takes_no_push() -> None:
    rig = senselink_rig({"accounts": [{"server": "mute", "url": "wss://192.0.2.1:9000"}]})

    assert rig.send(told(access_record(), token="")).status == 401


@pytest.mark.parametrize(
    ("token", "server"),
    [
        ("north-one-0123456789abcdef", "north"),
        ("north-two-0123456789abcdef", "north"),
        ("south-one-0123456789abcdef", "south"),
        ("south-three-0123456789abcdef", "south"),
    ],
)
def test_each_live_token_says_which_server_it_is(token: str, server: str) -> None:
    rig = senselink_rig({"accounts": [SENSELINK, SOUTH]})

    assert rig.send(told(access_record(), token=token)).status == 200
    assert rig.event["data"]["account"] == server
    assert token not in json.dumps(rig.event)


def test_the_same_record_of_two_servers_is_two_happenings() -> None:
    rig = senselink_rig({"accounts": [SENSELINK, SOUTH]})

    rig.send(told(access_record(), token="north-one-0123456789abcdef"))
    rig.send(told(access_record(), token="south-one-0123456789abcdef"))

    assert len(rig.stored) == 2


def test_a_token_that_was_made_a_moment_ago_is_accepted(senselink: Rig[Any]) -> None:
    senselink.accounts.rotated = Accounts.model_validate(
        {"accounts": [{"server": "north", "tokens": ["newer-one-0123456789abcdef"]}]}
    )

    assert senselink.send(told(access_record(), token="newer-one-0123456789abcdef")).status == 200


@pytest.mark.parametrize(
    "token", ["north-one-0123456789abcdef", "north-two-0123456789abcdef", "south-three-0123456789abcdef", "nobody"]
)
def test_every_token_is_compared_whichever_it_is(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    rig = senselink_rig({"accounts": [SENSELINK, SOUTH]})
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(ours: bytes, theirs: bytes) -> bool:
        compared.append((len(ours), len(theirs)))
        return real(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    rig.send(told(access_record(), token=token))

    # Hashes of one length are compared, so the work depends neither on the matching token nor on a partial match.
    assert compared[:5] == [(32, 32)] * 5
    assert len(compared) == 5


# ─── Which happening ──────────────────────────────────────────────────────────────────────────────────────────────────


SECOND = str(int(AT) - 2)


def test_a_record_is_the_same_by_websocket_by_subscription_and_from_the_list() -> None:
    record = access_record()
    ways = [
        {"code": 30000, "message": "push record", "data": record},
        {"messageId": "a", "eventType": 30000, "sendTime": 1, "data": record},
        {"messageId": "b", "eventType": "30000", "sendTime": 2, "data": {**record, "id": str(record["id"])}},
        {"code": 200, "eventType": 30000, "data": {**record, "id": float(record["id"])}},
        {"code": 30000, "data": _snake(record)},
        {"code": 30000, "data": senselink.row(record)},
        {"code": 30000, "data": senselink.row(record, camel=True)},
        {"eventType": "30000", "data": senselink.older(record)},
        {"code": 30000, "data": {"id": record["id"], "sign_time": record["signTime"]}},
    ]

    assert {tuple(_identity(message)) for message in ways} == {("record", "1364591", SECOND)}


@pytest.mark.parametrize(
    "told",
    [
        int(AT) - 2,
        str(int(AT) - 2),
        float(int(AT) - 2),
        (int(AT) - 2) * 1000,
        (int(AT) - 2) * 1000 + 999,
        str((int(AT) - 2) * 1000 + 1),
        "2026-07-01 20:59:58",
        "2026-07-01T11:59:58Z",
        "2026/07/01 20:59:58.250",
    ],
)
def test_a_record_is_the_same_in_whatever_unit_its_second_is_told(told: object) -> None:
    """Vendor's code 2.4: `sign_time` comes in seconds where a push may have milliseconds."""
    assert _identity({"code": 30000, "data": access_record(signTime=told)}) == ["record", "1364591", SECOND]


@pytest.mark.parametrize(
    "device",
    [{"sn": "SPSP-1"}, {"sn": "", "deviceSN": "PS71HD01"}, {"sn": None, "device_ldid": "SPSP-1"}, {"sn": None}],
)
def test_the_device_is_no_part_of_a_records_identity(device: dict[str, Any]) -> None:
    """Vendor's code 2.4: the list has the LDID where a push may have the serial number."""
    assert _identity({"code": 30000, "data": access_record(**device)}) == ["record", "1364591", SECOND]


def test_a_server_that_is_set_up_anew_counts_from_one_and_its_records_are_new_ones(senselink: Rig[Any]) -> None:
    """Protocol B2, identity; reports 18."""
    senselink.send(told(access_record(id=3, signTime=int(AT) - 86_400)))
    senselink.send(told(access_record(id=3, userId=99)))
    senselink.send(told(alarm_record(id=3, code=10003, alarmTime="2026-06-01 10:00:00"), 30100))
    senselink.send(told(alarm_record(id=3, code=20003, traceId="T2"), 30100))

    assert len(senselink.stored) == 4
    assert not any("conflicts_with" in event["data"] for event in senselink.stored)


def test_another_person_under_a_known_id_is_a_second_event_that_says_so(senselink: Rig[Any], output: Output) -> None:
    for _ in range(2):
        senselink.send(told(access_record()))
        senselink.send(told(access_record(userId=99)))

    first, second = sorted(senselink.stored, key=lambda event: "conflicts_with" in event["data"])
    assert second["data"]["conflicts_with"] == first["id"]
    assert output.counted[Count.CONFLICT] == 1


@pytest.mark.parametrize("nobody", [0, "0", None, ""])
def test_a_person_that_one_channel_does_not_tell_decides_nothing(senselink: Rig[Any], nobody: object) -> None:
    senselink.send(told(access_record()))
    senselink.send(told(access_record(userId=nobody)))

    assert senselink.event


def test_a_record_by_all_ways_is_one_event() -> None:
    rig = senselink_rig()

    rig.send(told(access_record()))
    rig.send(
        told(access_record(), token="north-two-0123456789abcdef", messageId="M2", sendTime=5), at=NOW + seconds(3600)
    )
    rig.send(told(json.dumps({"code": 30000, "data": _snake(access_record())}).encode()))
    rig.send(told(json.dumps({"code": 30000, "data": senselink.row(access_record())}).encode()))
    rig.send(told(senselink.older(access_record())))

    assert len(rig.stored) == 1


@pytest.mark.parametrize("ways", list(itertools.permutations(("pushed", "heard", "fetched"))))
@pytest.mark.parametrize("number", [1364591, 0])
def test_what_is_pushed_heard_and_fetched_is_one_event(ways: tuple[str, ...], number: int) -> None:
    """Through the subscription's handler, from the listener's connection, and from a list that it fetched."""
    rig, server = senselink_rig(), Server.model_validate(SENSELINK)
    record = access_record(id=number)
    gate = Gate(rig.store, rig.topics, rig.spill, rig.announce, rig.media)
    recorder = Recorder(server, gate, Stop(), workers=1, buffer=1)
    fetched = senselink.row(record)
    messages = {
        "heard": {"code": 30000, "message": "push record", "data": record},
        "fetched": {"code": 30000, "data": fetched},
    }

    for way in ways:
        if way == "pushed":
            rig.send(told(record))
            continue
        arrival = Arrival.BACKFILL if way == "fetched" else None
        handed = recorder.hand(json.dumps(messages[way]).encode(), NOW + seconds(5), lambda _: None, arrival)
        assert handed is not None
        assert handed.result(20)

    assert rig.event["data"]["account"] == "north"


def test_each_state_of_an_alarm_is_a_happening_and_each_only_one() -> None:
    states = [
        {"code": 30100, "data": alarm_record(status=status, releaseTime=time)}
        for status in (1, 2, 3)
        for time in ("", "2026-07-01 21:00:00")
    ]

    assert {tuple(_identity(state)) for state in states} == {
        ("alarm", "7001", status, "T1", SECOND) for status in "123"
    }


@pytest.mark.parametrize(
    "told",
    ["2026-07-01 20:59:58", "2026-07-01T20:59:58+09:00", (int(AT) - 2) * 1000, str(int(AT) - 2), "20260701205958"],
)
def test_an_alarm_is_the_same_however_its_beginning_is_told(told: object) -> None:
    """Reports 15: `alarmTime` as epoch milliseconds."""
    assert _identity({"code": 30100, "data": alarm_record(alarmTime=told)}) == ["alarm", "7001", "1", "T1", SECOND]


def test_a_trace_tells_alarms_apart_where_no_time_is_told() -> None:
    def message(**more: Any) -> list[str]:
        return _identity({"code": 30100, "data": alarm_record(alarmTime="", **more)})

    assert message() == message(description="held open") == ["alarm", "7001", "1", "T1", ""]
    assert message(traceId="") != message(traceId="", description="held open")


def test_an_alarm_of_the_list_is_the_same_as_the_one_that_was_pushed() -> None:
    pushed = {"eventType": 30100, "data": alarm_record()}

    assert _identity({"code": 30100, "data": _snake(alarm_record())}) == _identity(pushed)


def test_an_alarm_that_is_released_twice_is_told_twice(senselink: Rig[Any]) -> None:
    for released in ("2026-07-01 20:59:59", "", "2026-07-01 21:30:00", "2026-07-01 20:59:59"):
        senselink.send(told(alarm_record(status=3, releaseTime=released), 30100))

    assert len(senselink.stored) == 2


def test_a_record_and_an_alarm_of_one_number_are_two_happenings() -> None:
    assert _identity({"code": 30000, "data": access_record(id=5)}) != _identity(
        {"code": 30100, "data": alarm_record(id=5)}
    )


NO_IDS: list[dict[str, Any]] = [
    {"id": 0},
    {"id": "0"},
    {"id": 0.0},
    {"id": -1},
    {"id": None},
    {"id": ""},
    {"id": " "},
    {"id": "null"},
    {"id": "(null)"},
    {"id": "NaN"},
    {"id": True},
    {"id": []},
    {},
    {"id": "N/A"},
    {"id": "<nil>"},
    {"id": "(nil)"},
    {"id": "<null>"},
    {"id": "-"},
    {"id": "-5"},
    {"id": "''"},
    {"id": {}},
    {"id": "00000000-0000-0000-0000-000000000000"},
]
NIL_TRACES: Final[list[Any]] = [
    "N/A",
    "<nil>",
    "(nil)",
    "<null>",
    "null",
    "(null)",
    "0",
    0,
    "-",
    -1,
    "''",
    "",
    None,
    {},
]


@pytest.mark.parametrize("kind", [30000, 30100])
@pytest.mark.parametrize("no_id", NO_IDS)
def test_without_an_id_a_record_is_known_by_what_it_holds(kind: int, no_id: dict[str, Any]) -> None:
    time = {"signTime": int(AT), "alarmTime": int(AT)}

    def message(**more: Any) -> dict[str, Any]:
        return {"code": kind, "data": {**no_id, **time, "status": 1, **more}}

    assert _identity(message()) == _identity({**message(), "messageId": "another", "sendTime": 5})
    assert _identity(message()) == _identity({"eventType": kind, "data": _snake(message()["data"])})
    assert _identity(message()) == _identity(message(status="1", name=None, groups=[]))
    assert _identity(message()) != _identity(message(signTime=int(AT) + 1, alarmTime=int(AT) + 1))
    assert _identity(message()) != _identity(message(deviceName="south door"))
    assert _identity(message()) != _identity({"code": 60100 - kind, "data": message()["data"]})


def test_without_an_id_older_and_newer_names_are_one_happening() -> None:
    newer = access_record(id=0, groups=[])

    assert _identity({"eventType": 30000, "data": senselink.older(newer)}) == _identity({"code": 30000, "data": newer})


@pytest.mark.parametrize("kind", [30000, 30100])
def test_without_id_and_time_a_record_is_of_the_message_that_brings_it(kind: int) -> None:
    def message(**around: Any) -> list[str]:
        return _identity({"eventType": kind, "data": {"id": 0, "userId": 17, "signTime": 0}, **around})

    assert message(messageId="M1", sendTime=1) == message(messageId="M1", sendTime=2)
    assert message(messageId="M1") != message(messageId="M2")
    for nil in ("00000000-0000-0000-0000-000000000000", "", None, "null", 0):
        assert message(messageId=nil, sendTime=1) != message(messageId=nil, sendTime=2)
        assert message(messageId=nil, sendTime=1) == message(sendTime="1")


def test_an_id_without_a_time_is_no_identity_alone() -> None:
    def message(**more: Any) -> list[str]:
        return _identity({"eventType": 30000, "data": {"id": 3, "userId": 17, **more}})

    assert message() == message(signTime=None)
    assert len({tuple(message(**more)) for more in ({}, {"userId": 18}, {"signDate": "2026-07-01"})}) == 3
    assert message(signDate="2026-07-01") == message(signDate="20260701", userId=18)


@pytest.mark.parametrize("message", [b'{"code":30000,"message""push","data":{}}', b"\xff\xfe", b"", b"[" * 3000])
def test_what_cannot_be_parsed_is_known_by_its_bytes(senselink: Rig[Any], message: bytes) -> None:
    for _ in range(2):
        assert senselink.send(told(message)).status == 200
    assert senselink.send(told(message + b" ")).status == 200

    assert len(senselink.stored) == 2
    assert {event["data"]["kind"] for event in senselink.stored} == {"unmapped"}


@pytest.mark.parametrize("message", [None, 5, "30000", [30000], {"code": 30000}, {"code": 30000, "data": [1]}, {}])
def test_what_is_no_message_is_known_by_what_it_holds(message: object) -> None:
    assert _identity(message) == ["message", json.dumps(message, sort_keys=True)]


def test_a_message_that_nobody_knows_is_the_same_when_it_is_sent_again_and_else_another() -> None:
    def message(**around: Any) -> list[str]:
        return _identity({"eventType": 30200, "messageId": "M1", "sendTime": 1, "data": {"id": 7}, **around})

    assert message() == message(sendTime=2)
    assert (
        len({tuple(message(**more)) for more in ({}, {"messageId": "M2"}, {"data": {"id": 8}}, {"eventType": 30300})})
        == 4
    )
    assert message(messageId="") != message(messageId="", sendTime=2)


def test_camel_case_goes_all_the_way_down() -> None:
    assert camel({"sign_time": [{"user_id": 1, "a_1b": {"x_y": None}}], "signTime2": 0}) == {
        "signTime": [{"userId": 1, "a1b": {"xY": None}}],
        "signTime2": 0,
    }


# ─── What stands for nothing ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nil", NIL_TRACES)
def test_two_fires_in_one_second_are_two_alarms_whatever_word_stands_for_no_id(
    senselink: Rig[Any], nil: object
) -> None:
    """A word for null that counted as an id, or as a trace id, would make one event of all alarms."""
    for device in ("D1", "D2"):
        alarm = alarm_record(id=nil, traceId=nil, code=20003, deviceSn=device)
        assert senselink.send(told(alarm, 30100)).status == 200

    assert sorted(event["data"]["device"] for event in senselink.stored) == ["D1", "D2"]
    assert all("trace_id" not in event["data"] for event in senselink.stored)


@pytest.mark.parametrize("nil", NIL_TRACES)
def test_a_trace_of_nothing_tells_no_alarm_from_another(nil: object) -> None:
    def identity(**more: Any) -> list[str]:
        return _identity({"eventType": 30100, "data": alarm_record(**more)})

    assert identity(traceId=nil) == identity(traceId=None)
    assert identity(traceId="4e12") != identity(traceId="4000000000000")


# ─── Encoded twice, and with pictures in it ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_body_that_was_encoded_twice_is_read(senselink: Rig[Any], times: int, bom: bytes) -> None:
    body = told(access_record()).body.decode()
    for _ in range(times):
        body = json.dumps(body)
    assert senselink.send(told(bom + body.encode())).status == 200
    assert senselink.send(told(access_record())).status == 200

    assert senselink.event["data"]["person"]["name"] == "Mira Holt"


@pytest.mark.parametrize("picture", [base64.b64encode(JPEG * 40).decode(), "x" * 201, "data:image/jpeg;base64,YQ" * 20])
@pytest.mark.parametrize("encode", [lambda data: data, json.dumps])
def test_a_picture_in_place_of_its_id_is_not_kept_in_the_event(
    senselink: Rig[Any], picture: str, encode: Callable[[Any], Any]
) -> None:
    record = access_record(signAvatar=picture, capturePicture=picture, doc_photo=picture, avatar="5d901af6")
    assert senselink.send(told(encode(record))).status == 200
    assert senselink.send(told(encode(alarm_record(alarmPhoto=picture)), 30100)).status == 200

    alarm, recognition = (event["data"] for event in sorted(senselink.stored, key=lambda event: event["type"]))
    assert picture not in json.dumps([recognition, alarm])
    assert [(one["role"], one["reference"]) for one in recognition["pictures"]] == [
        ("avatar", "5d901af6"),
        ("sign_bg_avatar", "5d901af663cdaf0001252bba"),
    ]
    assert recognition["person"]["name"] == "Mira Holt"
    assert alarm["pictures"] == []


def test_a_picture_in_a_field_that_nobody_knows_is_not_kept_either(senselink: Rig[Any]) -> None:
    picture = base64.b64encode(JPEG * 40).decode()
    assert senselink.send(told({**access_record(), "thermal": [{"image": picture}, picture]})).status == 200

    assert picture not in json.dumps(senselink.event)
    assert senselink.event["data"]["payload"]["data"]["thermal"] == [{}]


def test_a_long_text_that_is_no_picture_is_kept(senselink: Rig[Any]) -> None:
    assert senselink.send(told(alarm_record(description="The door is open. " * 20), 30100)).status == 200

    assert senselink.event["data"]["description"].startswith("The door is open.")
