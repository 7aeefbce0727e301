"""`python -m ops.samples`: each sample that it makes is taken by the vendor's handler as its name says."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from gatehouse.errors import Reason
from gatehouse.events import CloudEvent, Notice
from gatehouse.vocabulary import NoticeKind
from ops import samples
from ops.api_event import request_of
from tests import vendor_files
from tests.contract.test_behaviour import Rig, account, rig
from tests.rejections import rejections
from tests.template.stack import ROOT
from tests.vendor_files import Document

__all__ = ["account"]

_AT: Final = "2026-11-02T09:00:00Z"
_REFUSED: Final = {
    "future": Reason.FUTURE,
    "missing-signature": Reason.MISSING_SIGNATURE,
    "stale": Reason.STALE,
    "tampered": Reason.WRONG_SIGNATURE,
    "unknown-account": Reason.UNKNOWN_ACCOUNT,
}
_NOT_UNDERSTOOD: Final = {"unmapped", "unreadable"}

type Command = Callable[..., tuple[int, str, str]]

_VENDORS: Final = vendor_files.vendors(ROOT)

every_vendor = pytest.mark.parametrize("vendor", _VENDORS)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """The program; returns its status and what it printed."""

    def run(*words: str) -> tuple[int, str, str]:
        status = samples.main(list(words))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def _making(vendor: str) -> samples.Making:
    return samples.prepared(vendor, at=datetime.fromisoformat(_AT))


def _made(vendor: str) -> dict[str, Document]:
    """A sample of each kind that a vendor has."""
    making = _making(vendor)
    return {kind: samples.make(making, kind) for kind in samples.kinds(making)}


def _events(vendor: str, event: Document) -> list[CloudEvent]:
    """The events that a push becomes; it has to be taken."""
    on = rig(vendor)
    assert on.send(event)["statusCode"] == 200
    return on.events()


@every_vendor
def test_every_file_under_events_can_be_made_again(vendor: str) -> None:
    files = {name.removeprefix("valid-").removeprefix("silent-") for name in vendor_files.samples(ROOT, vendor)}
    assert files <= set(samples.kinds(_making(vendor)))


@every_vendor
def test_a_sample_comes_on_a_route_and_has_the_form_of_those_under_events(vendor: str, tmp_path: Path) -> None:
    folder = tmp_path / "events" / vendor
    folder.mkdir(parents=True)
    for name in ("secret", "exempt"):
        if (file := ROOT / "events" / vendor / f"{name}.json").exists():
            (folder / file.name).write_text(file.read_text())
    for kind, event in _made(vendor).items():
        name = kind if kind in vendor_files.SAMPLES else f"valid-{kind}"
        (folder / f"{name}.json").write_text(json.dumps(event))
    assert vendor_files.sample_faults(tmp_path, vendor) == []


@every_vendor
@pytest.mark.usefixtures("account")
def test_every_message_is_taken_and_understood_as_its_name_says(vendor: str) -> None:
    there = vendor_files.samples(ROOT, vendor)
    for kind, event in _made(vendor).items():
        if kind in samples.DEFECTS:
            continue
        events = _events(vendor, event)
        if kind in _NOT_UNDERSTOOD:
            assert [_is_unmapped(found) for found in events] == [True], kind
        elif f"valid-{kind}" in there:
            assert events, kind
        elif f"silent-{kind}" in there:
            assert not events, kind
        if kind not in _NOT_UNDERSTOOD:
            assert not any(map(_is_unmapped, events)), kind


def _is_unmapped(event: CloudEvent) -> bool:
    return isinstance(event.data, Notice) and event.data.kind is NoticeKind.UNMAPPED


@pytest.mark.parametrize(
    ("vendor", "kind"), [(vendor, kind) for kind in _REFUSED for vendor in vendor_files.bound_by(ROOT, kind)]
)
def test_a_defect_is_refused_for_what_it_is_named_after(vendor: str, kind: str) -> None:
    on = rig(vendor)
    with rejections() as reasons:
        assert on.send(samples.make(_making(vendor), kind))["statusCode"] == 401
    assert reasons == [_REFUSED[kind]]
    assert on.is_untouched()


@every_vendor
def test_a_rotated_sample_is_taken_only_while_the_older_credential_is_there(vendor: str) -> None:
    event = samples.make(_making(vendor), "rotated")
    assert _events(vendor, event)
    secret = json.loads((ROOT / "events" / vendor / "secret.json").read_text())
    accounts = [
        {name: value[:1] if isinstance(value, list) and name != "serials" else value for name, value in one.items()}
        for one in secret["accounts"]
    ]
    assert Rig(vendor, {"accounts": accounts}).send(event)["statusCode"] == 401


@every_vendor
def test_a_duplicate_is_the_first_valid_sample_again(vendor: str) -> None:
    first = json.loads(vendor_files.samples(ROOT, vendor)[vendor_files.valid_samples(ROOT, vendor)[0]].read_text())
    again = samples.make(_making(vendor), "duplicate")
    assert again["requestContext"]["timeEpoch"] > first["requestContext"]["timeEpoch"]
    on = rig(vendor)
    on.send(first)
    stored = set(on.store.records)
    assert on.send(again)["statusCode"] == 200
    assert set(on.store.records) == stored != set()


@every_vendor
def test_a_push_is_sent_at_the_time_that_is_asked_for(vendor: str, command: Command) -> None:
    kind = samples.kinds(_making(vendor))[0]
    status, printed, _ = command(vendor, kind, "--at", _AT)
    assert status == 0
    at = datetime.fromtimestamp(json.loads(printed)["requestContext"]["timeEpoch"] / 1000, UTC)
    assert 0 <= (at - datetime.fromisoformat(_AT)).total_seconds() < 1


@pytest.mark.parametrize(
    ("words", "listed"),
    [([], vendor_files.vendors(ROOT)), (["acme"], vendor_files.vendors(ROOT))]
    + [
        ([vendor, *more], ["unmapped", "rotated"])
        for vendor in vendor_files.vendors(ROOT)
        for more in ([], ["no-such"])
    ],
)
def test_a_vendor_or_a_kind_that_is_not_there_is_answered_with_those_that_are(
    command: Command, words: list[str], listed: list[str]
) -> None:
    status, printed, error = command(*words)
    assert (status, printed) == (2, "")
    assert error.count("\n") == 1
    assert all(name in error for name in listed)


@pytest.mark.parametrize(
    ("vendor", "kind"),
    [
        (vendor, kind)
        for vendor in vendor_files.vendors(ROOT)
        for kind in samples.DEFECTS
        if kind in vendor_files.exemptions(ROOT, vendor)
    ],
)
def test_a_defect_that_a_vendor_is_exempt_from_is_refused_with_the_reason(
    command: Command, vendor: str, kind: str
) -> None:
    status, printed, error = command(vendor, kind)
    assert (status, printed) == (2, "")
    assert vendor_files.exemptions(ROOT, vendor)[kind] in error


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"accounts": []}'])
@every_vendor
def test_a_secret_without_an_account_is_refused_in_a_sentence(
    command: Command, vendor: str, content: str, tmp_path: Path
) -> None:
    (tmp_path / "secret.json").write_text(content)
    status, _, error = command(vendor, "unmapped", "--secret", str(tmp_path / "secret.json"))
    assert status == 2
    assert "has no account" in error


@pytest.fixture
def received() -> Iterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    """A server's address, and the requests that came to it."""
    requests: list[tuple[str, str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            requests.append((self.command, self.path, headers, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api", requests
    server.shutdown()
    thread.join()
    server.server_close()


@every_vendor
def test_curl_sends_to_the_local_stack_what_the_event_holds(
    command: Command, vendor: str, tmp_path: Path, received: tuple[str, list[tuple[str, str, dict[str, str], bytes]]]
) -> None:
    url, requests = received
    stack = tmp_path / "stack.json"
    simulator = _making(vendor).simulator
    stack.write_text(json.dumps({"api_url": url, "vendors": dict(simulator.new_accounts().apps)}))
    making = samples.prepared(vendor, stack=stack, at=datetime.now(UTC))
    event = samples.make(making, "unreadable")
    subprocess.run(["/bin/sh", "-c", samples.curl(event, making.url)], check=True, capture_output=True)

    ((method, path, headers, body),) = requests
    push = request_of(event)
    assert (method, body) == (push.method, push.body)
    assert f"http://{headers['host']}{path}" == url + event["rawPath"].removeprefix("/api")
    assert {name: value for name, value in push.headers.items() if name != "host"}.items() <= headers.items()

    status, printed, _ = command(vendor, "unreadable", "--stack", str(stack), "--curl")
    assert status == 0
    assert printed.startswith("printf %s ")
