"""SenseLink and SensePass are of one maker: where both have a code, their tables agree.

The two functions know nothing of each other, so each has the tables of its own pages. The names of a table's codes are
those of `functions/<vendor>/normalise.py`.
"""

# ruff: noqa: SLF001 - the tables are nobody else's

from collections.abc import Mapping
from typing import Any

import pytest

from functions.senselink import normalise as senselink
from functions.sensepass import normalise as sensepass
from gatehouse.vocabulary import PersonKind

PAIRS: dict[str, tuple[Mapping[Any, object], Mapping[Any, object]]] = {
    "entry mode": (senselink._ENTRY_MODE, sensepass._ENTRY_MODE),
    "abnormal type": (senselink._ABNORMAL, sensepass._ABNORMAL),
    "mask": (senselink._MASK, sensepass._MASK),
    "person": (senselink._PERSON, sensepass._TYPE),
    "alarm": (senselink._ALARM, {code: kind for code, (kind, _) in sensepass._ALARM.items()}),
    "alarm state": (senselink._STATE, sensepass._STATE),
    "severity of an alarm": (
        {code: senselink._SEVERITY[kind] for code, kind in senselink._ALARM.items() if kind in senselink._SEVERITY},
        {code: severity for code, (_, severity) in sensepass._ALARM.items()},
    ),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_a_code_that_both_have_means_the_same(one: Mapping[Any, object], other: Mapping[Any, object]) -> None:
    both = one.keys() & other.keys()

    assert len(both) >= 2
    assert {code: one[code] for code in both} == {code: other[code] for code in both}


def test_a_group_and_a_user_of_one_number_are_the_same_kind_of_person_but_for_the_number_of_old_firmware() -> None:
    """Until V1.3 a terminal had 3 for a person who is barred; a server has no 3 among its groups."""
    both = senselink._GROUP.keys() & sensepass._USER.keys()

    assert {code: senselink._GROUP[code] for code in both} == {code: sensepass._USER[code] for code in both}
    assert sensepass._USER.keys() - senselink._GROUP.keys() == {3}
    assert sensepass._USER[3] is PersonKind.BLOCKLISTED
