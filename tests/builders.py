"""Pushes as the vendors and API Gateway make them, and a gate on fakes that they are sent to."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from Crypto.Cipher import AES
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_stepfunctions import SFNClient
from pydantic import BaseModel, JsonValue

from functions.eye4 import handler as eye4_handler
from functions.eye4 import wire as eye4_wire
from functions.eye4.pending import PendingFiles
from functions.senselink import handler as senselink_handler
from functions.senselink import wire as senselink_wire
from functions.sensepass import handler as sensepass_handler
from functions.sensepass import wire as sensepass_wire
from functions.sensepass.door import DecidedBy, Door, InDoubt
from functions.sensoro import alarms as sensoro_alarms
from functions.sensoro import handler as sensoro_handler
from functions.sensoro import wire as sensoro_wire
from functions.sunmi import handler as sunmi_handler
from functions.sunmi import wire as sunmi_wire
from gatehouse import edge
from gatehouse.edge import LambdaHandler
from gatehouse.errors import NOT_AUTHENTIC, Reason
from gatehouse.events import Notice, NoticeKind, Receipt, Record, Topic
from gatehouse.gate import Gate, Vendor, Verified
from gatehouse.rules import Rules
from gatehouse.settings import Announce
from ops import api_event as http_api
from ops.simulators import Request, eye4, sensoro, sunmi
from ops.simulators.sensepass import Firmware, Terminal
from tests.fakes import FakeAccounts, FakeAlbum, FakeRows, FakeSpill, FakeStates, FakeStore, FakeTopics
from tests.rejections import rejections

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
AT = NOW.timestamp()
URL = "https://push.example.com"
ARNS = {topic: f"arn:aws:sns:eu-central-1:123456789012:{topic}" for topic in Topic}
ENVIRONMENT = {
    "EVENTS_TABLE": "events",
    "TOPIC_ARNS": ",".join(f"{topic}={arn}" for topic, arn in ARNS.items()),
    "SPILL_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/spill",
    "SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:vendor",
    "MEDIA_BUCKET": "media",
    "ALARMS_TABLE": "alarms",
}

SUNMI = {"app_id": "2039dds", "app_key": "kdsofkdsnflke9382938k"}
SENSORO = {
    "app_id": "123456",
    "app_secret": "YOURAPPSECRET",
    "app_key": "bAZC8S8nz5fcQ0Ui2HxQVGbC6FzyrzWKSuDbmzpBo3G",
}
SENSORO_SAFE = {
    "app_id": "654321",
    "app_secret": "ANOTHERAPPSECRET",
    "app_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
}
SITE = {"site": "north", "tokens": ["north-one-0123456789abcdef", "north-two-0123456789abcdef"]}
SERIAL = "PS71HD01MC22C00014"
SENSEPASS_ENVIRONMENT = {**ENVIRONMENT, "RULES_PARAMETER": "rules"}
NEARLY_TOKENS = (
    "",
    "north",
    "north-one-0123456789abcdef ",
    "NORTH-ONE-0123456789ABCDEF",
    "north-one-0123456789abcdef%00",
    "\ud800",
    "x" * 10_000,
)
"""None of them is the token in the path that SensePass's and SenseLink's accounts here have."""
EYE4 = {"guid": "f2b6d81c4e5a4f0c9d37e1a85b60c294"}
CUSTOMER: dict[str, Any] = {
    "account": "workshop",
    "guids": [EYE4["guid"], "0a7c93e51b2d4f86b8e4d7c1a9f35062"],
    "api": {"userid": "4711", "authkey": "the-key-of-4711"},
}
NEIGHBOUR: dict[str, Any] = {"account": "harbour", "guids": ["91d4b7e20c6f4a53a8f1c2e5d7b3960a"]}
FILEID = "f991d9064ac71fad6a9fae22d17a4aab9f5b264d"
FLOW_ARN = "arn:aws:states:eu-central-1:123456789012:stateMachine:flow"
EYE4_ENVIRONMENT = {**ENVIRONMENT, "PENDING_FILES_TABLE": "pending-files", "FLOW_ARN": FLOW_ARN}
SENSELINK: dict[str, Any] = {
    "server": "north",
    "tokens": ["north-one-0123456789abcdef", "north-two-0123456789abcdef"],
    "url": "wss://192.0.2.20:9000",
    "app_key": "0f3a9c71",
    "app_secret": "the-secret-of-0f3a9c71",
    "time_zone": "+09:00",
}
FACE = {
    "ipc_id": "928",
    "face_id": "29195",
    "gender": 1,
    "age_range": 4,
    "group_id": "8927",
    "group_name": "熟客",
    "group_type": 2,
}


# ─── The gate on fakes ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Answered:
    """What a vendor got back."""

    status: int
    body: Any
    """Read as JSON; None where it is empty."""
    rejected: Reason | None = None
    """Why it was rejected, as the operator's log has it; the vendor is not told all of it."""

    @property
    def reason(self) -> str | None:
        """Why it was refused, if it was; of what is not authentic the reason that the log has."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        if error is None:
            return None
        told = error["reason"]
        if self.rejected is None:
            return str(told)
        # Whatever was wrong, the vendor is told one thing of it.
        assert told == (self.rejected if self.rejected.may_be_told else NOT_AUTHENTIC)
        return self.rejected


@dataclass
class House[A: BaseModel]:
    """A vendor's handler, and the three ports and the secret behind it."""

    make: Callable[[Gate, FakeAccounts[A]], LambdaHandler]
    accounts: FakeAccounts[A]
    announce: Announce = Announce.INLINE
    store: FakeStore = field(default_factory=FakeStore)
    topics: FakeTopics = field(default_factory=FakeTopics)
    spill: FakeSpill = field(default_factory=FakeSpill)
    album: FakeAlbum = field(default_factory=FakeAlbum)

    def handle(self, event: dict[str, Any]) -> Answered:
        """Has the handler answer an event of API Gateway."""
        gate = Gate(self.store, self.topics, self.spill, self.announce, self.album)
        with rejections() as rejected:
            response = self.make(gate, self.accounts)(event, None)
        assert response["headers"] == {"content-type": "application/json"}
        body = response["body"]
        return Answered(response["statusCode"], json.loads(body) if body else None, *rejected)

    def send(self, request: Request, at: datetime = NOW) -> Answered:
        """Has a push arrive."""
        return self.handle(api_event(request, at))

    @property
    def stored(self) -> list[dict[str, Any]]:
        """The events in the book, by their id: those of one push go side by side, in no order."""
        return _by_id(self.store.records.values())

    @property
    def published(self) -> list[dict[str, Any]]:
        """The events that were announced, by their id."""
        return _by_id(self.topics.messages)

    @property
    def event(self) -> dict[str, Any]:
        """The one event, which is in the book and was announced as it is there."""
        assert self.published == self.stored
        (event,) = self.stored
        return event

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was stored, announced or spilled."""
        spilled = self.spill.messages or self.spill.pictures
        return not (self.store.records or self.topics.messages or self.album.pictures or spilled)


def _by_id(records: Iterable[Record]) -> list[dict[str, Any]]:
    return [json.loads(record.body) for record in sorted(records, key=lambda record: record.id)]


def sunmi_house(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> House[Any]:
    """SUNMI's handler; `secret` is the document of its secret."""
    settings = sunmi_handler.Settings.read(ENVIRONMENT)
    return _house(
        sunmi_handler.vendor(settings),
        sunmi_wire.Accounts.model_validate(
            secret or {"accounts": [{"app_id": SUNMI["app_id"], "app_keys": [SUNMI["app_key"]]}]}
        ),
        announce,
    )


def sensoro_house(
    secret: Mapping[str, Any] | None = None,
    *,
    rows: FakeRows[sensoro_alarms.Row] | None = None,
    settings: Mapping[str, str] | None = None,
    announce: Announce = Announce.INLINE,
) -> House[Any]:
    """SENSORO's handler, by default with one app in plain and one in safe mode; `settings` by their variable."""
    read = sensoro_handler.Settings.read({**ENVIRONMENT, **(settings or {})})
    apps = [_sensoro_account(SENSORO, "plain"), _sensoro_account(SENSORO_SAFE, "safe")]
    return _house(
        sensoro_handler.vendor(read, sensoro_alarms.Alarms(FakeRows() if rows is None else rows)),
        sensoro_wire.Accounts.model_validate(secret or {"accounts": apps}),
        announce,
    )


def _sensoro_account(app: Mapping[str, str], mode: str) -> dict[str, Any]:
    return {"app_id": app["app_id"], "app_secrets": [app["app_secret"]], "app_keys": [app["app_key"]], "mode": mode}


def sensepass_house(
    secret: Mapping[str, Any] | None = None,
    *,
    decision: str = "terminal",
    in_doubt: str = "deny",
    rules: Rules | None = None,
    deadline: float = 10.0,
    now: Callable[[], datetime] = lambda: NOW + seconds(0.02),
    announce: Announce = Announce.INLINE,
) -> House[Any]:
    """SensePass's handler, with a long deadline of which 20 ms have passed when a push from `NOW` is looked at."""
    door = Door(
        decided_by=DecidedBy(decision),
        in_doubt=InDoubt(in_doubt),
        deadline=deadline,
        rules=rules,
        now=now,
        monotonic=lambda: 0.0,
    )
    vendor = sensepass_handler.vendor(sensepass_handler.Settings.read(SENSEPASS_ENVIRONMENT))
    accounts = sensepass_wire.Accounts.model_validate(secret or {"accounts": [SITE]})
    return _house(replace(vendor, respond=door.respond), accounts, announce)


def terminal(firmware: Firmware = "1.3", token: str = "north-one-0123456789abcdef", serial: str = SERIAL) -> Terminal:
    """A terminal of the site, whose clock stands still."""
    return Terminal(serial, token, URL, firmware, now=lambda: AT)


def rules_document(default: Any = False, **rules: tuple[Any, list[tuple[str, str, Any]]]) -> str:  # noqa: FBT002
    """A rules document: each rule by its name, with its verdict and its conditions (action, key, value)."""
    written = {
        name: {
            "when_match": verdict,
            "conditions": [{"action": action, "key": key, "value": value} for action, key, value in conditions],
        }
        for name, (verdict, conditions) in rules.items()
    }
    return json.dumps({"open": {"default": default, "boolean_type": False, **({"rules": written} if written else {})}})


def rules_of(document: str) -> Rules:
    """Rules that have read a document, once."""
    rules = Rules(lambda: document, monotonic=lambda: 0.0)
    rules.refresh()
    return rules


def eye4_house(
    secret: Mapping[str, Any] | None = None,
    *,
    files: PendingFiles | None = None,
    states: FakeStates | None = None,
    announce: Announce = Announce.INLINE,
    alarm_wait: timedelta = timedelta(days=1),
) -> House[Any]:
    """Eye4's handler, by default with two customers; without `files`, nothing may reach a recording's row."""
    resources = eye4_handler.Resources(
        files or PendingFiles(_no_table, "", lambda: NOW),
        eye4_handler.Flows(lambda: cast("SFNClient", states or FakeStates()), FLOW_ARN),
        alarm_wait,
    )
    vendor = eye4_handler.vendor(eye4_handler.Settings.read(EYE4_ENVIRONMENT), resources)
    accounts = eye4_wire.Accounts.model_validate(secret or {"accounts": [CUSTOMER, NEIGHBOUR]})
    return _house(vendor, accounts, announce)


def _no_table() -> DynamoDBClient:
    raise AssertionError("a row was touched")


def ring(fileid: str | None = FILEID, guid: str = EYE4["guid"], **more: Any) -> Request:
    """An alarm of Eye4's; with the simulator's words for the rest."""
    return eye4.alarm({"guid": guid}, URL, fileid=fileid, **more)


def uploaded(fileid: str = FILEID, guid: str = EYE4["guid"], **more: Any) -> Request:
    """A resource message of Eye4's; with the simulator's words for the rest."""
    return eye4.resource({"guid": guid}, URL, fileid, **more)


def eye4_push(body: Any, path: str = eye4.ALARMS, guid: str = EYE4["guid"]) -> Request:
    """A push of Eye4's with whatever body; bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(URL + path, content, {"guid": guid, "content-type": "application/json"})


def senselink_house(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> House[Any]:
    """SenseLink's handler, by default with one server."""
    vendor = senselink_handler.vendor(
        senselink_handler.Settings.read(ENVIRONMENT), now=lambda: NOW + seconds(0.02), monotonic=lambda: 0.0
    )
    accounts = senselink_wire.Accounts.model_validate(secret or {"accounts": [SENSELINK]})
    return _house(vendor, accounts, announce)


def access_record(**more: Any) -> dict[str, Any]:
    """What SenseLink tells of somebody at a door, as the sample of chapter 3.1.1 has it."""
    return {
        "id": 1364591,
        "userId": 4021,
        "name": "Mira Holt",
        "type": 1,
        "avatar": "",
        "direction": 0,
        "verifyScore": 0.9375,
        "receptionUserId": 0,
        "receptionUserName": "",
        "groups": [{"id": 1, "name": "Default group", "type": 1}],
        "deviceName": "bella pro",
        "sn": "SPSP-f26131cf5301be29b3a6f7be150ed330",
        "signDate": "2026-07-01",
        "signTime": int(AT) - 2,
        "signAvatar": "5d901af663cdaf0001252bb9",
        "signBgAvatar": "5d901af663cdaf0001252bba",
        "entryMode": 1,
        "signTimeZone": "+09:00",
        "location": "306",
        "abnormalType": 0,
        **more,
    }


def alarm_record(**more: Any) -> dict[str, Any]:
    """What SenseLink tells of an alarm, in the fields of chapter 3.1.2."""
    return {
        "id": 7001,
        "level": 1,
        "code": 10003,
        "description": "",
        "status": 1,
        "traceId": "T1",
        "deviceId": 31,
        "deviceName": "bella pro",
        "deviceSn": "SPSP-f26131cf5301be29b3a6f7be150ed330",
        "deviceLocation": "306",
        "alarmTime": "2026-07-01 20:59:58",
        "releaseTime": "",
        "alarmPhoto": "",
        "resloveOption": 1,
        **more,
    }


def told(data: Any, kind: int = 30000, token: str = "north-one-0123456789abcdef", **more: Any) -> Request:
    """A push of SenseLink's event subscription; bytes as they are."""
    message = {"messageId": "M1", "eventType": kind, "sendTime": int(AT * 1000), "data": data, **more}
    body = data if isinstance(data, bytes) else json.dumps(message).encode()
    return Request(f"{URL}/v1/senselink/{token}", body, {"content-type": "application/json"})


def _house[A: BaseModel, V: Verified](vendor: Vendor[A, V], accounts: A, announce: Announce) -> House[A]:
    def make(gate: Gate, fake: FakeAccounts[A]) -> LambdaHandler:
        return edge.handler(vendor, gate, fake, "")

    return House(make, FakeAccounts(accounts), announce)


# ─── What arrives ─────────────────────────────────────────────────────────────────────────────────────────────────────


def api_event(request: Request, at: datetime = NOW) -> dict[str, Any]:
    """A request as an HTTP API hands it over, when it arrives at a given time.

    A token is what follows the vendor's name: `/v1/sensepass/{token}/authorize`.
    """
    route = urlsplit(request.url).path.split("/")
    route[3:4] = ["{token}"] * len(route[3:4])
    return http_api.api_event(request, at, "/".join(route), "JKJaXmPLvHcESHA=")


def seconds(count: float) -> timedelta:
    """A span of time."""
    return timedelta(seconds=count)


def face_push(payload: Any = None, event: int = 2001, **more: Any) -> Request:
    """A push of SUNMI's, signed now, that is the same each time."""
    return sunmi.request(SUNMI, URL, event, FACE if payload is None else payload, **{"at": AT, "nonce": "N1", **more})


def sunmi_form(fields: Mapping[str, str] | Sequence[tuple[str, str]], sign: str | None = None) -> Request:
    """A form as it is, signed by nobody unless a signature is given."""
    pairs = [*(fields.items() if isinstance(fields, Mapping) else fields), *([("sign", sign)] if sign else [])]
    return Request(
        url=URL + sunmi.PATH,
        body=sunmi.form(pairs),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )


def sensor_body(data: Mapping[str, Any], *, safe: bool = False, **more: Any) -> dict[str, Any]:
    """The body of a `text` push that is the same each time, but for the random bytes of safe mode."""
    app = SENSORO_SAFE if safe else SENSORO
    return sensoro.sensor_data(app, data, safe=safe, **{"createdTime": int(AT * 1000), "msgId": 7, **more})


def task_body(*, safe: bool = False, **more: Any) -> dict[str, Any]:
    """The body of an `event` push that is the same each time, but for the random bytes of safe mode."""
    app = SENSORO_SAFE if safe else SENSORO
    return sensoro.task_result(app, safe=safe, **{"createdTime": int(AT * 1000), "msgId": 8, "taskId": 42, **more})


def sensor_push(body: Mapping[str, Any] | bytes, *, safe: bool = False, at: float = AT) -> Request:
    """A signed push of SENSORO's."""
    return sensoro.request(SENSORO_SAFE if safe else SENSORO, URL, body, at=at)


def sealed_text(text: bytes, app_key: str = SENSORO_SAFE["app_key"]) -> str:
    """`encryptData` that decrypts to exactly this text, padding and all."""
    key = base64.b64decode(app_key + "=")
    return base64.b64encode(AES.new(key, AES.MODE_CBC, key[:16]).encrypt(text)).decode()


def safe_text(
    message: bytes, *, app_id: str = SENSORO_SAFE["app_id"], length: int | None = None, padding: bytes | None = None
) -> bytes:
    """What safe mode encrypts, with 16 zeros for the random bytes; each part can be made wrong."""
    text = bytes(16) + (len(message) if length is None else length).to_bytes(4, "big") + message + app_id.encode()
    missing = 32 - len(text) % 32
    return text + (bytes([missing]) * missing if padding is None else padding)


# ─── What is in the book ──────────────────────────────────────────────────────────────────────────────────────────────


def some_record(name: str = "1", *, payload: JsonValue = None, device: str | None = "D1") -> Record:
    """A record of an invented vendor's; another name, another id."""
    receipt = Receipt(vendor="acme", account="A1", identity=[name], received_at=NOW, payload=payload)
    common = receipt.common(device=device, occurred_at=None)
    return Record.of(receipt.event(Notice(**common, kind=NoticeKind.TASK_FINISHED)))


def spilled(spill: FakeSpill) -> dict[str, Any]:
    """What Lambda gets from the spill queue when this was spilled.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    events = [
        (record.body, {"step": step.value, "deciding": json.dumps(record.deciding)}) for record, step in spill.messages
    ]
    pictures = [
        (
            base64.b64encode(upload.data).decode(),
            {"step": "picture", "key": upload.key, "content_type": upload.content_type},
        )
        for upload in spill.pictures
    ]
    return {
        "Records": [
            {
                "messageId": f"m-{number}",
                "receiptHandle": "r",
                "body": body,
                "attributes": {"SenderId": "AROAEXAMPLE:gatehouse-Function"},
                "messageAttributes": {
                    name: {"stringValue": value, "dataType": "String"} for name, value in attributes.items()
                },
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:spill",
                "awsRegion": "eu-central-1",
            }
            for number, (body, attributes) in enumerate([*events, *pictures])
        ]
    }


def stream_event(*items: Mapping[str, Any]) -> dict[str, Any]:
    """What Lambda gets from the table's stream when these items have been written.

    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
    """
    return {
        "Records": [
            {
                "eventID": str(number),
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "Keys": {"id": item["id"]},
                    "NewImage": dict(item),
                    "SequenceNumber": f"{number:021}",
                    "StreamViewType": "NEW_IMAGE",
                },
            }
            for number, item in enumerate(items, start=1)
        ]
    }


def item(record: Record, *, announce: str = "inline", recorded_at: datetime = NOW) -> dict[str, Any]:
    """The part of an item of the events table that the relay reads."""
    return {
        "id": {"S": record.id},
        "event": {"S": record.body},
        "delivery": {"S": "pending"},
        "announce": {"S": announce},
        "recorded_at": {"S": recorded_at.isoformat()},
    }
