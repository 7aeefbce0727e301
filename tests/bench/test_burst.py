"""The burst after an outage: 5,000 cached records with pictures of 200 KB, uploaded by twenty terminals at once."""

import pytest

from tests.faults.test_sensepass_burst import check, run

RECORDS = 5_000

pytestmark = pytest.mark.bench


def test_five_thousand_cached_records_at_once_are_neither_lost_nor_doubled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = run(RECORDS)

    check(result, RECORDS)
    with capsys.disabled():
        for name, value in result.items():
            print(f"  {name}: {value}")  # noqa: T201 - what the bench is for
