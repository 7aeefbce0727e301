"""Eye4's messages: the recording that they mean, with the id in any field."""

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from pydantic import ValidationError

from functions.eye4 import pending, wire
from tests.vendors.eye4 import CUSTOMER, FILEID

OTHER = "2b0c7e5d9184a3f6670d1e8bc25f94a0d3176e8c"
NOTHINGS: list[Any] = [
    "(null)",
    "(NULL)",
    "<null>",
    "<nil>",
    "[null]",
    '"null"',
    "nil",
    "Nil",
    "null",
    "NULL",
    "None",
    " undefined ",
    "N/A",
    "n/a",
    "NaN",
    "-",
    "--",
    "",
    "  ",
    "\t",
    "0",
    0,
    0.0,
    "000000",
    "0" * 40,
    "00000000-0000-0000-0000-000000000000",
    "%28null%29",
    "%20",
    -1,
    "-1",
    "\\N",
    "nullptr",
    "(null)(null)",
    "unknown",
    "[object Object]",
    "Optional(nil)",
    "no",
    "None None None None",
    "0x0000000000000000",
    "100047",
    "4294967295",
    -2147483648,
    "null1",
]
# The form on the vendor's page, chapter 4.
PRINTED = "f 991d 9064ac 71fad6a9fae22d17a4aab9f5b264d"


# ─── Which recording ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_id_that_the_vendors_page_breaks_by_spaces_is_one_id() -> None:
    assert wire.recording_id(PRINTED) == FILEID


@pytest.mark.parametrize("written", [FILEID, FILEID.upper(), f" {FILEID}\n", PRINTED, PRINTED.upper()])
def test_one_id_has_one_form_however_it_is_written(written: str) -> None:
    assert wire.recording_id(written) == FILEID


def test_an_id_of_another_kind_keeps_its_case() -> None:
    assert wire.recording_id("Recording-7") == "Recording-7"


def test_an_id_that_is_used_as_a_key_has_an_end() -> None:
    whole = wire.recording_id("é" * 10_000)

    assert len(pending.key("a", whole).encode()) <= 2048  # DynamoDB's limit of a partition key


@pytest.mark.parametrize("field", ["Key", "key", "d009_id"])
@pytest.mark.parametrize(
    "written",
    [FILEID, FILEID.upper(), PRINTED, f"alarm_video_{FILEID}.h264", f"d009/2026/11/{FILEID}_3.h264", f"-{FILEID}-"],
)
def test_a_recording_is_found_in_whichever_field_and_form_it_is_named(field: str, written: str) -> None:
    assert FILEID in wire.recording_ids({field: written, "region": "cn-shenzhen"})


@pytest.mark.parametrize(
    "message",
    [
        {"Key": FILEID, "region": "cn", "d009_id": "100047"},  # as in the example of chapter 3
        {"key": f"alarm_video_{FILEID}.h264", "region": "cn", "d009_id": FILEID},  # as in its table
        {"key": "alarm_video_1.h264", "region": "cn", "d009_id": FILEID},
    ],
)
def test_example_and_table_contradict_each_other_and_both_are_read(message: dict[str, Any]) -> None:
    assert FILEID in wire.recording_ids(message)


def test_fields_that_name_two_recordings_name_both_once() -> None:
    found = wire.recording_ids({"Key": FILEID, "key": f"{OTHER}_{FILEID}.h264", "d009_id": OTHER.upper()})

    assert [recording for recording in found if len(recording) == 40] == [FILEID, OTHER]
    assert len(found) == len(set(found))


def test_one_message_names_no_more_recordings_than_a_message_can_be_about() -> None:
    crowd = " ".join(f"{number:040x}" for number in range(1_000))
    assert len(wire.recording_ids({"Key": crowd})) == 8


def test_the_fileid_is_found_behind_a_crowd_of_other_names() -> None:
    crowd = " ".join(f"{number:040x}" for number in range(1, 8))
    assert FILEID in wire.recording_ids({"Key": f"a_{crowd}.h264", "key": "film", "d009_id": FILEID})


def test_ids_that_differ_late_differ() -> None:
    assert wire.recording_id("x" * 300 + "1") != wire.recording_id("x" * 300 + "2")


@pytest.mark.parametrize("fileid", NOTHINGS)
def test_a_word_for_nothing_names_no_recording(fileid: Any) -> None:
    """Reports 19: null is registered as the text `(null)`; no such word has the form of an id."""
    assert _alarm({"fileid": fileid}).fileid is None


@pytest.mark.parametrize("nothing", NOTHINGS)
def test_a_word_for_nothing_in_a_resource_message_names_no_recording_either(nothing: Any) -> None:
    assert wire.recording_ids({"Key": nothing}) == []
    assert wire.recording_ids({"Key": nothing, "key": FILEID, "d009_id": nothing}) == [FILEID]


@pytest.mark.parametrize(
    "fileid",
    [
        "nilgiri-20261125",
        "像" * 40,
        "door-0007",
        "4294967296-a",
        "nullable-0007",
        "f" * 39 + "1",
        f"{'0' * 39}1",
        "1" * 12,
    ],
)
def test_what_has_a_word_for_nothing_inside_is_a_fileid(fileid: str) -> None:
    assert _alarm({"fileid": fileid}).fileid == fileid


def test_a_low_battery_has_no_recording_whatever_it_says() -> None:
    assert wire.AlarmMessage.model_validate({"action": "101", "payload": {"fileid": FILEID}}).fileid is None


def test_a_resource_message_that_names_its_device_is_none_the_less_one() -> None:
    assert not wire.is_alarm({"did": "VSTC1", "Key": FILEID})


@pytest.mark.parametrize("text", [FILEID + "0", "0" + FILEID, f"a_{FILEID}0.h264", FILEID[:-1]])
def test_what_has_not_forty_digits_is_no_fileid_inside_of_a_name(text: str) -> None:
    assert FILEID not in wire.recording_ids({"key": text})


@pytest.mark.parametrize(
    "message",
    [{}, {"Key": ""}, {"Key": " "}, {"Key": None}, {"Key": 5}, {"Key": [FILEID]}, {"region": FILEID}, [FILEID], "x", 5],
)
def test_what_names_no_recording_names_none(message: Any) -> None:
    assert wire.recording_ids(message) == []


@pytest.mark.parametrize(
    ("message", "is_alarm"),
    [
        ({"action": "100"}, True),
        ({"did": "D1"}, True),
        ({"action": None}, True),
        ({"Key": FILEID, "region": "cn", "d009_id": "1"}, False),
        ({}, False),
        (["action"], False),
        ("action", False),
        (None, False),
    ],
)
def test_an_alarm_is_told_by_what_is_in_it(message: Any, *, is_alarm: bool) -> None:
    assert wire.is_alarm(message) is is_alarm


# ─── An alarm ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _alarm(payload: Any) -> wire.AlarmMessage:
    return wire.AlarmMessage.model_validate({"type": "doorbell", "action": "100", "did": "D1", "payload": payload})


@pytest.mark.parametrize("payload", [{"fileid": PRINTED}, json.dumps({"fileid": FILEID})])
def test_custom_data_is_an_object_or_a_string_that_holds_one(payload: Any) -> None:
    assert _alarm(payload).fileid == FILEID


@pytest.mark.parametrize(
    "payload",
    [None, "", "garbage", "[1]", "5", '{"fileid":', "[" * 30_000, 5, [FILEID], {}],
)
def test_custom_data_that_is_none_names_no_recording_and_costs_nothing_else(payload: Any) -> None:
    alarm = _alarm(payload)
    assert (alarm.fileid, alarm.did, alarm.action) == (None, "D1", "100")


@pytest.mark.parametrize("fileid", ["", "  ", None, True, [], {}])
def test_a_fileid_that_is_none_names_no_recording(fileid: Any) -> None:
    assert _alarm({"fileid": fileid}).fileid is None


@pytest.mark.parametrize("action", [101, 101.0, "101", "101.0", " 101 ", "1.01e2", "0101"])
def test_a_code_is_one_in_whichever_type_it_comes(action: Any) -> None:
    """Reports 22."""
    assert wire.AlarmMessage.model_validate({"action": action}).action == "101"


@pytest.mark.parametrize("action", [True, None, "", [101], {"code": 101}])
def test_a_code_that_is_none_is_none(action: Any) -> None:
    assert wire.AlarmMessage.model_validate({"action": action}).action is None


@pytest.mark.parametrize(
    ("told", "battery"),
    [
        ("87", 87),
        (87, 87),
        (87.0, 87),
        ("87.5", 87.5),
        ("87%", 87),
        (" 87 % ", 87),
        ("0", 0),
        (0, 0),
        (100, 100),
        ("", None),
        (None, None),
        ("full", None),
        ("NaN", None),
        (True, None),
        ([87], None),
        (-1, None),
        (3700, None),
        ("<--Power-->", None),
    ],
)
def test_what_the_battery_has_left_is_a_share_of_a_hundred(told: Any, battery: float | None) -> None:
    assert _alarm({"electricity": told}).custom.electricity == battery


# ─── How often it is encoded ──────────────────────────────────────────────────────────────────────────────────────────


def _encoded(value: Any, times: int) -> Any:
    for _ in range(times):
        value = json.dumps(value)
    return value


@pytest.mark.parametrize("times", range(8))
def test_custom_data_is_read_however_often_it_is_encoded(times: int) -> None:
    assert _alarm(_encoded({"fileid": FILEID}, times)).fileid == FILEID


@pytest.mark.parametrize("times", [20, 60])
def test_custom_data_that_is_encoded_without_end_costs_the_alarm_nothing(times: int) -> None:
    value = {"fileid": FILEID}
    text = json.dumps(value)
    for _ in range(min(times, 12)):  # the backslashes double with each
        text = json.dumps(text)

    assert _alarm(text).action == "100"


@pytest.mark.parametrize("around", ["\ufeff{}", " {}\r\n", "{}\0"])
def test_custom_data_has_around_it_what_encoders_leave_there(around: str) -> None:
    assert _alarm(around.replace("{}", json.dumps({"fileid": FILEID}))).fileid == FILEID


def test_custom_data_that_is_percent_encoded_is_read() -> None:
    written = quote(json.dumps({"fileid": FILEID, "electricity": "87%"}))
    alarm = _alarm(written)

    assert (alarm.fileid, alarm.custom.electricity) == (FILEID, 87)
    assert _alarm(quote(written)).fileid == FILEID
    assert _alarm(json.dumps(written)).fileid == FILEID


def test_names_that_are_percent_encoded_are_read() -> None:
    assert _alarm({"file%69d": FILEID, "cove%72": "http://a.eye4.cn/1"}).fileid == FILEID
    assert wire.is_alarm({"actio%6E": "100"})
    assert wire.recording_ids({"%4Bey": FILEID}) == [FILEID]
    assert _alarm({"fileid": FILEID, "file%69d": OTHER}).fileid == FILEID


@pytest.mark.parametrize("field", ["Key", "key", "d009_id"])
@pytest.mark.parametrize("written", [f"d009/2026/{FILEID}_1.h264", f"a b/{FILEID}", PRINTED, f"文/{FILEID}"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_key_that_is_percent_encoded_as_those_of_s3_names_its_recording(field: str, written: str, times: int) -> None:
    """`%2F` before a fileid ends in a hex digit of its own."""
    for _ in range(times):
        written = quote(written, safe="")

    message: dict[str, Any] = {"d009_id": "100047", field: written}

    assert wire.likeliest(wire.recording_ids(message)) == FILEID


def test_of_several_ids_the_one_in_a_fileids_form_is_the_likeliest() -> None:
    message: dict[str, Any] = {"Key": f"alarm_video_{FILEID}.h264", "region": "cn", "d009_id": "100047"}

    assert wire.likeliest(wire.recording_ids(message)) == FILEID
    assert wire.likeliest(["film-7", "100047"]) == "film-7"


# ─── What the API lists ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_of_an_answer_keep_their_order() -> None:
    files = wire.listed([{"file_name": str(number), "file_Type": "video"} for number in range(20)])

    assert [file.url for file in files] == [str(number) for number in range(20)]


@pytest.mark.parametrize("name", ["file_Type", "file_type", "fileType", "FileType", "FILE_TYPE", "filetype"])
@pytest.mark.parametrize("word", ["video", "Video", "VIDEO", " video ", "video/mp4"])
def test_the_type_of_a_file_is_read_in_all_spellings(name: str, word: str) -> None:
    (file,) = wire.listed([{"file_name": "b", name: word}])

    assert file.kind == "video"


@pytest.mark.parametrize("entry", [{}, {"file_Type": None}, {"file_Type": ""}, {"file_Type": ["video"]}])
def test_the_type_of_a_file_may_be_missing(entry: dict[str, Any]) -> None:
    assert wire.listed([{"file_name": "c", **entry}])[0].kind is None


@pytest.mark.parametrize("name", ["file_name", "fileName", "FILE_NAME", "filename"])
def test_the_address_of_a_file_is_read_in_all_spellings(name: str) -> None:
    assert wire.listed([{name: "a"}])[0].url == "a"


def test_entries_without_an_address_are_no_files() -> None:
    assert wire.listed([{}, {"file_name": ""}, {"file_name": None}, {"file_name": []}, "x", None, 5, ["a"]]) == []


def test_a_null_for_an_empty_list_is_one() -> None:
    assert wire.listed(None) == []


@pytest.mark.parametrize("answer", [{}, {"error": "x"}, "[]", 5, False, {"file_name": "a"}])
def test_an_answer_that_is_no_list_is_none(answer: Any) -> None:
    with pytest.raises(ValueError, match="no list"):
        wire.listed(answer)


# ─── The secret ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _api(api: Any) -> wire.BodyLogin | wire.HeaderLogin | None:
    return wire.Accounts.model_validate({"accounts": [{**CUSTOMER, "api": api}]}).accounts[0].api


def test_the_fields_of_the_login_say_which_of_the_two_ways_it_is() -> None:
    assert isinstance(_api({"userid": "1", "authkey": "k"}), wire.BodyLogin)
    assert isinstance(_api({"access_key": "1", "secret_key": "k"}), wire.HeaderLogin)
    assert _api(None) is None


@pytest.mark.parametrize(
    "account",
    [
        {**CUSTOMER, "api": {"userid": "1", "secret_key": "hidden"}},
        {**CUSTOMER, "api": {"userid": "1", "authkey": "hidden", "access_key": "2", "secret_key": "hidden"}},
        {**CUSTOMER, "guids": []},
        {**CUSTOMER, "guids": "hidden"},
        {**CUSTOMER, "guid": "hidden"},
        {"guids": ["hidden"]},
    ],
)
def test_a_secret_that_is_not_usable_is_no_secret_and_the_error_does_not_repeat_it(account: Any) -> None:
    with pytest.raises(ValidationError) as error:
        wire.Accounts.model_validate({"accounts": [account]})

    assert "hidden" not in str(error.value)


def test_a_secret_does_not_print_its_credentials() -> None:
    accounts = wire.Accounts.model_validate({"accounts": [CUSTOMER]})

    assert CUSTOMER["api"]["authkey"] not in repr(accounts)
    assert CUSTOMER["guids"][0] not in repr(accounts)


# ─── Where it stands, and how that is spelt ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "payload",
    [
        quote_plus(json.dumps({"fileid": FILEID, "electricity": 87})),
        quote_plus(quote_plus(json.dumps({"fileid": FILEID, "electricity": 87}))),
        f"fileid={FILEID}&electricity=87",
        f"fileId={FILEID}&electricity=87%25",
        base64.b64encode(json.dumps({"fileid": FILEID, "electricity": 87}).encode()).decode(),
        {"fileId": FILEID, "Electricity": 87},
        {"FILE_ID": FILEID, "electricity": "87"},
        json.dumps({"fileID": FILEID, "ELECTRICITY": 87.0}),
    ],
)
def test_custom_data_is_read_however_it_is_encoded_and_spelt(payload: Any) -> None:
    alarm = _alarm(payload)

    assert (alarm.fileid, alarm.battery) == (FILEID, 87)


def test_what_stands_beside_the_custom_data_is_read_where_that_has_none() -> None:
    alarm = wire.AlarmMessage.read({"action": "100", "did": "D1", "fileId": FILEID, "electricity": "0", "payload": {}})
    assert (alarm.fileid, alarm.battery) == (FILEID, 0)

    alarm = wire.AlarmMessage.read({"action": 100, "fileid": OTHER, "payload": {"fileid": FILEID, "electricity": 5}})
    assert (alarm.fileid, alarm.battery) == (FILEID, 5)


@pytest.mark.parametrize("name", ["Action", "ACTION"])
def test_an_alarm_is_one_in_whatever_case_its_fields_are(name: str) -> None:
    message: dict[str, Any] = {name: 100, "DID": "D1", "Payload": {"fileid": FILEID}}

    assert wire.is_alarm(message)
    alarm = wire.AlarmMessage.read(message)
    assert (alarm.action, alarm.did, alarm.fileid) == ("100", "D1", FILEID)
