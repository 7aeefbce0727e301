"""The calls to a server, against one on this machine that answers like different versions, or not at all."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trustme
import urllib3

from functions.senselink import client as module
from functions.senselink.client import ALARM_PAGE, PAGE, Client, NoSuchCall
from functions.senselink.verify import signature
from functions.senselink.wire import Server
from gatehouse.errors import CallFailed, WrongSetting
from tests.unit.senselink.server import Api, Asked, Place, api, page

SECRET = "the-secret-of-the-app"
SINCE = datetime(2026, 7, 1, 23, 59, 30, tzinfo=UTC)
UNTIL = datetime(2026, 7, 2, 12, 0, tzinfo=UTC)
RECORDS = [{"id": number, "sign_time": 1_782_950_000 + number} for number in range(1, 2 * PAGE + 8)]


def _server(there: Place, scheme: str = "http", **more: Any) -> Server:
    found = {"server": "north", "api_url": f"{scheme}://127.0.0.1:{there.port}", "app_key": "app", "app_secret": SECRET}
    return Server.model_validate({**found, "insecure": scheme == "http", **more})


def _listed(client: Client) -> list[Any]:
    return list(client.records(SINCE, UNTIL))


def _says(answer: Any) -> Api:
    return lambda _asked: (200, json.dumps(answer).encode())


def _pages(records: list[Any], wrap: Callable[[list[Any]], Any]) -> Api:
    return lambda asked: (200, json.dumps(wrap(page(asked, records))).encode())


# ─── The record list ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_signed_and_asks_in_the_servers_time() -> None:
    asked: list[Asked] = []

    def answer(call: Asked) -> tuple[int, bytes]:
        asked.append(call)
        return 200, b'{"data": {"list": []}}'

    with api(answer) as there:
        assert _listed(Client(_server(there, time_zone="+09:00"), now=lambda: 1_569_725_174.25)) == []
        assert _listed(Client(_server(there, time_zone="-03:30"), now=lambda: 1_569_725_175.0)) == []

    assert asked[0].path == "/api/v3/record/list"
    assert asked[0].fields == {
        "app_key": "app",
        "timestamp": "1569725174250",
        "sign": signature(1_569_725_174_250, SECRET),
        "date_time_from": "2026-07-02 08:59:30",
        "date_time_to": "2026-07-02 21:00:00",
        "order": "1",
        "page": "1",
        "size": "100",
    }
    assert asked[1].fields["sign"] == signature(1_569_725_175_000, SECRET)
    assert asked[1].fields["date_time_from"] == "2026-07-01 20:29:30"


def test_an_address_may_have_a_path_and_a_slash() -> None:
    with api(_says({"data": []})) as there:
        assert _listed(Client(_server(there, api_url=f"http://127.0.0.1:{there.port}/sl/"))) == []
    assert there.paths[0].startswith("/sl/api/v3/record/list?")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda records: {"code": 200, "data": {"list": records, "total": 5}},
        lambda records: {"code": 200, "data": {"record_list": records}},
        lambda records: {"code": 200, "data": {"recordList": records}},
        lambda records: {"code": 200, "data": {"data": {"record_list": records}}},
        lambda records: {"code": 200, "data": {"data": {"recordList": records}}},
        lambda records: {"code": 200, "data": records},
    ],
)
def test_the_list_is_found_wherever_a_version_has_it(wrap: Callable[[list[Any]], Any]) -> None:
    with api(_pages(RECORDS, wrap)) as there:
        assert _listed(Client(_server(there))) == RECORDS
    assert len(there.paths) == 2 * 4  # a list of several pages is read again, until nothing in it is new


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_pages_are_asked_for_until_one_is_empty(count: int) -> None:
    with api(_pages(RECORDS[:count], lambda records: {"data": {"list": records}})) as there:
        assert _listed(Client(_server(there))) == RECORDS[:count]


def test_a_server_that_gives_the_last_page_again_and_again_is_at_its_end() -> None:
    def answer(asked: Asked) -> tuple[int, bytes]:
        return 200, json.dumps({"data": {"list": page(asked, RECORDS) or RECORDS[2 * PAGE :]}}).encode()

    with api(answer) as there:
        assert _listed(Client(_server(there))) == RECORDS
    assert len(there.paths) == 2 * 4  # a list of several pages is read again, until nothing in it is new


def test_r09_what_the_servers_own_retention_moves_into_a_page_that_was_read_is_found_all_the_same() -> None:
    """After the first page five old records are deleted: 101 to 105 are on none of the later pages."""
    there_is = list(RECORDS)

    def answer(asked: Asked) -> tuple[int, bytes]:
        found = page(asked, there_is)
        if asked.fields["page"] == "1" and len(there_is) == len(RECORDS):
            del there_is[:5]
        return 200, json.dumps({"data": {"list": found}}).encode()

    with api(answer) as there:
        found = _listed(Client(_server(there)))
    assert sorted(record["id"] for record in found) == [record["id"] for record in RECORDS]


def test_s7_a_list_that_has_no_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGES", 5)
    with (
        api(lambda asked: (200, json.dumps({"data": {"list": [{"id": asked.fields["page"]}]}}).encode())) as there,
        pytest.raises(CallFailed, match="no end"),
    ):
        _listed(Client(_server(there)))


@pytest.mark.parametrize("size", [16 * 1024 * 1024, 2 * 1024 * 1024 + 2])
def test_s7_a_list_of_too_many_bytes_is_a_failed_call(size: int) -> None:
    hostile = b'{"data": {"list": [' + b"{}," * (size // 3) + b"{}]}}"
    with api(lambda _asked: (200, hostile)) as there, pytest.raises(CallFailed, match="answered 200 with"):
        _listed(Client(_server(there)))


def test_s7_an_answer_that_drips_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_LONGEST", 0.0)
    with api(lambda _asked: (200, b"[]" * 1000)) as there, pytest.raises(CallFailed, match="too long"):
        _listed(Client(_server(there)))


@pytest.mark.parametrize(
    ("told", "shows"),
    [
        ("Wed, 01 Jul 2026 11:30:00 GMT", datetime(2026, 7, 1, 11, 30, tzinfo=UTC)),
        ("Wed, 01 Jul 2026 20:30:00 +0900", datetime(2026, 7, 1, 11, 30, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
        ("", None),
    ],
)
def test_a_servers_clock_is_read_from_its_date(told: str | None, shows: datetime | None) -> None:
    assert module.date(told) == shows


def test_a_server_without_a_date_or_that_is_away_shows_no_clock() -> None:
    with api(_says([])) as there:
        client = Client(_server(there))
        assert client.clock() is None
    assert client.clock() is None
    assert [SECRET in path or "sign" in path for path in there.paths] == [False]


def test_a_page_with_fewer_records_than_it_may_have_is_not_the_end() -> None:
    def answer(asked: Asked) -> tuple[int, bytes]:
        number = int(asked.fields["page"])
        return 200, json.dumps({"data": {"list": RECORDS[number - 1 : number] if number <= 5 else []}}).encode()

    with api(answer) as there:
        assert _listed(Client(_server(there))) == RECORDS[:5]


def test_what_is_no_record_in_the_list_is_passed_over() -> None:
    with api(_pages([None, RECORDS[0], "x", 5], lambda records: {"data": {"list": records}})) as there:
        assert _listed(Client(_server(there))) == RECORDS[:1]


@pytest.mark.parametrize(
    "answer",
    [
        b'{"code":200,"data":{"list":null,"total":0}}',
        b'{"code":200,"data":{"record_list":null}}',
        b'{"code":"200","data":{"data":{"record_list":null,"total":0}}}',
        b'{"code":200,"data":null}',
        b'{"code":200,"data":{"total":0}}',
        b'{"code":200,"total":0,"size":20,"data":null,"page_num":1,"page_size":20,"total_page":0}',
        b'\xef\xbb\xbf{"code":200,"data":{"list":null}}\x00',
        b'{"data":{"list":null}}',
    ],
)
def test_null_is_an_empty_list(answer: bytes) -> None:
    """reports.md 11: Go writes `null` for an empty list, and the gap was never closed."""
    with api(lambda _asked: (200, answer)) as there:
        assert _listed(Client(_server(there))) == []
        assert list(Client(_server(there)).alarms(SINCE, UNTIL)) == []


@pytest.mark.parametrize(
    "answer",
    [
        b'{"code":40101,"message":"sign error","data":{"list":[]}}',
        b'{"code":"40101","data":null}',
        b'{"code":20002,"data":{"list":null,"total":0}}',
        b'{"code":0,"data":{"list":[]}}',
        b'{"code":500,"data":[]}',
        b'{"code":"ERROR","data":{"list":[]}}',
        b'{"code":200}',
        b'{"code":200,"data":{}}',
        b'{"code":200,"data":{"code":40101,"data":{"list":[]}}}',
        b'{"code":200,"data":{"errorCode":"40101","list":[],"total":0}}',
        b'{"code":200,"data":{"data":{"code":500,"record_list":null}}}',
        b'{"code":200,"success":false,"data":{"list":[]}}',
        b'{"data":{"code":"ERROR","list":null}}',
        b'{"code":200,"data":{"list":null,"total":3}}',
        b'{"code":200,"data":{"list":[],"total":"3"}}',
        b'{"code":200,"total":3,"data":null}',
    ],
)
def test_an_error_in_a_200_is_an_error_and_no_empty_list(answer: bytes) -> None:
    with api(lambda _asked: (200, answer)) as there:
        for call in (Client(_server(there)).records, Client(_server(there)).alarms):
            with pytest.raises(CallFailed) as caught:
                list(call(SINCE, UNTIL))
            _says_nothing(caught.value, there)


def test_a_list_is_read_as_devices_write_json() -> None:
    """reports.md 4 and 5: a byte order mark, a closing zero, NaN, half a surrogate pair."""
    body = b'\xef\xbb\xbf{"code":200,"data":{"list":[{"id":1,"verify_score":NaN,"user_name":"A\\ud842"}]}}\x00'

    def answer(asked: Asked) -> tuple[int, bytes]:
        return 200, body if asked.fields["page"] == "1" else b'{"code":200,"data":{"list":null}}'

    with api(answer) as there:
        assert _listed(Client(_server(there))) == [{"id": 1, "verify_score": "NaN", "user_name": "A\ufffd"}]


# ─── The alarm list ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_alarms_are_asked_for_by_whole_days_of_the_server() -> None:
    """vendors-code.md 2.1: manual v2.3.1p, chapter 2.3."""
    asked: list[Asked] = []

    def answer(call: Asked) -> tuple[int, bytes]:
        asked.append(call)
        return 200, b'{"code":200,"data":[]}'

    with api(answer) as there:
        assert list(Client(_server(there), now=lambda: 5.0).alarms(SINCE, UNTIL)) == []

    assert asked[0].path == "/api/v2/device/alarm/list"
    assert asked[0].fields == {
        "app_key": "app",
        "timestamp": "5000",
        "sign": signature(5000, SECRET),
        "dateFrom": "2026-07-02",
        "dateTo": "2026-07-02",
        "page": "1",
        "size": "1000",
    }


@pytest.mark.parametrize(
    "wrap",
    [
        lambda rows: {"code": 200, "total": 5, "size": 20, "data": rows, "page_num": 1, "total_page": 1},
        lambda rows: {"code": 200, "data": {"total": 5, "size": 20, "data": rows, "page_num": 1}},
        lambda rows: {"code": 200, "data": {"list": rows}},
        lambda rows: {"code": 200, "data": {"data": {"alarm_list": rows}}},
        lambda rows: {"data": {"alarmList": rows or None}},
    ],
)
def test_the_alarms_are_found_wherever_a_version_has_them(wrap: Callable[[list[Any]], Any]) -> None:
    rows = [{"id": number, "status": 1} for number in range(ALARM_PAGE + 3)]
    with api(_pages(rows, wrap)) as there:
        assert list(Client(_server(there)).alarms(SINCE, UNTIL)) == rows
    assert len(there.paths) == 2 * 3


# ─── Where the clocks are changed ─────────────────────────────────────────────────────────────────────────────────────

_BERLIN = ZoneInfo("Europe/Berlin")  # back an hour at 01:00 UTC on 25 October 2026, forward on 29 March 2026
_LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # back half an hour at 15:00 UTC on 4 April 2026


@pytest.mark.parametrize(
    ("zone", "since", "until", "asked"),
    [
        (_BERLIN, "2026-10-24T20:00", "2026-10-25T06:00", ("2026-10-24 22:00:00", "2026-10-25 07:00:00")),
        (_BERLIN, "2026-10-25T00:30", "2026-10-25T06:00", ("2026-10-25 01:30:00", "2026-10-25 07:00:00")),
        (_BERLIN, "2026-10-25T01:30", "2026-10-25T06:00", ("2026-10-25 01:30:00", "2026-10-25 07:00:00")),
        (_BERLIN, "2026-10-24T20:00", "2026-10-25T00:30", ("2026-10-24 22:00:00", "2026-10-25 03:30:00")),
        (_BERLIN, "2026-03-29T01:30", "2026-03-29T09:00", ("2026-03-29 01:30:00", "2026-03-29 11:00:00")),
        (_BERLIN, "2026-03-28T10:00", "2026-03-29T00:30", ("2026-03-28 11:00:00", "2026-03-29 03:30:00")),
        (_LORD_HOWE, "2026-04-04T15:10", "2026-04-05T00:00", ("2026-04-05 01:10:00", "2026-04-05 10:30:00")),
    ],
)
def test_around_a_change_of_the_clocks_more_is_asked_for_rather_than_less(
    zone: ZoneInfo, since: str, until: str, asked: tuple[str, str]
) -> None:
    found: list[dict[str, str]] = []

    def answer(call: Asked) -> tuple[int, bytes]:
        found.append(call.fields)
        return 200, b'{"code":200,"data":[]}'

    class InZone(Server):
        @property
        def zone(self) -> Any:
            return zone

    with api(answer) as there:
        server = InZone.model_validate(_server(there).model_dump() | {"app_secret": SECRET})
        ends = [datetime.fromisoformat(f"{moment}+00:00") for moment in (since, until)]
        list(Client(server).records(ends[0], ends[1]))

    assert (found[0]["date_time_from"], found[0]["date_time_to"]) == asked


# ─── A picture ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("avatar", "/v1/image/1/P1"),
        ("sign_avatar", "/v1/image/2/P1"),
        ("sign_bg_avatar", "/v1/image/2/P1"),
        ("alarm_photo", "/v1/image/2/P1"),
    ],
)
def test_a_picture_is_asked_for_by_its_kind_and_signed(role: str, path: str) -> None:
    asked: list[Asked] = []

    def answer(call: Asked) -> tuple[int, bytes]:
        asked.append(call)
        return 200, b"\xff\xd8\xff"

    with api(answer) as there:
        assert Client(_server(there), now=lambda: 5.0).picture(role, "P1") == b"\xff\xd8\xff"
    assert asked[0].path == path
    assert asked[0].fields == {"app_key": "app", "timestamp": "5000", "sign": signature(5000, SECRET)}


@pytest.mark.parametrize("reference", ["a/b", "../../api/v3/user", "a?x=1", "a#b", "图"])
def test_an_id_of_a_picture_leads_nowhere_else(reference: str) -> None:
    with api(lambda _asked: (200, b"x")) as there:
        Client(_server(there)).picture("avatar", reference)
    path, _, query = there.paths[0].partition("?")
    assert path.startswith("/v1/image/1/")
    assert path.count("/") == 4
    assert query.startswith("app_key=app&")


# ─── What fails ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_that_there_is_not_is_told_apart() -> None:
    with api(lambda _asked: (404, b"no")) as there:
        with pytest.raises(NoSuchCall, match="no /api/v3/record/list"):
            _listed(Client(_server(there)))
        with pytest.raises(NoSuchCall, match="no /api/v2/device/alarm/list"):
            list(Client(_server(there)).alarms(SINCE, UNTIL))
        with pytest.raises(NoSuchCall, match="no picture"):
            Client(_server(there)).picture("avatar", "P1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"5",
        b"<html>",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"code": 40101, "message": "sign error"}',
        b'{"data": {"list": {}}}',
        b"[" * 100_000,
        b'{"data": ' * 2000 + b"[]" + b"}" * 2000,
    ],
)
def test_a_garbled_answer_is_a_failed_call(body: bytes) -> None:
    with api(lambda _asked: (200, body)) as there, pytest.raises(CallFailed) as caught:
        _listed(Client(_server(there)))
    _says_nothing(caught.value, there)


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 429, 500, 503])
def test_another_status_is_a_failed_call_and_followed_nowhere(status: int) -> None:
    with api(lambda _asked: (status, b'{"data": {"list": []}}')) as there, pytest.raises(CallFailed) as caught:
        _listed(Client(_server(there)))
    assert f"answered {status}" in str(caught.value)
    assert len(there.paths) == 1
    _says_nothing(caught.value, there)


def test_a_server_that_does_not_answer_is_a_failed_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", urllib3.Timeout(connect=1, read=0.1))
    with api(lambda _asked: None) as there, pytest.raises(CallFailed, match="ReadTimeoutError") as caught:
        _listed(Client(_server(there)))
    _says_nothing(caught.value, there)


def test_a_server_that_is_not_there_is_a_failed_call() -> None:
    with api(_says({})) as there:
        gone = Client(_server(there))
    for call in (_listed, lambda client: client.picture("avatar", "P1")):
        with pytest.raises(CallFailed, match="did not answer") as caught:
            call(gone)
        _says_nothing(caught.value, there)


def test_an_answer_larger_than_is_read_is_a_failed_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IMAGE", 1000)
    with api(lambda _asked: (200, b"x" * 1001)) as there, pytest.raises(CallFailed, match="1001 bytes"):
        Client(_server(there)).picture("avatar", "P1")


def test_a_page_that_fails_fails_the_whole_list() -> None:
    def answer(asked: Asked) -> tuple[int, bytes]:
        found = json.dumps({"data": {"list": page(asked, RECORDS)}}).encode()
        return (500, b"") if asked.fields["page"] == "2" else (200, found)

    with api(answer) as there:
        records = Client(_server(there)).records(SINCE, UNTIL)
        assert [next(records) for _ in range(PAGE)] == RECORDS[:PAGE]
        with pytest.raises(CallFailed):
            next(records)


@pytest.mark.parametrize("lacking", ["api_url", "app_key", "app_secret"])
def test_an_entry_that_lacks_what_it_takes_says_so(lacking: str) -> None:
    without: dict[str, Any] = {lacking: None}
    with pytest.raises(WrongSetting, match="north needs api_url, app_key and app_secret"):
        Client(_server(Place(1), **without))


# ─── Who is trusted ───────────────────────────────────────────────────────────────────────────────────────────────────


def _pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def test_a_private_authority_is_trusted_where_the_secret_has_it(authority: trustme.CA) -> None:
    with api(_says({"data": {"list": []}}), authority.issue_cert("127.0.0.1")) as there:
        assert _listed(Client(_server(there, "https", ca=_pem(authority)))) == []


@pytest.mark.parametrize("wrong", ["no authority", "another authority", "another host"])
def test_a_server_that_is_not_to_be_trusted_is_told_nothing(authority: trustme.CA, wrong: str) -> None:
    own = authority.issue_cert("192.0.2.1" if wrong == "another host" else "127.0.0.1")
    given = {
        "no authority": None,
        "another authority": _pem(trustme.CA()),
        "another host": _pem(authority),
    }
    with (
        api(_says({"data": {"list": []}}), own) as there,
        pytest.raises(CallFailed, match="SSLError") as caught,
    ):
        _listed(Client(_server(there, "https", ca=given[wrong])))
    assert there.paths == []
    _says_nothing(caught.value, there)


def test_an_authority_that_is_no_certificate_says_so() -> None:
    with pytest.raises(WrongSetting, match="server north: ca is not a certificate"):
        Client(_server(Place(1), "https", ca="MARKER"))


def _says_nothing(error: BaseException, there: Place) -> None:
    """No text of an error, however deep, has the signature, the app's secret or the address."""
    said = ""
    while True:
        said += f"{error!r} {error}"
        deeper = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if deeper is None:
            break
        error = deeper
    signs = [path.partition("sign=")[2].partition("&")[0] for path in there.paths]
    assert not [word for word in [*signs, SECRET, "127.0.0.1", "app_key"] if word and word in said]
