"""Thousands of pushes of all vendors in mixed odd forms, through the real handlers: none refused, lost or doubled.

`PUSHES` says how many (`make odd-forms` sends 50,000), `SEED` which; the seed is printed.
"""

import importlib
import json
import os
from itertools import islice
from random import Random

import pytest

from ops import simulators
from tests.builders import NOW, URL, seconds
from tests.vendors import vendor_names, vendor_tests

_PUSHES = int(os.environ.get("PUSHES", "20000"))


@pytest.mark.parametrize("vendor", vendor_names())
def test_no_push_is_refused_lost_or_doubled(vendor: str, seed: int) -> None:
    random = Random(f"{seed}/{vendor}")
    own = vendor_tests(vendor)
    accounts: simulators.Accounts = importlib.import_module(f"ops.simulators.{vendor}").new_accounts()
    rig = own.rig(accounts.secret)
    sent = number = 0
    while sent < _PUSHES // len(vendor_names()):
        number += 1
        before = len(rig.store.records)
        happening = own.happening(random, number, accounts.apps, URL, NOW)
        for position, request in enumerate(happening.requests):
            answer = rig.send(request, NOW + seconds(position / 10))
            assert answer.status in range(200, 300), (happening.what, answer)
        sent += len(happening.requests)
        new = [rig.store.records[key] for key in islice(reversed(rig.store.records), len(rig.store.records) - before)]
        # A clock that is wrong is told besides, and is no event of the push.
        events = [json.loads(record.body)["data"] for record in new if '"kind":"clock"' not in record.body]
        assert len(events) == happening.events, happening.what
        assert any(event.get("kind") == "unmapped" for event in events) is happening.unmapped, happening.what
    # Two events of one push are announced side by side, in either order.
    assert sorted(record.id for record in rig.topics.messages) == sorted(rig.store.records)
    assert rig.spill.messages == []
