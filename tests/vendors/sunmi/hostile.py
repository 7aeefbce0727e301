"""Requests that SUNMI's function refuses."""

import base64
import json
from dataclasses import replace
from urllib.parse import parse_qsl, quote_plus

from hypothesis import strategies as st

from ops.simulators import Request
from ops.simulators import sunmi as simulator
from tests.builders import AT, URL, api_event
from tests.hostile import Event, Requests, anything, damaged, far_times, no_times, not_base64
from tests.vendors.sunmi import FACE, SUNMI, sunmi_form
from tests.vendors.sunmi import sunmi_rig as rig

__all__ = ["REQUESTS", "rig"]

FORM = {
    "app_id": SUNMI["app_id"],
    "random": "N1",
    "timestamp": str(int(AT)),
    "shop_id": "10096",
    "event": "2001",
    "payload": json.dumps(FACE),
}
FIELDS = {**FORM, "sign": simulator.sign(FORM, SUNMI["app_key"])}
FACE_PUSH = sunmi_form(FORM, FIELDS["sign"])


def _form(pairs: list[tuple[str, str]]) -> Event:
    body = "&".join(
        f"{quote_plus(name, errors='replace')}={quote_plus(value, errors='replace')}" for name, value in pairs
    )
    return api_event(Request(URL + simulator.PATH, body.encode()))


def _is_the_form_that_was_signed(event: Event) -> bool:
    """A flipped bit may only spell the same otherwise: `%7b` for `%7B`, or the signature in lower case."""
    body = base64.b64decode(event["body"]).removeprefix(b"\xef\xbb\xbf").rstrip(b"\0\r\n")
    fields = parse_qsl(body.decode(errors="surrogateescape"), keep_blank_values=True, errors="surrogateescape")
    signed = {name: value for name, value in fields if value}
    return {**signed, "sign": signed.get("sign", "").upper()} == FIELDS


def _resigned(change: dict[str, str]) -> Request:
    fields = {**FORM, **change}
    return sunmi_form(fields, simulator.sign(fields, SUNMI["app_key"]))


def _in_another_encoding(put: tuple[str, str, str]) -> Event:
    """Bytes that are no UTF-8 at the beginning of a field; the signature is right if they are taken for nothing."""
    name, escape, word = put
    push = _resigned({name: word + FORM[name]}) if name != "app_id" else FACE_PUSH
    return api_event(replace(push, body=push.body.replace(f"{name}=".encode(), f"{name}={escape}".encode())))


REQUESTS: Requests = {
    "anything": (1000, anything(simulator.PATH)),
    "not base64": (500, not_base64(simulator.PATH)),
    "forms that nobody signed": (
        1000,
        st.lists(
            st.tuples(
                st.sampled_from([*FORM, "sign", ""]) | st.text(max_size=5),
                st.sampled_from([*FIELDS.values(), ""]) | st.text(max_size=10),
            ),
            max_size=8,
        )
        .filter(lambda pairs: ("sign", FIELDS["sign"]) not in pairs)
        .map(_form),
    ),
    "damaged with the old signature": (
        1200,
        damaged(FACE_PUSH.body)
        .map(lambda body: api_event(Request(URL + simulator.PATH, body)))
        .filter(lambda event: not _is_the_form_that_was_signed(event)),
    ),
    "from another time, signed": (
        500,
        (far_times | no_times).map(lambda moment: api_event(_resigned({"timestamp": moment}))),
    ),
    "with a field that comes twice, signed": (
        500,
        st.tuples(st.sampled_from([*FIELDS]), st.text(max_size=5), st.booleans()).map(
            lambda twice: _form([*FIELDS.items(), twice[:2]] if twice[2] else [twice[:2], *FIELDS.items()])
        ),
    ),
    "in another encoding, signed": (
        300,
        st.tuples(
            st.sampled_from(sorted(FORM)),
            st.sampled_from(["%ff", "%C0%AF", "%ED%A0%80", "%E8%AE"]),
            st.text("abc", max_size=5),
        ).map(_in_another_encoding),
    ),
}
