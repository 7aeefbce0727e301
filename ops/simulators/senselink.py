"""A simulated SenseLink: a server that tells what its terminals see by WebSocket, and by its event subscription.

Written after "3 Push通知" of the SenseLink GE documentation; the lists and the pictures are in another one.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from wsproto.events import CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import RemoteProtocolError

from ops.serving import Handler, Port
from ops.simulators import Accounts, Credentials, Messages, Request, Target, now
from ops.websocket import Gone, WebSocket, reply

PATH: Final = "/v1/senselink"
SILENCE: Final = 20
"""Seconds without a message after which the local listener connects anew."""
_ZONE: Final = timezone(timedelta(hours=9))
_NAME: Final = "workshop"
_PAGE: Final = 100
_ALARM_PAGE: Final = 1000
_SKEW: Final = 600
"""Seconds that a signature's timestamp may be off."""
_STOPS_WITHIN: Final = 20
"""Seconds that a listener has to finish what is in hand."""
_PUSHING: Final = "harbour"
"""A server that only pushes, and whose subscription has ended without a word."""
_GRACE: Final = 2
"""Seconds for which a record is left to the subscription."""
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"
_CATCH_UP: Final = 30
"""Seconds after which is fetched again what it did not bring."""

type Fields = dict[str, Any]
type Shape = Literal["list", "record_list", "data.record_list"]
"""The place of the records in the answer of the record list, below `data`."""


# ─── The launcher's part ──────────────────────────────────────────────────────────────────────────────────────────


def new_accounts() -> Accounts:
    """One server, with an app for the listener and a token for the subscription."""
    app = {
        "app_key": secrets.token_hex(8),
        "app_secret": secrets.token_hex(16),
        "token": secrets.token_urlsafe(24),
    }
    server = {
        "server": _NAME,
        "tokens": [app["token"]],
        "app_key": app["app_key"],
        "app_secret": app["app_secret"],
    }
    return Accounts(secret={"accounts": [server]}, apps={"senselink": app})


def apps_of(secret: Mapping[str, Any], *, older: bool = False) -> Mapping[str, Credentials]:
    """The first server in a secret's document, with the first of its tokens or the last."""
    server = secret["accounts"][0]
    keys = {name: server[name] for name in ("app_key", "app_secret") if name in server}
    return {"senselink": {**keys, "token": server["tokens"][-1 if older else 0]}}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `gatehouse up`."""
    options = parser.add_argument_group("SenseLink")
    options.add_argument("--senselink-url", metavar="URL", help="a server to listen to (ws://…), not the simulated one")
    options.add_argument("--senselink-api-url", metavar="URL", help="with it: where its record list is (http://…)")
    options.add_argument(
        "--senselink-silence",
        type=int,
        default=SILENCE,
        metavar="SECONDS",
        help="how long the listener bears no message (%(default)s)",
    )
    options.add_argument(
        "--senselink-listen",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run the listener, and fetch what the subscription of a server without one did not bring",
    )


@contextlib.contextmanager
def processes(
    stack: Target,
    *,
    simulate: bool = False,
    url: str | None = None,
    api_url: str | None = None,
    silence: int = SILENCE,
    listen: bool = True,
) -> Iterator[list[int]]:
    """The listener, and a server for it unless there is another one; yields the listener's process.

    Args:
        stack: where it brings what it hears.
        simulate: whether something happens at the simulated server.
        url: of the other one's WebSocket.
        api_url: of the other one's record list.
        silence: seconds without a message after which the listener connects anew.
        listen: whether there is a listener at all.
    """
    with contextlib.ExitStack() as started:
        if url is None:
            server = started.enter_context(Server(stack.vendors["senselink"]).serving())
            url, api_url = server.url, server.api_url
            if simulate:
                started.enter_context(server.busy())
                if listen:
                    started.enter_context(_catching_up(stack))
        point_to(stack, url, api_url)
        yield [started.enter_context(listening(stack, silence)).pid] if listen else []


def point_to(stack: Target, url: str, api_url: str | None) -> None:
    """Says in the vendor's secret where the server is."""
    client = stack.client("secretsmanager")
    document = json.loads(client.get_secret_value(SecretId=stack.secrets["senselink"])["SecretString"])
    # The simulated one has no certificate.
    insecure = not url.startswith("wss://") or not (api_url or "https://").startswith("https://")
    where = {"url": url, **({"api_url": api_url} if api_url else {}), **({"insecure": True} if insecure else {})}
    document["accounts"] = [
        {**account, **where} if account["server"] == _NAME else account for account in document["accounts"]
    ]
    client.put_secret_value(SecretId=stack.secrets["senselink"], SecretString=json.dumps(document))


@contextlib.contextmanager
def _catching_up(stack: Target) -> Iterator[None]:
    """A server whose subscription brings nothing, though people pass; what its list has is fetched now and again."""
    app = {"app_key": secrets.token_hex(8), "app_secret": secrets.token_hex(16)}
    ended = threading.Event()
    with Server(app, seed=2).serving() as server:
        client = stack.client("secretsmanager")
        document = json.loads(client.get_secret_value(SecretId=stack.secrets["senselink"])["SecretString"])
        others = [account for account in document["accounts"] if account["server"] != _PUSHING]
        document["accounts"] = [*others, {"server": _PUSHING, "api_url": server.api_url, "insecure": True, **app}]
        client.put_secret_value(SecretId=stack.secrets["senselink"], SecretString=json.dumps(document))

        def go_on() -> None:
            while True:
                server.happen(name="Ida Lund", userId=23)
                if ended.wait(_GRACE + 1):
                    return
                with started(stack, "--once") as process:
                    while process.poll() is None:
                        if ended.wait(0.2):
                            return
                if ended.wait(_CATCH_UP):
                    return

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def listening(
    stack: Target, silence: float = SILENCE, **variables: str
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """The listener as a process of this machine, told what the stack's own function is told.

    Args:
        stack: where it brings what it hears.
        silence: seconds without a message after which it connects anew.
        variables: further ones of its environment, or other values.
    """
    return started(stack, **{"SILENCE": str(silence), **variables})


@contextlib.contextmanager
def started(stack: Target, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """The listener's image, as a process of this machine, until the block ends or it does.

    Args:
        stack: where it brings what it hears.
        arguments: on its command line: `--once`.
        variables: of its environment, besides those that the stack's own function has.
    """
    function = stack.client("lambda").get_function_configuration(FunctionName=stack.functions["senselink"])
    settings: dict[str, str] = function["Environment"]["Variables"]
    environment = {
        # Of the developer's own, nothing that says whose account it is.
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **{name: value for name, value in settings.items() if not name.startswith("AWS_")},
        **stack.variables(),
        "MEDIA_BUCKET": stack.media_bucket,
        "WATERMARKS_TABLE": stack.tables["watermarks"],
        "SERVERS": _NAME,
        "DENIED_PAUSE": "2",
        "STANDS": "1",
        "GRACE": str(_GRACE),
        "HEALTH_PORT": "0",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    with open(f"{stack.logs}/listener.log", "a", encoding="utf-8") as output:  # noqa: PTH123 - a text from stack.json
        process = subprocess.Popen(
            [sys.executable, "-m", "functions.senselink.listener", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ─── Pushes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def record(number: int, *, at: float | None = None, **more: Any) -> Fields:
    """An authentication, as the document's example has it.

    Args:
        number: its id.
        at: Unix seconds; now by default.
        more: further fields, or other values.
    """
    moment = datetime.fromtimestamp(now() if at is None else at, _ZONE)
    return {
        "id": number,
        "userId": 17,
        "name": "Mira Holt",
        "type": 1,
        "avatar": "5d901af663cdaf0001252bb7",
        "direction": 0,
        "verifyScore": 0.9837,
        "receptionUserId": 0,
        "receptionUserName": "",
        "groups": [{"id": 1, "name": "Default group", "type": 1}],
        "deviceName": "bella pro",
        "sn": "SPSP-f26131cf5301be29b3a6f7be150ed330",
        "signDate": f"{moment:%Y-%m-%d}",
        "signTime": int(moment.timestamp()),
        "signAvatar": "5d901af663cdaf0001252bb9",
        "signBgAvatar": "5d901af663cdaf0001252bba",
        "mobile": "",
        "icNumber": "",
        "idNumber": "",
        "jobNumber": "",
        "remark": "",
        "entryMode": 1,
        "signTimeZone": "+09:00",
        "docPhoto": "",
        "location": "306",
        "abnormalType": 0,
        **more,
    }


def alarm(number: int, status: int = 1, *, at: float | None = None, **more: Any) -> Fields:
    """A state of an alarm.

    Args:
        number: the alarm's id, the same in each state.
        status: 1 raised, 2 being released, 3 released.
        at: Unix seconds of this state; now by default.
        more: further fields, or other values.
    """
    moment = datetime.fromtimestamp(now() if at is None else at, _ZONE)
    local = f"{moment:%Y-%m-%d %H:%M:%S}"
    return {
        "id": number,
        "level": 1,
        "code": 10003,
        "description": "door held open",
        "status": status,
        "traceId": f"SPX-{number}",
        "deviceId": 9,
        "deviceName": "bella pro",
        "deviceSn": "SPSP-f26131cf5301be29b3a6f7be150ed330",
        "deviceLocation": "306",
        "alarmTime": local,
        "releaseTime": local if status == 3 else "",
        "alarmPhoto": "5d901af663cdaf0001252bbc",
        "resloveOption": 1,
        **more,
    }


_OLDER: Final = {
    "sn": "deviceSN",
    "name": "userName",
    "type": "userType",
    "avatar": "originAvatar",
}
"""Fields of a push by their names in version 2.2.0."""
_LISTED: Final = {
    "sn": "device_ldid",
    "name": "user_name",
    "type": "user_type",
    "signAvatar": "capture_picture",
    "signBgAvatar": "capture_bg_picture",
    "icNumber": "user_ic_number",
    "idNumber": "user_id_number",
}
"""Fields of a push by their names in the record list; all others are there in snake case."""


def older(fields: Fields) -> Fields:
    """A record as a server of version 2.2.0 pushes it: one group, and other names."""
    renamed = {_OLDER.get(name, name): value for name, value in fields.items() if name != "groups"}
    return {**renamed, **_one_group(fields, "groupId", "groupName")}


def row(fields: Fields, *, camel: bool = False) -> Fields:
    """A record as the record list has it, with its fields in snake or camel case."""
    listed = {_LISTED.get(name) or _underscored(name): value for name, value in fields.items()}
    listed.update(_one_group(fields, "group_id", "group_name"))
    return {_camel(name): value for name, value in listed.items()} if camel else listed


def _one_group(fields: Fields, number: str, name: str) -> Fields:
    first = next(iter(fields.get("groups") or ()), None)
    return {} if first is None else {number: first["id"], name: first["name"]}


def alarm_row(fields: Fields, *, camel: bool = False) -> Fields:
    """An alarm as the alarm list may have it: no row was ever seen, so it is like the record list's."""
    return dict(fields) if camel else {_underscored(name): value for name, value in fields.items()}


def _underscored(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def push(
    app: Credentials,
    api_url: str,
    kind: int,
    data: Fields,
    *,
    message_id: str | None = None,
    write: Callable[[Fields], bytes] | None = None,
    **around: Any,
) -> Request:
    """A message of the event subscription.

    Args:
        app: `token`.
        api_url: where our API is.
        kind: 30000 a record, 30100 a state of an alarm.
        data: the record or the alarm.
        message_id: of the message; a new one by default.
        write: makes the body of the message; JSON by default.
        around: further fields of the message, or other values.
    """
    body = {
        "messageId": message_id or str(uuid.uuid4()),
        "eventType": kind,
        "sendTime": int(now() * 1000),
        "data": data,
        **around,
    }
    return Request(
        url=f"{api_url}{PATH}/{app['token']}",
        body=(write or _written)(body),
        headers={"content-type": "application/json"},
    )


def _written(message: Fields) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


def _as_text(message: Fields) -> bytes:
    """Writes a message with all numbers as text, as some versions do."""
    return json.dumps(json.loads(json.dumps(message), parse_int=str, parse_float=str), ensure_ascii=False).encode()


def pushes(apps: Mapping[str, Credentials], api_url: str, /, **_: object) -> Iterator[Request]:
    """People pass a door, as newer and older servers tell it; it is held open, and its alarm goes through its states.

    One message is of a type that no page knows: it is to be `unmapped`.
    """
    numbers = itertools.count(secrets.randbelow(10**9))
    while True:
        for make in _day(apps["senselink"], api_url, numbers).values():
            yield make()


def messages(apps: Mapping[str, Credentials], api_url: str) -> Messages:
    """Every message of the event subscription."""
    app, numbers = apps["senselink"], itertools.count(secrets.randbelow(10**9))
    return {
        **_day(app, api_url, numbers),
        "unreadable": lambda: push(
            app, api_url, 30000, record(next(numbers)), write=lambda message: _written(message)[:80]
        ),
    }


def _day(app: Credentials, api_url: str, numbers: Iterator[int]) -> dict[str, Callable[[], Request]]:
    """A round of messages; those of an alarm are of the same one."""
    raised = alarm(next(numbers), 1)

    def passed(
        fields: Fields, write: Callable[[Fields], bytes] | None = None, message_id: str | None = None
    ) -> Request:
        return push(app, api_url, 30000, fields, write=write, message_id=message_id)

    def stranger() -> Request:
        fields = record(next(numbers), userId=0, name="", type=3, groups=[], verifyScore=0, direction=2)
        return passed({**fields, "signTime": fields["signTime"] * 1000})

    def visitor() -> Request:
        host: Fields = {"receptionUserId": 17, "receptionUserName": "Mira Holt", "docPhoto": "5d901af663cdaf0001252bbb"}
        fields = record(next(numbers), userId=31, name="Jon Ivers", type=2, groups=[], **host)
        return passed(fields, lambda message: _written(message) + b"\0")

    def barred() -> Request:
        groups = [{"id": 1, "name": "Default group", "type": 1}, {"id": 9, "name": "Not welcome", "type": 5}]
        return passed(row(record(next(numbers), userId=99, name="Otto Kern", groups=groups)))

    def releasing() -> Request:
        fields = {**raised, "status": 2}
        return push(app, api_url, 30100, fields, code=200, write=lambda message: b"\xef\xbb\xbf" + _written(message))

    def released() -> Request:
        return push(app, api_url, 30100, alarm(raised["id"], 3, alarmTime=raised["alarmTime"]), write=_as_text)

    fever: Fields = {"abnormalType": 40001, "bodyTemperature": 38.4}
    return {
        "record": lambda: passed(record(next(numbers), direction=1, jobNumber="J0017", icNumber="40017")),
        "alarm-raised": lambda: push(app, api_url, 30100, raised),
        "record-2-2-0": lambda: passed(older(record(next(numbers))), _as_text),
        "alarm-releasing": releasing,
        "alarm-released": released,
        "record-stranger": stranger,
        "record-visitor": visitor,
        "record-barred": barred,
        "record-fever": lambda: passed(row(record(next(numbers), **fever), camel=True)),
        "heartbeat": lambda: push(app, api_url, 10000, {}, message_id=_NO_ID),
        "record-without-id": lambda: passed({**record(0, userId=next(numbers)), "id": None}, message_id=_NO_ID),
        "unmapped": lambda: push(app, api_url, 30200, {"id": next(numbers), "elevator": {"car": 2, "floor": -1}}),
    }


# ─── The server ───────────────────────────────────────────────────────────────────────────────────────────────────

_UNREAD: Final = 65_536
"""Bytes in this machine's buffers for a connection that does not read; what is beyond them waits here."""
_CAMEL: Final = re.compile(r"([A-Z])")
PICTURE: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + b"\x00" * 500 + b"\xff\xd9"


class Server:
    """WebSockets at `url`, the lists and the pictures at `api_url`.

    The lists alone have what happens while there is no connection, or a deaf one.
    """

    def __init__(
        self,
        app: Credentials | None = None,
        *,
        heartbeat: float = 5,
        shape: Shape = "list",
        camel: bool = False,
        seed: int = 1,
    ) -> None:
        """A server that does not serve yet.

        Args:
            app: `app_key` and `app_secret` of the listener that it lets in; without, it lets none in.
            heartbeat: seconds between two.
            shape: of a list's answer.
            camel: whether lists have their fields in camel case, as some versions do.
            seed: of ids, and of the faults in broken messages.
        """
        self.app = app
        """The app that it lets in from now on."""
        self.shape = shape
        self.camel = camel
        self.has_list = True
        """False for a server without lists, which answers 404."""
        self.has_alarm_list = True
        """False for a server whose only list is of records."""
        self.is_hostile = False
        """True for a server whose lists are 16 MiB of nothing."""
        self.purges = 0
        """Records that its own retention deletes with each page that was asked for: the oldest on it."""
        self.repeats_last_page = False
        """True where the page after the last is the last one again, and not an empty one."""
        self.pause = 0.0
        """Seconds before each answer, to a handshake, to a call, before each message."""
        self.in_pieces = False
        """True where a message comes in several frames, with a ping in between."""
        self.url = ""
        self.api_url = ""
        self.records: list[Fields] = []
        """The records in the list, in the words of a push."""
        self.alarms: dict[int, Fields] = {}
        """The alarms in the list, each in its last state."""
        self.asked: Counter[str] = Counter()
        """Calls by path, and handshakes by `websocket`."""
        self._heartbeat = heartbeat
        self._chance = random.Random(seed)  # noqa: S311 - trouble, not a secret
        self._numbers = itertools.count(self._chance.randrange(10**6, 10**8) * 1000)
        self._clients: set[_Client] = set()
        self._lock = threading.Lock()
        self._ports: dict[type[_Asked], Port] = {}
        self._ended = threading.Event()

    @contextlib.contextmanager
    def serving(self, port: int = 0) -> Iterator[Self]:
        """Serves on two ports of 127.0.0.1 until the block ends.

        Args:
            port: of the WebSocket, where something leads to it; else a free one.
        """
        self._ports = {_Socket: Port(partial(_Socket, self), port), _Api: Port(partial(_Api, self))}
        for listened in self._ports.values():
            listened.open()
        self.url = f"ws://{self._ports[_Socket].address}"
        self.api_url = f"http://{self._ports[_Api].address}"
        heart = threading.Thread(target=self._beat, daemon=True)
        heart.start()
        try:
            yield self
        finally:
            self._ended.set()
            heart.join()
            for listened in self._ports.values():
                listened.close()
            self.drop()

    @contextlib.contextmanager
    def busy(self, seconds: float = 4) -> Iterator[None]:
        """Has somebody pass every so many seconds, while the block runs."""
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(seconds):
                self.happen()

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    # Events.

    @property
    def connections(self) -> int:
        """The number of clients that were let in, hear, and are still there."""
        with self._lock:
            return sum(client.hears for client in self._clients)

    @property
    def unread(self) -> int:
        """The number of messages that wait for a connection that does not read."""
        with self._lock:
            return sum(len(client.outgoing) for client in self._clients if client.hears)

    def happen(self, *, listed: bool = True, at: float | None = None, **more: Any) -> Fields:
        """Has somebody pass a door: it is in the list, and told to all that are connected."""
        with self._lock:
            passed = record(next(self._numbers), at=at, **more)
            if listed:
                self.records.append(passed)
            self._tell(_message(30000, "push record", data=passed))
        return passed

    def flood(self, count: int) -> list[Fields]:
        """Has that many pass, all at once."""
        return [self.happen() for _ in range(count)]

    def alarm(self, number: int | None = None, status: int = 1, **more: Any) -> Fields:
        """Has an alarm come to a state: the list has it in this one, and all that are connected are told."""
        with self._lock:
            raised = alarm(next(self._numbers) if number is None else number, status, **more)
            self.alarms[raised["id"]] = raised
            self._tell(_message(30100, "push alarm", data=raised))
        return raised

    def babble(self) -> str:
        """Sends a message that is no JSON, as the document's own examples are not; returns it."""
        number = next(self._numbers)
        whole = json.dumps({"code": 30100, "desc": "", "message": "push alarm", "data": {"id": number, "status": 0}})
        broken = self._chance.choice(
            (
                whole.replace('"message": ', '"message""'),
                whole[: self._chance.randrange(80, len(whole))],
                f"{whole}// アラートレコード",
            )
        )
        self.say(broken)
        return broken

    def poison(self) -> None:
        """Sends a message of nearly a megabyte that means nothing and has more parts than anybody reads."""
        self.say(json.dumps({"code": 30000, "data": [next(self._numbers), [{}] * 220_000]}))

    def shout(self) -> None:
        """Sends a frame that is larger than any message."""
        self.say("x" * 2_000_000)

    def say(self, message: str) -> None:
        """Sends all that are connected this text."""
        with self._lock:
            self._tell(message)

    # Faults.

    def drop(self) -> int:
        """Closes all connections, without a word; returns how many there were."""
        with self._lock:
            clients = list(self._clients)
            self._clients.clear()
        for client in clients:
            client.drop()
        return len(clients)

    def half_open(self) -> None:
        """Keeps the connections that there are open, and sends nothing at all by them from now on."""
        with self._lock:
            for client in self._clients:
                client.mute = "half-open"

    def silence(self) -> None:
        """Sends no message by the connections that there are from now on; pings and pongs go on."""
        with self._lock:
            for client in self._clients:
                client.mute = "silent"

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Drops all connections and refuses new ones while the block runs; the list answers."""
        with self._closed(_Socket):
            yield

    @contextlib.contextmanager
    def restarting(self) -> Iterator[None]:
        """Closes both ports while the block runs; events of that time are in the list afterwards."""
        with self._closed(_Socket, _Api):
            yield

    @contextlib.contextmanager
    def _closed(self, *handlers: type["_Asked"]) -> Iterator[None]:
        for handler in handlers:
            self._ports[handler].close()
        self.drop()
        try:
            yield
        finally:
            for handler in handlers:
                self._ports[handler].open()

    # For the handlers and the heart.

    def _tell(self, message: str) -> None:
        for client in self._clients:
            client.tell(message)

    def _beat(self) -> None:
        while not self._ended.wait(self._heartbeat):
            with self._lock:
                for client in self._clients:
                    client.ping()
                    client.tell(_message(10000, "heart beat"))

    def signed(self, app_key: str, timestamp: str, sign: str) -> str | None:
        """The reason not to let a client in; None to let it in."""
        app = self.app
        if app is None or app_key != app["app_key"]:
            return "app key not exist"
        if not timestamp.isdecimal() or abs(int(timestamp) / 1000 - time.time()) > _SKEW:
            return "timestamp expired"
        expected = hashlib.md5(f"{timestamp}#{app['app_secret']}".encode(), usedforsecurity=False).hexdigest()
        return None if sign == expected else "sign error"

    def welcome(self, client: "_Client") -> None:
        """Greets a connection; from now on it is told what happens."""
        with self._lock:
            self._clients.add(client)
            client.tell(_message(20000, "Connected!"))

    def forget(self, client: "_Client") -> None:
        """Takes a connection out that is gone."""
        with self._lock:
            self._clients.discard(client)

    def page(self, query: Mapping[str, str]) -> Fields:
        """A page of the record list: by id where the order is 1, else the newest first."""
        why = self.signed(query.get("app_key", ""), query.get("timestamp", ""), query.get("sign", ""))
        if why:
            return {"code": 20002, "message": "Permission Denied!", "desc": why}
        since, until = (
            datetime.strptime(query[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=_ZONE).timestamp()
            for name in ("date_time_from", "date_time_to")
        )
        with self._lock:
            found = [one for one in self.records if since <= one["signTime"] <= until]
        if query.get("order") == "1":
            found.sort(key=lambda one: int(one["id"]))
        else:
            found.reverse()
        data = self._paged([row(one, camel=self.camel) for one in found], query, _PAGE)
        if self.purges:
            with self._lock:
                gone = [one["id"] for one in found[: self.purges]]
                self.records = [one for one in self.records if one["id"] not in gone]
        *outer, name = self.shape.split(".")
        data[name] = data.pop("data")
        return {"code": 200, "message": "OK", "desc": "", "data": {outer[0]: data} if outer else data}

    def alarm_page(self, query: Mapping[str, str]) -> Fields:
        """A page of the alarm list: whole days, by when an alarm began."""
        why = self.signed(query.get("app_key", ""), query.get("timestamp", ""), query.get("sign", ""))
        if why:
            return {"code": 20002, "message": "Permission Denied!", "desc": why}
        with self._lock:
            found = [
                one if self.camel else _snake(one)
                for one in self.alarms.values()
                if query["dateFrom"] <= one["alarmTime"][:10] <= query["dateTo"]
            ]
        return {"code": 200, "message": "OK", "desc": "", **self._paged(found, query, _ALARM_PAGE)}

    def _paged(self, rows: list[Fields], query: Mapping[str, str], most: int) -> Fields:
        """A page of rows, as Go writes it: an empty list is null."""
        page, size = int(query.get("page", "1")), min(int(query.get("size", "20")), most)
        pages = -(-len(rows) // size)
        if self.repeats_last_page:
            page = min(page, max(pages, 1))
        return {
            "total": len(rows),
            "page_num": page,
            "page_size": size,
            "total_page": pages,
            "data": rows[(page - 1) * size : page * size] or None,
        }


class _Asked(Handler):
    def __init__(self, server: Server, *connection: Any) -> None:
        self._senselink = server
        super().__init__(*connection)


class _Api(_Asked):
    """`GET /api/v3/record/list`, `GET /api/v2/device/alarm/list`, `GET /v1/image/{1|2}/{id}`."""

    def respond(self) -> None:
        senselink, address = self._senselink, urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        senselink.asked[address.path] += 1
        time.sleep(senselink.pause)
        if address.path.startswith("/api/") and senselink.is_hostile:
            self._answer(200, b'{"code": 200, "data": {"list": [' + b"{}," * 5_592_405 + b"{}]}}")
        elif address.path == "/api/v3/record/list" and senselink.has_list:
            self._answer(200, json.dumps(senselink.page(query), ensure_ascii=False).encode())
        elif address.path == "/api/v2/device/alarm/list" and senselink.has_list and senselink.has_alarm_list:
            self._answer(200, json.dumps(senselink.alarm_page(query), ensure_ascii=False).encode())
        elif address.path.startswith(("/v1/image/1/", "/v1/image/2/")):
            why = senselink.signed(query.get("app_key", ""), query.get("timestamp", ""), query.get("sign", ""))
            self._answer(403 if why else 200, b"" if why else PICTURE, "image/jpeg")
        else:
            self._answer(404, b'{"status": 404, "error": "Not Found"}')

    def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.answer(status, body, content_type=content_type, connection="close")


class _Socket(_Asked):
    """`ws://HOST:9000/websocket/record/{app_key}/{timestamp}/{sign}`, by RFC 6455."""

    def respond(self) -> None:
        senselink = self._senselink
        senselink.asked["websocket"] += 1
        _, *path = urlsplit(self.path).path.split("/")
        try:
            asked = WebSocket(self)
        except RemoteProtocolError:
            self.send_error(404)
            return
        if len(path) != 5 or path[:2] != ["websocket", "record"]:
            self.send_error(404)
            return
        time.sleep(senselink.pause)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)
        with contextlib.suppress(Gone):
            asked.accept(date=self.date_time_string())
            why = senselink.signed(*path[2:])
            if why:
                asked.send(TextMessage(_message(20002, "Permission Denied!", desc=why)), CloseConnection(1000))
                return
            _Client(asked, senselink).serve()


class _Client:
    """A connection that was let in."""

    def __init__(self, connection: WebSocket, server: Server) -> None:
        self.mute: Literal["half-open", "silent"] | None = None
        self.outgoing: deque[str | None] = deque()
        self._connection = connection
        self._server = server
        self._more = threading.Condition()
        self._is_over = False

    @property
    def hears(self) -> bool:
        """True while what happens comes to it."""
        return self.mute is None and not self._is_over

    def tell(self, message: str) -> None:
        """Sends a message, after those before it."""
        if self.mute is None:
            self._put(message)

    def ping(self) -> None:
        """Sends a ping, after the messages before it."""
        self._put(None)

    def drop(self) -> None:
        """Closes it, without a word."""
        with self._more:
            self._is_over = True
            self._more.notify()
        self._connection.drop()

    def serve(self) -> None:
        """Tells the client what happens, until the connection is over."""
        writer = threading.Thread(target=self._write_all, daemon=True)
        writer.start()
        self._server.welcome(self)
        try:
            for event in self._connection.heard():
                if answer := reply(event):
                    self._write(answer)
        except Gone:
            pass
        finally:
            self._server.forget(self)
            self.drop()
            writer.join()

    def _put(self, what: str | None) -> None:
        with self._more:
            self.outgoing.append(what)
            self._more.notify()

    def _write_all(self) -> None:
        """Writes what is to be sent, until the connection is over."""
        with contextlib.suppress(Gone):
            while True:
                with self._more:
                    self._more.wait_for(lambda: self.outgoing or self._is_over)
                    if self._is_over:
                        return
                    # It stays in the queue until it is written, so that the server's `unread` counts it.
                    what = self.outgoing[0]
                self._write_one(what)
                self.outgoing.popleft()

    def _write_one(self, what: str | None) -> None:
        if what is None:
            self._write(Ping())
            return
        time.sleep(self._server.pause)
        if self._server.in_pieces and len(what) > 2:
            third = len(what) // 3
            self._write(TextMessage(what[:third], message_finished=False))
            self._write(Ping(b"between"))
            self._write(TextMessage(what[third : 2 * third], message_finished=False))
            self._write(TextMessage(what[2 * third :]))
        else:
            self._write(TextMessage(what))

    def _write(self, event: Event) -> None:
        """Sends an event, unless nothing comes from here any more."""
        if self.mute == "half-open" or (self.mute == "silent" and isinstance(event, Message)):
            return
        self._connection.send(event)


def _message(code: int, message: str, *, desc: str | None = None, data: Fields | None = None) -> str:
    fields = {"code": code, "desc": message if desc is None else desc, "message": message}
    return json.dumps(fields if data is None else {**fields, "data": data}, ensure_ascii=False)


def _snake(fields: Fields) -> Fields:
    return {_CAMEL.sub(lambda letter: f"_{letter[1].lower()}", name): value for name, value in fields.items()}
