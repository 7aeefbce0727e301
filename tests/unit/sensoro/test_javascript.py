"""JavaScript's JSON: known answers, each computed by Node's own JSON.stringify(JSON.parse(…))."""

from typing import Any

import pytest

from functions.sensoro import javascript
from ops.simulators import Request
from ops.simulators import sensoro as simulator
from tests.rig import Rig
from tests.vendors.sensoro import sensor_body, sensor_push

NUMBERS = [
    ("0", "0"),
    ("-0", "0"),
    ("0.0", "0"),
    ("23.0", "23"),
    ("21", "21"),
    ("-0.50", "-0.5"),
    ("1e-7", "1e-7"),
    ("1E-7", "1e-7"),
    ("0.0000001", "1e-7"),
    ("0.000001", "0.000001"),
    ("0.00001", "0.00001"),
    ("1e-06", "0.000001"),
    ("1.5e-9", "1.5e-9"),
    ("123e-20", "1.23e-18"),
    ("1e20", "100000000000000000000"),
    ("1e21", "1e+21"),
    ("1.0E+21", "1e+21"),
    ("123456789012345680000", "123456789012345680000"),
    ("1234567890123456789012", "1.2345678901234568e+21"),
    ("9007199254740993", "9007199254740992"),
    ("9007199254740992", "9007199254740992"),
    ("12345678901234567890", "12345678901234567000"),
    ("5e-324", "5e-324"),
    ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ("0.1", "0.1"),
    ("0.30000000000000004", "0.30000000000000004"),
    ("4.35", "4.35"),
    ("100", "100"),
    ("1e2", "100"),
    ("1.10", "1.1"),
    ("2.5e-5", "0.000025"),
    ("-1e-7", "-1e-7"),
    ("1e-400", "0"),
    ("999999999999999900000", "999999999999999900000"),
    ("1e23", "1e+23"),
    ("4.450147717014403e-308", "4.450147717014403e-308"),
    ("123456.789e3", "123456789"),
    ("20e-1", "2"),
]
DOCUMENTS = [
    ('{"b":1,"a":2}', '{"b":1,"a":2}'),
    ('{"b":1,"2":0,"10":0,"1":0,"a":2}', '{"1":0,"2":0,"10":0,"b":1,"a":2}'),
    ('{"01":1,"0":2,"-1":3,"1.5":4}', '{"0":2,"01":1,"-1":3,"1.5":4}'),
    ('{"4294967294":1,"4294967295":2,"a":3,"5":4}', '{"5":4,"4294967294":1,"4294967295":2,"a":3}'),
    ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
    ('{"__proto__":{"a":1},"x":2}', '{"__proto__":{"a":1},"x":2}'),
    ('"\\ud842"', '"\\ud842"'),
    ('{"\\ud842":"a\\udc00b"}', '{"\\ud842":"a\\udc00b"}'),
    ('"\\ud842\\udfb7"', '"𠮷"'),
    ('"\\u8bbe\\u5907\\/\\u2028\\u007f"', '"设备/\u2028\x7f"'),
    ('"\\u0000\\u001f\\b\\t\\n\\f\\r\\"\\\\"', '"\\u0000\\u001f\\b\\t\\n\\f\\r\\"\\\\"'),
    ('[null,true,false,[],{}," "]', '[null,true,false,[],{}," "]'),
    (" [ 1 , 2.50 ] \r\n", "[1,2.5]"),
]
NEVER_WRITTEN = [
    b"",
    b"{",
    b"NaN",
    b"-Infinity",
    b'{"a":NaN}',
    b"1e999",
    b"9" * 5000,
    b"[" * 5000,
    b'{"a":' * 1200 + b"1" + b"}" * 1200,
    b"\xff",
    b"\xed\xa0\x80",
    b"01",
    b"{}{}",
    b"'a'",
    "{}".encode("utf-16"),
]


@pytest.mark.parametrize(("json", "expected"), NUMBERS)
def test_a_number_is_written_as_javascript_writes_it(json: str, expected: str) -> None:
    assert javascript.stringify(json.encode()) == expected.encode()
    assert javascript.notation(float(json)) == expected


@pytest.mark.parametrize(("json", "expected"), DOCUMENTS)
def test_a_document_is_written_as_javascript_writes_it(json: str, expected: str) -> None:
    assert javascript.stringify(json.encode()) == expected.encode()


@pytest.mark.parametrize("written", [expected for _, expected in (*NUMBERS, *DOCUMENTS)])
def test_what_javascript_wrote_is_written_so_again(written: str) -> None:
    assert javascript.stringify(written.encode()) == written.encode()


@pytest.mark.parametrize("body", NEVER_WRITTEN, ids=lambda body: repr(body[:12]))
def test_what_javascript_never_writes_is_none(body: bytes) -> None:
    assert javascript.stringify(body) is None


@pytest.mark.parametrize("wrap", ["\ufeff{}", "{}\0", "\ufeff {}\r\n\0\0", "\t{}"])
def test_what_encoders_put_around_it_is_not_written(wrap: str) -> None:
    assert javascript.stringify(wrap.format('{ "a": [1.0] }').encode()) == b'{"a":[1]}'


def test_a_number_beyond_a_double_has_no_notation() -> None:
    for value in (10**400, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="double"):
            javascript.notation(value)


@pytest.mark.parametrize(("json", "expected"), NUMBERS)
def test_a_push_that_is_written_otherwise_and_signed_so_is_taken(sensoro: Rig[Any], json: str, expected: str) -> None:
    body = simulator.compact(sensor_body({"ch4": "IT"}))
    signed = sensor_push(body.replace(b'"IT"', expected.encode()))
    wire = body.replace(b'"IT"', json.encode()).replace(b",", b", ")

    assert sensoro.send(Request(signed.url, wire, signed.headers)).status == 200
    assert float(sensoro.event["data"]["readings"]["ch4"]["value"]) == float(json)
