"""The text of docs/cost.md, made of what was counted, assumed and priced."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import mean
from typing import Final

from gatehouse.accounts import MAX_AGE, MIN_AGE
from gatehouse.errors import Reason
from gatehouse.telemetry import Count
from ops.cost import Measured, Part, units, vendors
from ops.cost.count import GB, Counted, Push, Run, access_line
from ops.cost.prices import Assumption, Prices, Usage
from ops.cost.template import Deployed, Document

MILLION: Final = 1_000_000
HOUR: Final = 3_600
STORED: Final = frozenset({"table_gb_month", "recovery_gb_month", "bucket_gb_month", "log_gb_month"})
"""Prices that are paid for as long as something is kept."""
_MODES: Final = ("inline", "stream")
_ROUTE_METRICS: Final = ("4xx", "5xx", "Count", "DataProcessed", "IntegrationLatency", "Latency")
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html"""
_POLL: Final = 20
"""Seconds that Lambda's pollers wait for a message at most."""
_KEY_REUSED: Final = 300
"""Seconds for which SNS uses a data key: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html"""
_TIER: Final = 300 * MILLION


@dataclass(frozen=True)
class Facts:
    """All that the document is made of."""

    prices: Prices
    assumed: Mapping[str, Assumption]
    deployed: Deployed
    pushes: Sequence[Push]
    rejected: Mapping[str, Counted]
    sweep: Counted
    besides: Mapping[str, Mapping[str, Counted]]
    """The work of vendors' functions beside their pushes, by vendor and by step."""

    def usd(self, usage: Mapping[str, float]) -> float:
        """US$ for what was used."""
        return self.prices.usd(usage)

    @property
    def hours(self) -> float:
        """Hours of a month."""
        return self.assumed["keeper_hours"].value


def gathered(prices: Prices, assumed: Mapping[str, Assumption]) -> Facts:
    """The facts of today's code and template."""
    deployed = Deployed()
    run = Run(deployed, assumed)
    pushes = [push for mode in _MODES for push in run.pushes(mode)]
    besides = {name: vendor.measured(run) for name, vendor in vendors().items() if isinstance(vendor, Measured)}
    return Facts(prices, assumed, deployed, pushes, run.rejected(), run.sweep(), besides)


# ─── Sums ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a bill."""

    text: str
    number: str
    usd: float


def idle(facts: Facts) -> list[Line]:
    """A month in which nothing comes."""
    deployed, prices = facts.deployed, facts.prices
    secrets = deployed.number("AWS::SecretsManager::Secret")
    keys = deployed.number("AWS::KMS::Key")
    alarms = deployed.of("AWS::CloudWatch::Alarm")
    metrics = sum(alarm_metrics(alarm) for alarm in alarms.values())
    dashboards = deployed.number("AWS::CloudWatch::Dashboard")
    queues = sum(
        ":sqs:" in source["EventSourceArn"] for source in deployed.of("AWS::Lambda::EventSourceMapping").values()
    )
    polls = queues * facts.assumed["pollers"].value * facts.hours * HOUR / _POLL
    runs = facts.hours * HOUR / sum(map(_every, deployed.of("AWS::Events::Rule").values()))
    sweeps = facts.sweep.usage.times(runs)
    return [
        Line("secrets", f"{secrets}", prices.of("secret_month", secrets)),
        Line("the topics' key", f"{keys}", prices.of("key_month", keys)),
        Line("alarms", f"{len(alarms)} with {metrics} metrics", prices.of("alarm_metric_month", metrics)),
        Line("dashboards", f"{dashboards}", prices.of("dashboard_month", dashboards)),
        Line("pollers of the queues", f"{queues} queues, {polls:,.0f} requests", prices.of("queue_request", polls)),
        Line("sweeps that find nothing", f"{runs:,.0f}", facts.usd(sweeps)),
    ]


def alarm_metrics(alarm: Document) -> int:
    """The metrics that an alarm is billed for."""
    if "Metrics" not in alarm:
        return 1
    return sum("MetricStat" in metric for metric in alarm["Metrics"])


def _every(rule: Document) -> float:
    """Seconds from one run of a schedule to the next."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", rule["ScheduleExpression"])
    if found is None:
        raise NotImplementedError(f"{rule['ScheduleExpression']}: say in ops/cost/document.py how often that is")
    return int(found[1]) * {"minute": 60, "hour": HOUR, "day": 24 * HOUR}[found[2]]


def traffic(facts: Facts) -> list[Line]:
    """The cost that comes with any traffic, however little."""
    prices, assumed = facts.prices, facts.assumed
    vendors = len(list(facts.deployed.vendors()))
    reads = vendors * assumed["sandboxes"].value * facts.hours * HOUR / MAX_AGE
    metrics = {metric for push in facts.pushes for metric in push.own.metrics if push.mode == "inline"}
    pairs = {pair for push in facts.pushes for pair in push.own.published | push.relay.published}
    keys = len(pairs) * 2 * facts.hours * HOUR / _KEY_REUSED
    return [
        Line("own metrics, all vendors well", f"{len(metrics)}", prices.of("metric_month", len(metrics))),
        Line("reading the secrets", f"{reads:,.0f} calls", prices.of("secret_call", reads)),
        Line(
            "keys of the topics' messages, at most",
            f"{keys:,.0f} requests: {len(pairs)} pairs of a function and a topic, 2 each five minutes",
            prices.of("key_request", keys),
        ),
    ]


def bound_of_metrics(vendors: int) -> int:
    """Own metrics at most: everything that can be counted by each vendor, and what is rejected by each reason too."""
    return vendors * (len(Count) + len(Reason))


@dataclass(frozen=True)
class Flood:
    """Pushes at the limit of all routes, for some time."""

    rate: float
    """A second."""
    lines: Sequence[Line]

    @property
    def usd(self) -> float:
        """US$ for all of it."""
        return sum(line.usd for line in self.lines)


def flood(facts: Facts, seconds: float, size: str) -> Flood:
    """Pushes of strangers on every route, as many as the gateway lets through."""
    deployed = Deployed(Traffic=size)
    used = Usage()
    rate = reads = 0.0
    for route, limit in limits(deployed).items():
        vendor = route.split("/")[2]
        rate += limit
        used += facts.rejected[vendor].usage.times(limit * seconds)
        sandboxes = ceil(limit * facts.assumed["rejected_seconds"].value)
        reads += sandboxes * seconds / MIN_AGE
    requests = used.pop("api_request")
    api = facts.prices.of("api_request", min(requests, _TIER)) + facts.prices.of(
        "api_request_above_300_million", max(requests - _TIER, 0)
    )
    functions = {name: number for name, number in used.items() if name.startswith("lambda")}
    logs = {name: number for name, number in used.items() if name.startswith("log")}
    rest = {name: number for name, number in used.items() if name not in functions | logs}
    return Flood(
        rate,
        [
            Line("the API's requests", f"{requests:,.0f}", api),
            Line("Lambda", "", facts.usd(functions)),
            Line("logs", "", facts.usd(logs)),
            Line("answers", "", facts.usd(rest)),
            Line("reading the secrets again", f"{reads:,.0f}", facts.prices.of("secret_call", reads)),
        ],
    )


def limits(deployed: Deployed) -> dict[str, float]:
    """Requests a second that each route takes."""
    (stage,) = deployed.of("AWS::ApiGatewayV2::Stage").values()
    common = stage["DefaultRouteSettings"]
    own = stage.get("RouteSettings", {})
    return {route: float(own.get(route, common)["ThrottlingRateLimit"]) for route in routes(deployed)}


def routes(deployed: Deployed) -> list[str]:
    """The API's routes."""
    (api,) = deployed.of("AWS::ApiGatewayV2::Api").values()
    return [f"{method.upper()} {path}" for path, methods in api["Body"]["paths"].items() for method in methods]


def averaged(pushes: Iterable[Push]) -> Usage:
    """The usage of a push, averaged over some samples."""
    taken = list(pushes)
    names = {name for push in taken for name in push.usage}
    return Usage({name: mean(push.usage[name] for push in taken) for name in names})


def sized(facts: Facts, size: int) -> tuple[int, float]:
    """Write and read units of an event of so many bytes, from its record to its mark and the relay's look."""
    deployed = facts.deployed
    record = max((record for push in facts.pushes for record in push.own.records), key=len)
    item = {**record, "event": {"S": "x" * size}}
    index = deployed.of("AWS::DynamoDB::Table")["EventsTable"]["GlobalSecondaryIndexes"]
    indexes = [units.Index((*(part["AttributeName"] for part in entry["KeySchema"]), "id")) for entry in index]
    marked = {name: value for name, value in item.items() if name != "pending"} | {
        "delivery": {"S": "published"},
        "published_at": item["recorded_at"],
    }
    written = units.write_units(None, item, indexes) + units.write_units(item, marked, indexes)
    return written, units.read_units(units.item_size(marked), consistent=True)


# ─── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def rendered(facts: Facts) -> str:
    """docs/cost.md."""
    parts = [vendor.part(facts) for vendor in vendors().values()]
    lines = (
        *_summary(facts, parts),
        *_quiet(facts),
        *_million(facts),
        *_sizes(facts),
        *(line for vendor in parts for line in vendor.section),
        *_switches(facts, parts),
        *_flooded(facts),
        *_assumed(facts),
        *_prices(facts),
    )
    return "\n".join(lines).rstrip() + "\n"


def _summary(facts: Facts, parts: Sequence[Part]) -> Iterator[str]:
    pushing = sorted({push.vendor for push in facts.pushes})
    millions = {
        (vendor, mode): facts.usd(averaged(_of(facts, vendor, mode))) * MILLION for vendor in pushing for mode in _MODES
    }
    yield from (
        "# What it costs",
        "",
        "<!-- Made by `make cost`, and a test says when it is stale. Change ops/cost and not this file. -->",
        "",
    )
    yield from prose(f"""
        US$, list prices of {facts.prices.region} on {facts.prices.date}, without free tiers, taxes and what
        subscribers pay. `make cost` runs the real handlers on the samples in `events/`, counts their calls to AWS,
        and measures items, messages and log lines as AWS does; resources are counted in the translated template with
        its defaults. What is assumed, durations above all, stands [in one table](#what-is-assumed): nothing was
        measured on AWS yet. Other regions cost up to about a third more.
    """)
    yield from table(
        ["", "US$"],
        [
            ["a month in which nothing comes", dollars(total(idle(facts)))],
            ["what comes with any traffic at all, a month", dollars(total(traffic(facts)))],
            *(
                [f"a million pushes in mode `{mode}`, with the storage of what they leave", _span(millions, mode)]
                for mode in _MODES
            ),
            *([what, dollars(usd)] for vendor in parts for what, usd in vendor.summary),
        ],
    )


def _quiet(facts: Facts) -> Iterator[str]:
    vendors = len(list(facts.deployed.vendors()))
    most = bound_of_metrics(vendors)
    yield from ("## A month in which nothing comes", "")
    yield from bill(idle(facts))
    yield from prose("""
        A key's first two yearly rotations add $1 a month each. An alarm is billed for each metric in it; what exists
        only with a setting is not in here. With any traffic at all come:
    """)
    yield from bill(traffic(facts))
    yield from prose(f"""
        A metric is billed for the hours in which it has a value. If all is counted that can be, with every reason for a
        rejection, there are {most} of them at most, ${dollars(facts.prices.of("metric_month", most))} a month, and one
        more for each sender whose messages are redone.
    """)


def _million(facts: Facts) -> Iterator[str]:
    prices = facts.prices
    retention, logs = facts.deployed.parameter("RetentionDays"), facts.deployed.parameter("LogRetentionDays")
    pushing = sorted({push.vendor for push in facts.pushes})
    yield from ("## A million pushes", "")
    yield from prose(
        "On average over each vendor's samples, whose pictures are tiny; [real ones](#what-size-does) come on top."
    )
    yield from table(
        [
            "vendor",
            "mode",
            "write units",
            "read units",
            "publishes",
            "PUTs",
            "log, KB",
            "requests, US$",
            "storage, US$",
        ],
        [_row(facts, vendor, mode) for vendor in pushing for mode in _MODES],
    )
    yield from prose(f"""
        Storage is what a month's million takes until it expires: {retention} days for events and pictures
        (`RetentionDays`), with point-in-time recovery, and {logs} for logs (`LogRetentionDays`). Once so many days
        have passed, that much is paid every month. The average push of all vendors in mode `inline`:
    """)
    whole = averaged(push for push in facts.pushes if push.mode == "inline")
    yield from table(
        ["what", "for each push", "US$ for a million"],
        [
            [prices.table[name].text, amount(name, number), dollars(prices.of(name, number) * MILLION)]
            for name, number in sorted(whole.items(), key=lambda entry: -prices.of(*entry))
            if prices.of(name, number) * MILLION >= 0.005
        ],
    )
    yield from prose("""
        Free are deliveries from SNS to queues, functions and Firehose of the same region, Lambda's reading of the
        table's stream, what TTL deletes, and data that comes in. A push that comes again costs a conditional write
        that fails, of its item's size, and no storage. What is spilled costs three requests of SQS, and its writes
        when it is redone.
    """)


def _sizes(facts: Facts) -> Iterator[str]:
    prices = facts.prices
    retention = float(facts.deployed.parameter("RetentionDays"))
    yield from ("## What size does", "")
    yield from table(
        ["event", "write units", "read units, mode `inline`", "both, US$ for a million"],
        [
            [
                f"{size} KB",
                f"{written}",
                f"{read:g}",
                dollars((prices.of("write_unit", written) + prices.of("read_unit", read)) * MILLION),
            ]
            for size in (1, 2, 4, 8, 16, 64, 200)
            for written, read in [sized(facts, size * 1_000)]
        ],
    )
    picture = facts.assumed["picture_bytes"].value
    kept = picture / GB * retention * 24 / facts.hours
    yield from prose(f"""
        Each KB is written twice, with the record and with its mark; the indexes have keys alone. A publish counts as
        one for each 64 KB begun. A picture of {picture / 1_000:.0f} KB costs a PUT and its storage, for a million
        ${dollars(prices.of("put") * MILLION)} and ${dollars(prices.of("bucket_gb_month", kept) * MILLION)} for
        {retention:.0f} days; a push of more than 512 KB, as base64, is several requests of the API.
    """)


def _switches(facts: Facts, parts: Sequence[Part]) -> Iterator[str]:
    prices = facts.prices
    ways = len(routes(facts.deployed))
    by_route = prices.of("metric_month", ways * len(_ROUTE_METRICS))
    yield from ("## What can be switched on", "")
    yield from table(
        ["setting", "", "US$ a month"],
        [
            [
                "`DetailedMetrics`",
                f"{len(_ROUTE_METRICS)} metrics for each of {ways} routes with traffic",
                dollars(by_route),
            ],
            *([setting, what, dollars(usd)] for vendor in parts for setting, what, usd in vendor.switches),
            ["", "each dashboard, beyond the account's first three", dollars(prices.of("dashboard_month"))],
        ],
    )


def _flooded(facts: Facts) -> Iterator[str]:
    day, month = 24 * HOUR, facts.hours * HOUR
    default = facts.deployed.parameter("Traffic")
    yield from ("## A flood", "")
    yield from prose("""
        Pushes of strangers on all routes at once, as many as `Traffic` lets through: turned away by our functions,
        nothing stored.
    """)
    yield from table(
        ["`Traffic`", "requests a second", "a day, US$", "a month, US$"],
        [
            [
                f"`{size}`",
                f"{flood(facts, day, size).rate:,.0f}",
                *(dollars(flood(facts, span, size).usd) for span in (day, month)),
            ]
            for size in facts.deployed.allowed("Traffic")
        ],
    )
    yield from (f"A month of it with `{default}`, the default:", "")
    yield from bill(flood(facts, month, default).lines)
    worst, route = max(
        (limit * day * facts.usd(averaged(_of(facts, route.split("/")[2], "inline"))), route)
        for route, limit in limits(facts.deployed).items()
    )
    line = len(access_line(facts.deployed, route)) + facts.assumed["line_bytes"].value
    unseen = facts.usd({"log_gb": line / GB}) * MILLION
    yield from prose(f"""
        What bounds it: the gateway's limit on each route, beyond which it answers 429, and AWS bills [no throttled
        request](https://repost.aws/questions/QUm1jSF1ieSQ25Ol1RzFLysA/does-aws-charge-for-throttled-requests); the
        account's concurrency of Lambda; that a function reads its secret every {MIN_AGE:.0f} s at most, however
        many pushes fail; and that nothing of a stranger's push is kept. What makes it dearer are large bodies: the
        API takes 10 MB, and bills one as twenty requests. Whether the access log has a line for a throttled request
        no page says: if it has, a million of them costs some ${dollars(unseen)}, and nothing of ours bounds these.
    """)
    yield from prose(f"""
        Somebody with a credential, or a device gone mad, costs more, since each push is kept: at the limit of
        `{route}` ${dollars(worst)} a day with `{default}`, storage included. Nothing but the limit bounds that. The
        metric `Recorded` tells within minutes, the bill within a day.
    """)
    yield from ("### A budget", "")
    yield from (
        '    make budget ARGS="--parameter-overrides MonthlyBudget=50 Email=you@example.com"',
        "",
    )
    yield from prose("""
        has AWS write when 80 % of it is spent, and when it forecasts more than all of it. It is the account's budget
        and not the stack's: AWS knows what a stack costs by cost allocation tags alone, which somebody has to
        activate. It is no brake either: AWS updates what was spent [up to three times a
        day](https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-managing-costs.html). Budgets
        without actions cost nothing. [ops/budget.yaml](../ops/budget.yaml) is a stack of its own, for [a
        reason](decisions/0018-budget-logs-versions.md); GovCloud has no budgets: there it is that of the commercial
        account beside it.
    """)


def _assumed(facts: Facts) -> Iterator[str]:
    yield from ("## What is assumed", "", "In `ops/cost/assumed.toml`:", "")
    yield from table(["what", "is"], [[entry.text, f"{entry.value:,g}"] for entry in facts.assumed.values()])


def _prices(facts: Facts) -> Iterator[str]:
    yield from ("## Prices", "")
    yield from prose(f"""
        In `ops/cost/prices.toml`, of {facts.prices.region}, looked up on {facts.prices.date} in stored copies of
        these pages; ¹ from memory, on no page at hand.
    """)
    yield from table(
        ["what", "US$", "page"],
        [
            [f"{price.text}{' ¹' if price.remembered else ''}", _price(price.usd, price.per), f"<{price.page}>"]
            for price in facts.prices.table.values()
        ],
    )


def _row(facts: Facts, vendor: str, mode: str) -> list[str]:
    usage = averaged(_of(facts, vendor, mode))
    now = {name: number for name, number in usage.items() if name not in STORED}
    kept = {name: number for name, number in usage.items() if name in STORED}
    counts = (f"{usage[name]:.1f}" for name in ("write_unit", "read_unit", "publish", "put"))
    log = f"{usage['log_gb'] * GB / 1_000:.1f}"
    return [vendor, f"`{mode}`", *counts, log, dollars(facts.usd(now) * MILLION), dollars(facts.usd(kept) * MILLION)]


def _of(facts: Facts, vendor: str, mode: str) -> list[Push]:
    return [push for push in facts.pushes if push.vendor == vendor and push.mode == mode]


def _span(millions: Mapping[tuple[str, str], float], mode: str) -> str:
    found = {usd: vendor for (vendor, of), usd in millions.items() if of == mode}
    least, most = min(found), max(found)
    return f"{dollars(least)} ({found[least]}) to {dollars(most)} ({found[most]})"


def total(lines: Iterable[Line]) -> float:
    """US$ for all lines."""
    return sum(line.usd for line in lines)


def bill(lines: Sequence[Line]) -> Iterator[str]:
    """A table of lines and their total."""
    rows = [[line.text, line.number, dollars(line.usd)] for line in lines]
    yield from table(["what", "how many", "US$"], [*rows, ["", "", f"**{dollars(total(lines))}**"]])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table's lines, and an empty one."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def prose(text: str) -> Iterator[str]:
    """A paragraph's lines, wrapped anew, and an empty one."""
    yield from textwrap.wrap(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)
    yield ""


def amount(name: str, number: float) -> str:
    """Amounts of everything that has a price."""
    if name.endswith(("gb", "gb_month")):
        return f"{number * GB / 1_000:,.2f} KB" + (" for a month" if name.endswith("month") else "")
    return f"{number:,.3g}"


def dollars(usd: float) -> str:
    """US$ as a table has them."""
    return f"{usd:,.0f}" if usd >= 1_000 else f"{usd:.2f}"


def _price(usd: float, per: int) -> str:
    number = f"{usd:.10f}".rstrip("0")
    return f"{number}{'0' * max(0, 2 - len(number.partition('.')[2]))}" + (f" for {per:,}" if per > 1 else "")
