"""A deployed function dies or AWS does not answer; the event arrives all the same."""

from gatehouse.settings import Announce
from ops.simulators import sunmi
from tests.e2e.conftest import Site
from tests.e2e.faults import Killer, told


def test_the_message_arrives_although_the_process_was_killed_between_record_and_publish(site: Site) -> None:
    publisher = "sunmi" if site.announce is Announce.INLINE else "relay"
    killer = Killer(site.stack.aws_endpoint_url)
    push = sunmi.request(site.stack.vendors["sunmi"], site.stack.api_url, 2001, {"face_id": "killed"})

    with killer.serving(), told(site.stack, publisher, AWS_ENDPOINT_URL_SNS=killer.url):
        site.send(push)
        (event,) = site.until(lambda: site.events(lambda event: event["data"].get("person", {}).get("id") == "killed"))

    assert len(killer.killed) == 1
    assert len(site.received[event["id"]]) == 1
    site.until_published(event["id"])


def test_the_event_is_spilled_and_sent_again_when_the_table_does_not_answer(site: Site) -> None:
    push = sunmi.request(site.stack.vendors["sunmi"], site.stack.api_url, 2001, {"face_id": "spilled"})

    with told(site.stack, "sunmi", AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9"):
        answer = site.send(push)

    assert answer.status == 200
    (event,) = site.until(lambda: site.events(lambda event: event["data"].get("person", {}).get("id") == "spilled"))
    assert len(site.received[event["id"]]) == 1
    site.until_published(event["id"])
