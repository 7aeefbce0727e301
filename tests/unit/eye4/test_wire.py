"""Eye4's messages as they are read: which recording they are about, whatever field the id is in."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from functions.eye4 import pending, wire
from tests.builders import CUSTOMER, FILEID

OTHER = "2b0c7e5d9184a3f6670d1e8bc25f94a0d3176e8c"
# As the vendor's page prints it, chapter 4.
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


def test_ids_that_differ_late_differ() -> None:
    assert wire.recording_id("x" * 300 + "1") != wire.recording_id("x" * 300 + "2")


@pytest.mark.parametrize("fileid", ["0", "null", "None", " undefined "])
def test_a_word_for_nothing_names_no_recording(fileid: str) -> None:
    assert _alarm({"fileid": fileid}).fileid is None


def test_a_low_battery_has_no_recording_whatever_it_says() -> None:
    assert wire.Alarm.model_validate({"action": "101", "payload": {"fileid": FILEID}}).fileid is None


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


def _alarm(payload: Any) -> wire.Alarm:
    return wire.Alarm.model_validate({"type": "doorbell", "action": "100", "did": "D1", "payload": payload})


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


def test_a_code_that_comes_as_a_number_is_the_code() -> None:
    assert wire.Alarm.model_validate({"action": 101}).action == "101"


# ─── What the API lists ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_of_an_answer_keep_their_order() -> None:
    files = wire.listed([{"file_name": str(number), "file_Type": "video"} for number in range(20)])

    assert [file.url for file in files] == [str(number) for number in range(20)]


def test_the_type_of_a_file_is_read_in_both_spellings_and_may_be_missing() -> None:
    files = wire.listed(
        [{"file_name": "a", "file_Type": "image"}, {"file_name": "b", "file_type": "video"}, {"file_name": "c"}]
    )

    assert [file.kind for file in files] == ["image", "video", None]


def test_entries_without_an_address_are_no_files() -> None:
    assert wire.listed([{}, {"file_name": ""}, {"file_name": None}, {"file_name": []}, "x", None, 5, ["a"]]) == []


@pytest.mark.parametrize("answer", [None, {}, {"error": "x"}, "[]", 5, {"file_name": "a"}])
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
