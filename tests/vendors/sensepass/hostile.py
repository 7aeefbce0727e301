"""Requests that SensePass's function refuses, at the address of records and at that of questions."""

from dataclasses import replace

from hypothesis import strategies as st

from ops.simulators import Request
from ops.simulators.sensepass import PATH, picture
from tests.builders import TOKENS, api_event
from tests.hostile import Event, Requests, anything, bodies, damaged, not_base64, words
from tests.vendors.sensepass import sensepass_rig as rig
from tests.vendors.sensepass import terminal

__all__ = ["REQUESTS", "rig"]

NAMES = ("sn", "timestamp", "sign", "user-agent")
PATHS = (f"{PATH}/another", f"{PATH}/another/authorize")
RECORD = terminal().upload(image=picture(300, seed=1), uuid="3c9e2f60-5a7b-4d18-9b0e-6f1d2a7c8e51")
QUESTION = terminal().question(image=picture(300, seed=1))


def _with_token(token: str, push: Request = RECORD, body: bytes | None = None) -> Event:
    """The token as API Gateway hands it over, whatever is in it."""
    event = api_event(push if body is None else replace(push, body=body))
    return {**event, "pathParameters": {"token": token}}


pushes = st.sampled_from([RECORD, QUESTION])
near_tokens = st.one_of(
    damaged(TOKENS[0].encode()).map(lambda damaged: damaged.decode("latin-1")),
    st.sampled_from([TOKENS[0].upper(), TOKENS[0] * 2, ",".join(TOKENS), TOKENS[0][::-1], f"{TOKENS[0]} ", "*", "%"]),
    words,
).filter(lambda token: token not in TOKENS)

REQUESTS: Requests = {
    "anything": (1000, st.one_of(*(anything(path, NAMES) for path in PATHS))),
    "not base64": (500, st.one_of(*(not_base64(path, NAMES) for path in PATHS))),
    "tokens that are nearly ours": (1000, st.builds(_with_token, near_tokens, pushes)),
    "odd bodies with tokens that are nearly ours": (500, st.builds(_with_token, near_tokens, pushes, bodies)),
    "larger than is read, with a token of ours": (
        20,
        st.builds(
            _with_token,
            st.sampled_from(TOKENS),
            pushes,
            st.integers(1, 9_999).map(lambda more: b"{" * (5 * 2**20 + more)),
        ),
    ),
}
