"""One vendor cannot starve another: what each function, queue and route takes, and what a new account allows."""

from typing import Any, Final

import pytest

from ops import local
from tests.template import driver
from tests.template.stack import Document, Function, Stack, sam, translated

_STACK: Final = Stack(driver.parameters())
_FUNCTIONS: Final = _STACK.functions()
_PARAMETERS: Final[Document] = sam()["Parameters"]
_LONG: Final = 60
"""Seconds above which a function may take the account's concurrency by itself."""
_PER_ACCOUNT: Final = (10_000, 5_000)
"""Requests a second, and at once, of all APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

every_function = pytest.mark.parametrize("function", _FUNCTIONS, ids=lambda function: function.name)


def _setting(value: Any) -> Document:
    """The parameter that a value of the template is a reference to."""
    found: Document = _PARAMETERS[value["Ref"]]
    return found


def _as_written(function: Function) -> Document:
    found: Document = sam()["Resources"][function.name]["Properties"]
    return found


_RESERVING: Final = {
    setting: function.name
    for function in _FUNCTIONS
    if (setting := local.reservation(sam()["Resources"][function.name]))
}
"""The function of each setting that reserves something."""


# ─── Functions ────────────────────────────────────────────────────────────────────────────────────────────────────


@every_function
def test_a_queue_is_worked_off_by_no_more_than_is_set(function: Function) -> None:
    """B3: without it there are up to a thousand at once, and those of an outage run over what is just recovering.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    for event in _as_written(function).get("Events", {}).values():
        if event["Type"] == "SQS":
            setting = _setting(event["Properties"]["ScalingConfig"]["MaximumConcurrency"])
            # Bounds of Lambda's. The default is small, since a new account has a concurrency of ten for everything.
            assert (setting["MinValue"], setting["MaxValue"]) == (2, 1000)
            assert setting["Default"] <= 3


@every_function
def test_what_runs_for_long_runs_a_number_of_times_at_once_that_somebody_set(function: Function) -> None:
    """B3: a function of 13 minutes takes the account's whole concurrency, and then the doors get 5xx."""
    if function.properties["Timeout"] <= _LONG:
        return
    kinds = {event["Type"] for event in function.events.values()}
    if kinds == {"DynamoDB"}:  # one for each shard of the stream, where nothing else is asked for
        assert all("ParallelizationFactor" not in source for source in function.events_of("DynamoDB"))
    elif kinds == {"Schedule"}:
        (event,) = function.events_of("Schedule")
        minutes = int(event["Schedule"].removeprefix("rate(").removesuffix(" minutes)"))
        assert function.properties["Timeout"] <= minutes * 60
    else:
        assert _setting(_as_written(function)["ReservedConcurrentExecutions"]["Fn::If"][1])


def _held(kind: str, name: str, **settings: str) -> dict[str, Any]:
    """A property of the resources of a type that have it."""
    found = Stack({**driver.parameters(), **settings}).of_type(kind)
    return {logical_id: properties[name] for logical_id, properties in found.items() if name in properties}


def test_a_new_account_is_asked_for_no_reservation() -> None:
    """A reservation that leaves too little to others is refused, and the whole stack with it.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    assert len(_RESERVING) == 2
    assert _held("AWS::Lambda::Function", "ReservedConcurrentExecutions") == {}
    assert _held("AWS::Lambda::Alias", "ProvisionedConcurrencyConfig") == {}


@pytest.mark.parametrize(("setting", "function"), _RESERVING.items(), ids=list(_RESERVING))
def test_a_reservation_is_made_where_it_is_set(setting: str, function: str) -> None:
    assert _held("AWS::Lambda::Function", "ReservedConcurrentExecutions", **{setting: "7"}) == {function: "7"}


def test_a_door_is_kept_warm_where_that_is_set_by_the_alias_that_is_called() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html."""
    door = _RESERVING["DoorReservedConcurrency"]
    warmed = _held("AWS::Lambda::Alias", "ProvisionedConcurrencyConfig", DoorProvisionedConcurrency="2")
    assert warmed == {f"{door}Aliaslive": {"ProvisionedConcurrentExecutions": "2"}}


def test_the_stack_on_this_machine_has_the_reservations_that_the_template_has_and_no_others() -> None:
    """B3: a bound that only the emulator has hides that there is none on AWS."""
    assert local.reservations(translated(), {}) == {}
    counts = {setting: str(place) for place, setting in enumerate(_RESERVING, start=3)}
    expected = {function: int(counts[setting]) for setting, function in _RESERVING.items()}
    assert local.reservations(translated(), counts) == expected


# ─── Routes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _stage(**settings: str) -> Document:
    (found,) = Stack({**driver.parameters(), **settings}).of_type("AWS::ApiGatewayV2::Stage").values()
    return found


def _routes() -> set[str]:
    events = [event for function in _FUNCTIONS for event in function.events_of("HttpApi")]
    return {f"{event['Method']} {event['Path']}" for event in events}


def test_every_route_has_a_throttle_of_its_own() -> None:
    """B4: anybody who knows the host's name could have used up what there was for all, the doors' share too."""
    assert set(_stage()["RouteSettings"]) == _routes()


@pytest.mark.parametrize("traffic", _PARAMETERS["Traffic"]["AllowedValues"])
@pytest.mark.parametrize(("metrics", "counts"), [("no", False), ("yes", True)])
def test_a_route_says_all_that_it_does_not_inherit_and_in_numbers(traffic: str, metrics: str, *, counts: bool) -> None:
    """Text is what CloudFormation would leave of a parameter's number: to it, the map is JSON."""
    stage = _stage(Traffic=traffic, DetailedMetrics=metrics)
    for settings in (stage["DefaultRouteSettings"], *stage["RouteSettings"].values()):
        kinds = {name: type(value) for name, value in settings.items()}
        assert kinds == {"DetailedMetricsEnabled": bool, "ThrottlingRateLimit": int, "ThrottlingBurstLimit": int}
        assert settings["DetailedMetricsEnabled"] is counts


@pytest.mark.parametrize("traffic", _PARAMETERS["Traffic"]["AllowedValues"])
def test_all_routes_together_take_no_more_than_an_account_has(traffic: str) -> None:
    settings = _stage(Traffic=traffic)["RouteSettings"].values()
    rate, burst = _PER_ACCOUNT
    assert sum(route["ThrottlingRateLimit"] for route in settings) <= rate
    assert all(route["ThrottlingBurstLimit"] <= burst for route in settings)


def test_the_description_of_how_much_is_taken_has_the_numbers() -> None:
    for traffic in _PARAMETERS["Traffic"]["AllowedValues"]:
        (rate,) = {route["ThrottlingRateLimit"] for route in _stage(Traffic=traffic)["RouteSettings"].values()}
        (burst,) = {route["ThrottlingBurstLimit"] for route in _stage(Traffic=traffic)["RouteSettings"].values()}
        assert f"{rate:,}" in _PARAMETERS["Traffic"]["Description"]
        assert burst == 2 * rate


# ─── The API ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _warned_of(api: Document) -> list[str]:
    """Parameters that API Gateway's parser of OpenAPI may warn of: without schema and content.

    https://github.com/swagger-api/swagger-parser/pull/1647
    """
    return [
        f"{method} {path}: {parameter['name']}"
        for path, methods in api["Body"]["paths"].items()
        for method, operation in methods.items()
        for parameter in operation.get("parameters", [])
        if not {"schema", "content"} & set(parameter)
    ]


def test_no_warning_of_a_parser_that_is_aws_keeps_the_stack_from_being_made() -> None:
    """A1: with FailOnWarnings one warning is enough, and SAM writes path parameters that may be warned of.

    https://github.com/aws/serverless-application-model/issues/2297
    """
    for api in _STACK.of_type("AWS::ApiGatewayV2::Api").values():
        assert _warned_of(api), "what may be warned of is there, or else this test looks at nothing"
        assert not api.get("FailOnWarnings")


def test_the_apis_log_group_is_one_that_needs_no_place_in_the_accounts_policy() -> None:
    """A7: the policy for all others takes 5,120 characters, and the stage that does not fit in is not made.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
    """
    for stage in _STACK.of_type("AWS::ApiGatewayV2::Stage").values():
        group = _STACK.logical_id(stage["AccessLogSettings"]["DestinationArn"])
        assert _STACK.of_type("AWS::Logs::LogGroup")[group]["LogGroupName"] == "/aws/vendedlogs/gatehouse/api"
