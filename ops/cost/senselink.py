"""The cost of SenseLink beside its pushes: its listener, which runs whether anything comes or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from functions.senselink.health import Report
from ops.cost import Part
from ops.cost.document import Facts, Line, bill, idle, prose, total
from ops.cost.template import Deployed

_WITH_LISTENER: Final = {
    "SenselinkServers": "north",
    "SenselinkImage": "registry.example.com/gatehouse-listener:1",
    "SenselinkSubnets": "subnet-1",
    "SenselinkSecurityGroups": "sg-1",
}


def part(facts: Facts) -> Part:
    """The listener, by how it reaches the internet."""
    ways = listener(facts)
    return Part(
        summary=[(f"SenseLink's listener, one task {how}, a month", total(lines)) for how, lines in ways.items()],
        section=list(_section(ways)),
    )


def listener(facts: Facts) -> dict[str, list[Line]]:
    """The listener's further costs, by its way to the internet."""
    prices, hours = facts.prices, facts.hours
    deployed = Deployed(**_WITH_LISTENER)
    (task,) = deployed.of("AWS::ECS::TaskDefinition").values()
    processors, memory = int(task["Cpu"]) / 1024, int(task["Memory"]) / 1024
    alarms = total(idle(dataclasses.replace(facts, deployed=deployed))) - total(idle(facts))
    report = Report("north")
    gauges = len(report.take_metrics()) + 2  # DeafServers, MessagesNotRecorded
    common = [
        Line(
            f"a task of {processors:g} processor and {memory:g} GB",
            f"{hours:,.0f} h",
            prices.of("task_cpu_hour", processors * hours) + prices.of("task_gb_hour", memory * hours),
        ),
        Line("its metrics, for one server", f"{gauges}", prices.of("metric_month", gauges)),
        Line("its alarms", "", alarms),
    ]
    return {
        "with a public address": [
            *common,
            Line("a public IPv4 address", f"{hours:,.0f} h", prices.of("address_hour", hours)),
        ],
        "behind a NAT gateway of its own": [
            *common,
            Line(
                "a NAT gateway and its address",
                f"{hours:,.0f} h, and ${prices.of('nat_gb'):.3f} for each GB",
                prices.of("nat_hour", hours) + prices.of("address_hour", hours),
            ),
        ],
    }


def _section(ways: Mapping[str, Sequence[Line]]) -> Iterator[str]:
    yield from ("## The listener", "")
    for how, lines in ways.items():
        yield from (f"One task {how}:", "")
        yield from bill(lines)
    yield from prose("""
        A second task is a second task and address. A NAT gateway that is there already costs its GB alone, and
        endpoints of S3 and DynamoDB, which are free, take most of that off it. An event costs as a push does, without
        the API and without Lambda.
    """)
