"""The account's concurrency, against the demands of the settings."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.cost.prices import assumed
from ops.preflight.asked import Account, Finding, NotAskedError, Verdict
from ops.preflight.plan import Existing, Plan

QUOTA: Final = "L-B99A9384"
"""Concurrent executions: https://docs.aws.amazon.com/general/latest/gr/lambda-service.html"""
RATE_QUOTA: Final = "L-8A5B8E43"
"""Requests a second of all APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
_USUAL: Final = 1000
_UNRESERVED: Final = 100
"""Concurrency that Lambda keeps for the functions without a reservation; an account that has less keeps all of it.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html and, of accounts of 10 and of 50,
https://github.com/awslabs/fhir-works-on-aws-deployment/issues/691,
https://github.com/awslabs/amazon-neptune-tools/issues/324
"""


class Demand:
    """The settings' share of Lambda's concurrency."""

    def __init__(self, plan: Plan) -> None:
        self.reserved: dict[str, int] = {}
        """By logical id of the function."""
        self.warm: dict[str, int] = {}
        """Provisioned, likewise."""
        self.settings: dict[str, str] = {}
        """The settings of both, likewise."""
        for name, properties in plan.of("AWS::Lambda::Function").items():
            if "ReservedConcurrentExecutions" in properties:
                self.reserved[name] = int(float(properties["ReservedConcurrentExecutions"]))
                self.settings[name] = plan.setting_of(name, "ReservedConcurrentExecutions")
        for name, properties in plan.of("AWS::Lambda::Alias").items():
            if "ProvisionedConcurrencyConfig" in properties:
                warm = properties["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"]
                function = plan.written_reference(name, "FunctionName")
                self.warm[function] = int(float(warm))
                setting = plan.setting_of(name, "ProvisionedConcurrencyConfig")
                self.settings[function] = ", ".join(filter(None, (self.settings.get(function), setting)))
        self.pollers = sum(
            int(float(properties.get("ScalingConfig", {}).get("MaximumConcurrency", 1)))
            for properties in plan.of("AWS::Lambda::EventSourceMapping").values()
        )
        """At once from queues and streams."""
        self.rates = {
            key: float(route["ThrottlingRateLimit"])
            for stage in plan.of("AWS::ApiGatewayV2::Stage").values()
            for key, route in stage.get("RouteSettings", {}).items()
        }
        """Requests a second of each route."""
        self.let_in: Counter[str] = Counter()
        """Requests a second for each function, by logical id."""
        for key, function in _behind(plan):
            self.let_in[function] += math.ceil(self.rates.get(key, 0))
        self.pushes = _at_once(rate for function, rate in self.let_in.items() if function not in self.reserved)
        """At once without a reservation, if every route gets what it takes."""

    @property
    def taken(self) -> int:
        """The part that is taken for good: reservations, and what is warm beyond them."""
        return sum(self.reserved.values()) + sum(
            warm for function, warm in self.warm.items() if function not in self.reserved
        )

    @property
    def shared(self) -> int:
        """The demand on the part that is not reserved."""
        return self.pushes + self.pollers


def _at_once(rates: Iterable[float]) -> int:
    """The number of requests in hand at once: rate times duration."""
    return math.ceil(sum(rates) * assumed()["push_seconds"].value)


def _behind(plan: Plan) -> Iterator[tuple[str, str]]:
    """The routes, and the function behind each."""
    functions = {alias: plan.written_reference(alias, "FunctionName") for alias in plan.of("AWS::Lambda::Alias")}
    for api in plan.of("AWS::ApiGatewayV2::Api"):
        for path, methods in plan.written(api)["Body"]["paths"].items():
            for method, operation in methods.items():
                uri = str(operation["x-amazon-apigateway-integration"]["uri"])
                for alias, function in functions.items():
                    if f"${{{alias}}}" in uri:
                        yield f"{method.upper()} {path}", function


def concurrency(account: Account, plan: Plan) -> Iterator[Finding]:
    """Checks that Lambda takes the reservations, and that the rest is enough for what the routes let in."""
    name = "lambda-concurrency"
    limit, free = account.concurrency
    demand = Demand(plan)
    free += _held(account, plan, demand)
    kept = min(_UNRESERVED, limit)
    for function, warm in demand.warm.items():
        if function in demand.reserved and warm > demand.reserved[function]:
            yield Finding(
                name,
                Verdict.STOP,
                f"{warm} are to be kept warm of {demand.reserved[function]} that are reserved, which Lambda refuses: "
                f"set {demand.settings[function]} the other way round",
            )
            return
    if demand.taken and demand.taken > free - kept:
        settings = ", ".join(f"{each}" for each in dict.fromkeys(demand.settings.values()))
        wanted = max(_USUAL, limit - free + demand.taken + kept + demand.shared)
        yield Finding(
            name,
            Verdict.STOP,
            f"{settings}: they would take {demand.taken}, and of {free} unreserved {kept} have to stay so. Lambda "
            f"refuses more than {max(0, free - kept)}: set less, or {_ask_for(wanted)}",
        )
        return
    for function, reserved in demand.reserved.items():
        wanted = _at_once([demand.let_in[function]])
        if reserved < wanted:
            yield Finding(
                "lambda-reservation",
                Verdict.LOOK,
                f"{plan.setting_of(function, 'ReservedConcurrentExecutions')}={reserved} is the most that there is, "
                f"too: its routes let in {demand.let_in[function]} a second, about {wanted} at once, and what is "
                "beyond is throttled",
            )
    left = free - demand.taken
    if left < demand.shared:
        wanted = max(_USUAL, limit - left + demand.shared)
        yield Finding(
            name,
            Verdict.LOOK,
            f"the account runs {limit} at once and has {left} for all functions without a reservation; the routes "
            f"let in {sum(demand.rates.values()):g} a second, about {demand.pushes} at once, and queues and the stream "
            f"take {demand.pollers}: beyond that vendors get 5xx, and doors no answer. Before vendors are "
            f"pointed here {_ask_for(wanted)}{_pending(account, limit)}",
        )
        return
    yield Finding(
        name,
        Verdict.OK,
        f"the account runs {limit} at once; {left} are left for about {demand.shared}, and {demand.taken} are reserved",
    )


def alarm(account: Account, plan: Plan) -> Iterator[Finding]:
    """Checks that the alarm on the account's concurrency goes by what the account has."""
    (limit, _free), alarmed_at = account.concurrency, int(float(plan.settings["AccountConcurrency"]))
    if limit != alarmed_at:
        yield Finding(
            "account-concurrency",
            Verdict.LOOK,
            f"the account runs {limit} at once, and its alarm goes by {alarmed_at}: set AccountConcurrency={limit}",
        )


def _held(account: Account, plan: Plan, demand: Demand) -> int:
    """The concurrency that the stack has reserved already, if there is one."""
    held = 0
    for function in demand.reserved if plan.existing is Existing.DEPLOYED else ():
        try:
            found = account.ask(
                "cloudformation",
                "describe_stack_resource",
                "cloudformation:DescribeStackResource",
                expected=("ValidationError",),
                StackName=plan.stack,
                LogicalResourceId=function,
            )["StackResourceDetail"]["PhysicalResourceId"]
            answer = account.ask(
                "lambda",
                "get_function_concurrency",
                "lambda:GetFunctionConcurrency",
                expected=("ResourceNotFoundException",),
                FunctionName=found,
            )
        except ClientError:
            continue
        held += int(answer.get("ReservedConcurrentExecutions", 0))
    return held


def _ask_for(wanted: int) -> str:
    return (
        "ask for more: aws service-quotas request-service-quota-increase --service-code lambda "
        f"--quota-code {QUOTA} --desired-value {math.ceil(wanted / 100) * 100}"
    )


def _pending(account: Account, limit: int) -> str:
    """The figure of Service Quotas; it may show the usual number where Lambda itself has less."""
    findings = []
    try:
        quota = account.ask(
            "service-quotas", "get_service_quota", "servicequotas:GetServiceQuota",
            ServiceCode="lambda", QuotaCode=QUOTA,
        )["Quota"]["Value"]  # fmt: skip
        if int(quota) != limit:
            findings.append(
                f"Service Quotas shows {int(quota)}, and Lambda {limit}, which counts: if it refuses, ask AWS Support"
            )
        asked: list[dict[str, Any]] = account.ask(
            "service-quotas", "list_requested_service_quota_change_history_by_quota",
            "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota", ServiceCode="lambda", QuotaCode=QUOTA,
        )["RequestedQuotas"]  # fmt: skip
        findings += [
            f"{int(each['DesiredValue'])} were asked for already"
            for each in asked
            if each["Status"] in {"PENDING", "CASE_OPENED"}
        ]
    except NotAskedError as refused:
        findings.append(f"quota: {refused}")
    return f" ({'; '.join(findings)})" if findings else ""


def throttle(account: Account, plan: Plan) -> Iterator[Finding]:
    """Checks that all routes together may take what each is let take."""
    answer = account.ask("apigateway", "get_account", "apigateway:GET")
    limits = answer.get("throttleSettings", {})
    if "rateLimit" not in limits:
        raise NotAskedError("cannot be asked: apigateway:GET (no throttleSettings)")
    rate, total = float(limits["rateLimit"]), sum(Demand(plan).rates.values())
    if total > rate:
        yield Finding(
            "api-throttle",
            Verdict.LOOK,
            f"the routes take {total:g} requests a second together, and all APIs of the account {rate:g}: a flood on "
            "one route takes from the others. Take a lower Traffic, or ask for more: aws service-quotas "
            f"request-service-quota-increase --service-code apigateway --quota-code {RATE_QUOTA} "
            f"--desired-value {math.ceil(total)}",
        )
        return
    yield Finding(
        "api-throttle",
        Verdict.OK,
        f"the routes take {total:g} requests a second together, and all APIs of the account {rate:g}",
    )
