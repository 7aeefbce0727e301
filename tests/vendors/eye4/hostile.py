"""Requests that Eye4's function refuses; none of them touches a recording's row."""

from hypothesis import strategies as st

from gatehouse.gate import BODY_LIMIT
from ops.simulators import eye4 as simulator
from tests.builders import api_event
from tests.hostile import Event, Requests, anything, bodies, damaged, not_base64, words
from tests.vendors.eye4 import CUSTOMER, EYE4, eye4_push, ring
from tests.vendors.eye4 import eye4_rig as rig

__all__ = ["REQUESTS", "rig"]

GUID = EYE4["guid"]
RING = ring()
PATHS = (simulator.ALARMS, simulator.RESOURCES)
BODIES = bodies | st.sampled_from([RING.body, b'{"Key": "f991d9064ac71fad6a9fae22d17a4aab9f5b264d"}'])


def _with_guid(guid: str, body: bytes = RING.body, path: str = simulator.ALARMS) -> Event:
    return api_event(eye4_push(body, path, guid))


near_guids = st.one_of(
    damaged(GUID.encode()).map(lambda damaged: damaged.decode("latin-1")),
    st.sampled_from([GUID.upper(), GUID * 2, "".join(CUSTOMER["guids"]), ";".join(CUSTOMER["guids"]), GUID[::-1], "*"]),
    words,
).filter(lambda guid: not {part.strip() for part in guid.split(",")} & set(CUSTOMER["guids"]))

REQUESTS: Requests = {
    "anything": (1000, st.one_of(*(anything(path, ["guid"]) for path in PATHS))),
    "not base64": (500, st.one_of(*(not_base64(path, ["guid"]) for path in PATHS))),
    "guids that are nearly ours": (1000, near_guids.map(_with_guid)),
    "odd bodies with guids that are nearly ours": (
        500,
        st.builds(_with_guid, near_guids, BODIES, st.sampled_from(PATHS)),
    ),
    "larger than is read, with a guid of ours": (
        50,
        st.builds(
            _with_guid,
            st.just(GUID),
            st.integers(BODY_LIMIT + 1, BODY_LIMIT + 200_000).map(lambda size: b"{" * size),
            st.sampled_from(PATHS),
        ),
    ),
}
