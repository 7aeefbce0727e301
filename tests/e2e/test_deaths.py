"""A deployed function dies or AWS does not answer; the event arrives all the same."""

from gatehouse.settings import Announce
from ops.simulators import sunmi
from tests.e2e.conftest import Rig
from tests.e2e.faults import Killer, told


def test_the_message_arrives_although_the_process_was_killed_between_record_and_publish(rig: Rig) -> None:
    publisher = "sunmi" if rig.announce is Announce.INLINE else "relay"
    killer = Killer(rig.stack.aws_endpoint_url)
    push = sunmi.request(rig.stack.vendors["sunmi"], rig.stack.api_url, 2001, {"face_id": "killed"})

    with killer.serving(), told(rig.stack, publisher, AWS_ENDPOINT_URL_SNS=killer.url):
        rig.send(push)
        (event,) = rig.until(lambda: rig.events(lambda event: event["data"].get("person", {}).get("id") == "killed"))

    assert len(killer.killed) == 1
    assert len(rig.received[event["id"]]) == 1
    rig.until_published(event["id"])


def test_the_event_is_spilled_and_sent_again_when_the_table_does_not_answer(rig: Rig) -> None:
    push = sunmi.request(rig.stack.vendors["sunmi"], rig.stack.api_url, 2001, {"face_id": "spilled"})

    with told(rig.stack, "sunmi", AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9"):
        answer = rig.send(push)

    assert answer.status == 200
    (event,) = rig.until(lambda: rig.events(lambda event: event["data"].get("person", {}).get("id") == "spilled"))
    assert len(rig.received[event["id"]]) == 1
    rig.until_published(event["id"])
