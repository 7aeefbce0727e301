"""Log lines and metrics hold no data of a person, for every push and every fault."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from functions.redrive.handler import handle as redrive
from functions.sensepass.rules import Rules, Verdict
from gatehouse.gate import Gate
from gatehouse.media import Upload
from gatehouse.settings import Announce
from ops.simulators import Request
from ops.simulators.sensepass import BLOCKLISTED, NOT_LIVE, STAFF, STRANGER, VISITOR
from tests.builders import NOW, rules_document, seconds, spilled
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output
from tests.rig import Rig
from tests.vendors.sensepass import SERIAL, SITE, rules_of, sensepass_rig, terminal

TOKEN = "MARKER-token-0123456789abcdef"
PICTURE = b"\xff\xd8\xff\xe0" + b"MARKER-picture" * 50
MARKED = {
    "name": "MARKER-name",
    "user_id": "MARKER-user",
    "ic_number": "MARKER-card",
    "job_number": "MARKER-job",
    "id_number": "MARKER-id",
    "pin": "MARKER-pin",
    "type": 1,
    "group_id": "MARKER-group",
}
SECRET = {"accounts": [{**SITE, "tokens": [TOKEN], "serials": [SERIAL, "MARKER-serial"]}]}


def _marks() -> list[str]:
    """The texts that no line may hold: the words, and the picture as base64, from each offset."""
    encoded = base64.b64encode(PICTURE).decode()
    return ["MARKER", base64.b64encode(b"MARKER").decode()[:8], *(encoded[at : at + 12] for at in range(0, 60, 4))]


def _good() -> Iterator[Request]:
    for firmware in ("1.0", "1.1", "1.2.1", "1.3"):
        door = terminal(firmware, TOKEN, "MARKER-serial")
        for person in (STAFF, VISITOR, STRANGER, NOT_LIVE, BLOCKLISTED):
            yield door.upload(person, image=PICTURE, user=MARKED, uuid="MARKER-uuid")
            if firmware != "1.0":
                yield door.question(person, image=PICTURE, user=MARKED)
    yield terminal(token=TOKEN).alarm(trace_id="MARKER-trace", image=PICTURE, description="MARKER")
    yield terminal(token=TOKEN).heartbeat()


def _bad() -> Iterator[Request]:
    door = terminal("1.3", TOKEN)
    for person in (STAFF, STRANGER):
        yield terminal(token="MARKER-unknown").upload(person, image=PICTURE, user=MARKED)
        yield terminal(token=TOKEN, serial="MARKER-other").upload(person, image=PICTURE, user=MARKED)
    for odd in ("MARKER", ["MARKER"], {"MARKER": "MARKER"}, 10**400, None, True):
        for name in ("user", "deviceSN", "recognitionType", "uuid", "timestamp", "rgb_image", "pass", "mode"):
            fields: dict[str, Any] = {"image": PICTURE, "user": MARKED, name: odd}
            yield door.upload(**fields)
            yield door.question(**fields)
            yield door.alarm(**fields)
    yield door.pushed(7, {"deviceSN": SERIAL, **MARKED})
    yield door.pushed(0, {"deviceSN": SERIAL, "user": MARKED, "news": "MARKER" * 60_000})
    for body in (b"MARKER", b'{"user": "MARKER', b'["MARKER"]', b'"MARKER"', b"MARKER\xff", b"MARKER" * 1_000_000):
        yield Request(door.event_dest, body)
        yield Request(door.remote_authentication_address, body)


class Broken(Rules):
    """Rules that fail, and quote what they were asked."""

    def __init__(self) -> None:
        super().__init__(lambda: "{}")

    def verdict(self, context: Mapping[str, object]) -> Verdict | None:
        raise ValueError(json.dumps(dict(context)))


class Quoting(FakeMedia):
    """A bucket whose fault quotes what it was given."""

    def put(self, upload: Upload) -> None:
        raise RuntimeError(repr(upload.data))


def _rules(document: str) -> Callable[[], Rig[Any]]:
    return lambda: sensepass_rig(SECRET, decision="rules", rules=rules_of(document))


def _down(*ports: str, **more: Any) -> Callable[[], Rig[Any]]:
    def make() -> Rig[Any]:
        rig = sensepass_rig(SECRET, **more)
        for port in ports:
            getattr(rig, port).down = True
        return rig

    return make


def _quoting() -> Rig[Any]:
    rig = sensepass_rig(SECRET)
    rig.media = Quoting()
    return rig


RIGS: dict[str, Callable[[], Rig[Any]]] = {
    "all is well": _down(),
    "rules": _rules(rules_document(found=({"pass": True, "tip": "MARKER"}, [("IN", "card", ["MARKER-card"])]))),
    "rules that nobody can use": _rules(rules_document(found=("MARKER", [("IN", "card", ["MARKER-card"])]))),
    "rules of another kind": _rules('{"open": {"default": false, "rules": {"odd": {"when_match": "MARKER"}}}}'),
    "rules that are not JSON": _rules('{"MARKER'),
    "rules that fail": lambda: sensepass_rig(SECRET, decision="rules", rules=Broken()),
    "past the deadline": _down(deadline=1.0, now=lambda: NOW + seconds(3)),
    "the table is down": _down("store"),
    "the topics are down": _down("topics"),
    "the bucket is down": _down("media"),
    "the table and the queue are down": _down("store", "spill"),
    "everything is down": _down("store", "topics", "media", "spill"),
    "the bucket has a fault that quotes": _quoting,
}


@pytest.mark.parametrize("make", RIGS.values(), ids=RIGS)
def test_no_picture_name_card_user_number_pin_or_token_is_in_any_line(
    make: Callable[[], Rig[Any]], output: Output
) -> None:
    rig = make()
    for push in (*_good(), *_bad()):
        assert rig.send(push).status in {200, 401, 413, 500, 503}
    batch = spilled(rig.spill)
    for store in (FakeStore(), FakeStore(down=True)) if batch["Records"] else ():
        redrive(batch, Gate(store, FakeTopics(), FakeSpill(), Announce.INLINE, FakeMedia()))

    lines = output.read()

    assert lines.count("\n") > 10
    assert [mark for mark in _marks() if mark in lines] == []
