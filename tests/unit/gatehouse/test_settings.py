"""A function's environment: read once, and each wrong setting named."""

import pytest

from functions.relay.handler import RelaySettings
from gatehouse.errors import WrongSetting
from gatehouse.settings import Announce, GateSettings, VendorSettings
from gatehouse.vocabulary import Topic
from tests.builders import ARNS, ENVIRONMENT


def test_the_settings_are_read_from_the_environment() -> None:
    settings = VendorSettings.read({**ENVIRONMENT, "ANNOUNCE_MODE": "stream", "RETENTION_DAYS": "7", "HOME": "/root"})

    assert settings.topic_arns == ARNS
    assert settings.announce_mode is Announce.STREAM
    assert settings.retention_days == 7
    assert settings.events_table == "events"


def test_what_is_not_set_has_its_default() -> None:
    settings = VendorSettings.read(ENVIRONMENT)

    assert (settings.announce_mode, settings.retention_days, settings.public_base_url) == ("inline", 90, "")
    assert RelaySettings.read(ENVIRONMENT).relay_grace == 30


@pytest.mark.parametrize("name", ["EVENTS_TABLE", "TOPIC_ARNS", "SPILL_QUEUE_URL", "MEDIA_BUCKET", "SECRET_ARN"])
def test_a_setting_that_is_missing_or_empty_is_named(name: str) -> None:
    with pytest.raises(WrongSetting, match=name):
        VendorSettings.read({other: value for other, value in ENVIRONMENT.items() if other != name})
    with pytest.raises(WrongSetting, match=name):
        VendorSettings.read({**ENVIRONMENT, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANNOUNCE_MODE", "later"),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "many"),
        ("PUBLIC_BASE_URL", "push.example.com"),
        ("PUBLIC_BASE_URL", "https://push.example.com?a"),
        ("TOPIC_ARNS", "alarm"),
        ("TOPIC_ARNS", "gossip=arn:aws:sns:eu-central-1:1:gossip"),
    ],
)
def test_a_setting_that_cannot_work_is_named(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=name):
        VendorSettings.read({**ENVIRONMENT, name: value})


@pytest.mark.parametrize("missing", Topic)
@pytest.mark.parametrize("empty", [False, True])
def test_a_topic_without_an_arn_is_told_at_start(missing: Topic, *, empty: bool) -> None:
    arns = [f"{topic}={arn}" for topic, arn in ARNS.items() if topic is not missing]
    arns += [f"{missing}="] if empty else []

    with pytest.raises(WrongSetting, match=f"TOPIC_ARNS.*no ARN for {missing}"):
        GateSettings.read({**ENVIRONMENT, "TOPIC_ARNS": ",".join(arns)})


def test_every_wrong_setting_is_named_at_once_and_no_value_is_repeated() -> None:
    wrong = {"EVENTS_TABLE": "", "ANNOUNCE_MODE": "marker-1", "RETENTION_DAYS": "marker-2", "TOPIC_ARNS": "marker-3"}

    with pytest.raises(WrongSetting) as caught:
        GateSettings.read({**ENVIRONMENT, **wrong})

    assert all(name in str(caught.value) for name in wrong)
    assert "marker" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["https://push.example.com", "http://localhost:4566/_aws/api", ""])
def test_a_public_address_may_have_a_path(url: str) -> None:
    assert VendorSettings.read({**ENVIRONMENT, "PUBLIC_BASE_URL": url}).public_base_url == url
