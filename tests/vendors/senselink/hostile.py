"""Requests that SenseLink's function refuses."""

from dataclasses import replace

from hypothesis import strategies as st

from ops.simulators.senselink import PATH
from tests.builders import api_event
from tests.hostile import Event, Requests, anything, bodies, damaged, not_base64, words
from tests.vendors.senselink import SENSELINK, access_record, told
from tests.vendors.senselink import senselink_rig as rig

__all__ = ["REQUESTS", "rig"]

TOKENS: list[str] = SENSELINK["tokens"]
RECORD = told(access_record())


def _with_token(token: str, body: bytes = RECORD.body) -> Event:
    """The token as API Gateway hands it over, whatever is in it."""
    return {**api_event(replace(RECORD, body=body)), "pathParameters": {"token": token}}


near_tokens = st.one_of(
    damaged(TOKENS[0].encode()).map(lambda damaged: damaged.decode("latin-1")),
    st.sampled_from([TOKENS[0].upper(), TOKENS[0] * 2, ",".join(TOKENS), TOKENS[0][::-1], f"{TOKENS[0]} ", "*", "%"]),
    words,
).filter(lambda token: token not in TOKENS)

REQUESTS: Requests = {
    "anything": (1000, anything(PATH) | anything(f"{PATH}/another")),
    "not base64": (500, not_base64(f"{PATH}/another")),
    "tokens that are nearly ours": (1000, near_tokens.map(_with_token)),
    "odd bodies with tokens that are nearly ours": (500, st.builds(_with_token, near_tokens, bodies)),
    "larger than is read, with a token of ours": (
        50,
        st.builds(_with_token, st.sampled_from(TOKENS), st.integers(1, 9_999).map(lambda more: b"{" * (2**20 + more))),
    ),
}
