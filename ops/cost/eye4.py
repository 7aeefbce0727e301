"""The cost of Eye4 beside its pushes: its alarms' recordings, each fetched by a flow of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

import boto3
import yaml

from gatehouse import aws
from ops.api_event import api_event
from ops.cost import Part, units
from ops.cost.count import Counted, Run, put_secret
from ops.cost.document import STORED, Facts, amount, dollars, prose, table
from ops.cost.prices import Usage
from ops.cost.template import ROOT, Document
from ops.simulators import eye4

_API: Final = "https://push.example.com"

# ─── The run ──────────────────────────────────────────────────────────────────────────────────────────────────────


def measured(run: Run) -> dict[str, Counted]:
    """An alarm with a recording of two files, and its resource message after it, step by step."""
    found: dict[str, Counted] = {}
    accounts = eye4.new_accounts()
    app, fileid = accounts.apps["eye4"], "9c" * 20
    cloud = eye4.Cloud(now=run.now.timestamp)
    cloud.hold(fileid, eye4.Recording((eye4.File("image", 60_000), eye4.File("video", 1_500_000))))
    with cloud.serving(), run.account():
        put_secret(run.deployed.environment("Eye4Function"), json.dumps(accounts.secret))
        handler = run.started("Eye4Function")
        alarm, message = eye4.alarm(app, _API, fileid=fileid), eye4.resource(app, _API, fileid)
        event = api_event(alarm, run.now)
        found["the alarm"] = run.push("Eye4Function", handler, event, "push_seconds")
        body = found["the alarm"].records[0]["event"]["S"]
        started = run.started("Eye4StartFunction")(_queue_event(body), None)
        if started["batchItemFailures"]:
            raise RuntimeError("the sample's alarm starts no flow")
        run.runs("Eye4StartFunction", "start_seconds")
        run.uses("queue_request", 3 * units.chunks(len(body)))  # sent, received, deleted
        found["the start of its flow"] = run.taken()
        wanted = _wanted()
        found["the flow"] = _flow(run, wanted)
        event = api_event(message, run.now)
        found["the resource message"] = run.push("Eye4Function", handler, event, "push_seconds")
        resolve = run.started("Eye4ResolveFunction", API_URL=cloud.url)
        answer = resolve({"alarm": wanted, "since": run.now.isoformat()}, None)
        if answer["status"] != "available":
            raise RuntimeError(f"the sample's recording is {answer['status']}")
        run.runs("Eye4ResolveFunction", "resolve_seconds")
        found["resolving"] = run.taken()
        both = found["the alarm"].records + found["resolving"].records
        relay = run.started("RelayFunction")
        found["the relay's share"] = run.relayed(relay, both, "inline")
    return found


def _wanted() -> Document:
    """The input of the flow that was just started."""
    states = boto3.client("stepfunctions")
    flow = states.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    (execution,) = states.list_executions(stateMachineArn=flow)["executions"]
    wanted: Document = json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"])
    return wanted


def _flow(run: Run, wanted: Document) -> Counted:
    """The work of the flow itself: its transitions, and the row that its wait writes."""
    states: Document = yaml.safe_load((ROOT / "functions/eye4/flow.asl.yaml").read_text())["States"]
    first = states["AwaitUpload"]
    token = "t" * int(run.assumed["token_characters"].value)
    aws.client("dynamodb").update_item(
        TableName=run.deployed.environment("Eye4Function")["PENDING_FILES_TABLE"],
        Key={"recording": {"S": wanted["recording"]}},
        UpdateExpression=first["Parameters"]["UpdateExpression"],
        ExpressionAttributeValues={":token": {"S": token}, ":expires_at": {"N": wanted["expires_at"]}},
    )
    path = ["AwaitUpload"]
    while "Next" in states[path[-1]]:
        path.append(states[path[-1]]["Next"])
    run.uses("transition", len(path) + 1)  # and to the end
    return run.taken()


def _queue_event(body: str) -> Document:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    message = {"messageId": "1", "receiptHandle": "1", "body": body, "attributes": {}, "eventSource": "aws:sqs"}
    return {"Records": [message]}


# ─── The text ─────────────────────────────────────────────────────────────────────────────────────────────────────


def part(facts: Facts) -> Part:
    """Its recordings, with what their files' storage costs apart."""
    steps = facts.besides["eye4"]
    whole = sum((counted.usage for counted in steps.values()), Usage())
    now = Usage({name: number for name, number in whole.items() if name not in STORED})
    section = list(_section(facts, steps, now, whole.only(STORED)))
    return Part([("a thousand recordings of Eye4, without their storage", facts.usd(now) * 1_000)], section)


def _section(facts: Facts, steps: Mapping[str, Counted], now: Usage, kept: Usage) -> Iterator[str]:
    prices = facts.prices
    written = ", ".join(
        f"{step} {counted.usage['write_unit']:g}" for step, counted in steps.items() if counted.usage["write_unit"]
    )
    yield from ("## Eye4's recordings", "")
    yield from prose("""
        A thousand alarms, each with a recording of two files below 8 MiB and one message after its alarm; [the flow's
        page](eye4-flow.md#what-it-costs) has the other cases.
    """)
    yield from table(
        ["what", "for each recording", "US$ for a thousand"],
        [
            *(
                [prices.table[name].text, amount(name, number), f"{prices.of(name, number) * 1_000:.4f}"]
                for name, number in sorted(now.items(), key=lambda entry: -prices.of(*entry))
                if prices.of(name, number) * 1_000 >= 0.00005
            ),
            ["", "", f"**{facts.usd(now) * 1_000:.4f}**"],
        ],
    )
    yield from prose(f"""
        Of the write units: {written}. The alarm's own event, the relay and the logs are in it. Keeping the two files,
        1.56 MB together, for {facts.deployed.parameter("RetentionDays")} days costs ${dollars(facts.usd(kept) * 1_000)}
        for a thousand.
    """)
