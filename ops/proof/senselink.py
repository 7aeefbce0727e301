"""SenseLink's listener: its process against the stack, and the task on Fargate where there is what it needs."""

import argparse
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from ops.proof import deploy
from ops.proof.report import NotProvedError, RefutedError, Report, Step
from ops.proof.site import PATIENCE, Site
from ops.proof.watch import by_hand, verdict
from ops.simulators import senselink
from ops.simulators.senselink import Server
from ops.stack import resources

_STARTS: Final = 600
"""Seconds in which a task on Fargate has started and connects."""
_LOG: Final = {"mode": "non-blocking", "max-buffer-size": "25m"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options with what a listener on Fargate needs and a throwaway stack has not."""
    fargate = parser.add_argument_group("the listener on Fargate, which is not proved without these")
    fargate.add_argument(
        "--senselink-url",
        metavar="wss://…",
        help="where the simulated server is reached from Fargate: a tunnel of yours, which leads to --senselink-port",
    )
    fargate.add_argument("--senselink-port", type=int, default=9000, metavar="PORT", help="(%(default)s)")
    fargate.add_argument("--senselink-image", help="the listener's image, as `make push-image` names it")
    fargate.add_argument("--senselink-subnets", help="joined by commas")
    fargate.add_argument("--senselink-security-groups", help="joined by commas")
    fargate.add_argument("--senselink-public-ip", action="store_true", help="the subnets are public and have no NAT")


def prove(report: Report, site: Site, arguments: argparse.Namespace) -> None:
    """Proves that messages of a server's WebSocket arrive."""
    with (
        report.step("listener", "what the listener hears is stored and received; as a process here, not on Fargate"),
        Server(site.vendors["senselink"]).serving() as server,
        _listening(site, server),
    ):
        _hears(site, server, PATIENCE)
    with report.step("listener-fargate", "the listener's task on Fargate connects, and what it hears is received"):
        needed = ("senselink_url", "senselink_image", "senselink_subnets", "senselink_security_groups")
        if missing := [name for name in needed if not getattr(arguments, name)]:
            raise NotProvedError(f"needs {', '.join(f'--{name.replace("_", "-")}' for name in missing)}")
        site.aws.needs_aws("an emulator starts no task")
        with Server(site.vendors["senselink"]).serving(arguments.senselink_port) as server:
            senselink.point_to(site, arguments.senselink_url, None)
            deploy.run_deploy(report, site.name, _settings(arguments))
            _hears(site, server, _STARTS)
        # The server is gone again, and its listener deaf.
        site.causes["SenselinkDeafAlarm"] = "the simulated server has ended"


def _settings(arguments: argparse.Namespace) -> Mapping[str, str]:
    return {
        "SenselinkServers": "workshop",
        "SenselinkImage": arguments.senselink_image,
        "SenselinkSubnets": arguments.senselink_subnets,
        "SenselinkSecurityGroups": arguments.senselink_security_groups,
        "SenselinkPublicIp": "ENABLED" if arguments.senselink_public_ip else "DISABLED",
    }


def _listening(site: Site, server: Server) -> AbstractContextManager[Any]:
    senselink.point_to(site, server.url, server.api_url)
    return senselink.listening(site)


def _hears(site: Site, server: Server, patience: float) -> None:
    site.until(lambda: server.connections, "the listener is connected", patience)
    passed = server.happen(name="Ida Lund")

    def told() -> list[dict[str, Any]]:
        return site.events(
            lambda event: (
                event["data"]["vendor"] == "senselink"
                and event["data"].get("payload", {}).get("data", {}).get("id") == passed["id"]
            )
        )

    (event, *more) = site.until(told, "what passed is received")
    if more or event["data"]["account"] != "workshop":
        raise RefutedError(f"it is received {1 + len(more)} times, of the account {event['data']['account']}")
    site.until_stored(event["id"])


# ─── Claims to watch ─────────────────────────────────────────────────────────────────────────────────────────────────

by_hand(
    "W16",
    "the scheduler starts the task and hands on two roles",
    "needs SenselinkCatchUp, an image and a server",
)


@verdict("W2", "rules with a list among their parameters refuse")
def _rules(site: Site, report: Report, _: Step) -> None:
    site.aws.needs_aws("an emulator reads no Rules")
    if deploy.describe(site.aws, site.name, {}, site.folder).settings["SenselinkImage"]:
        raise NotProvedError("the listener on Fargate has an image by now")
    try:
        deploy.run_deploy(report, site.name, {"SenselinkServers": "front"}, "--no-execute-changeset")
    except RefutedError as error:
        if "SenselinkImage" not in str(error):
            raise
        return
    raise RefutedError("it was not refused")


@verdict("W31", "the listener is never held up by its log, and 25 MB of lines wait for CloudWatch")
def _log_mode(site: Site, report: Report, step: Step) -> None:
    report.figures("listener-fargate")
    task = resources(site.client("cloudformation"), site.name)["SenselinkTaskDefinition"].physical_id
    described = site.client("ecs").describe_task_definition(taskDefinition=task)["taskDefinition"]
    options = described["containerDefinitions"][0]["logConfiguration"].get("options", {})
    step.figures |= {name: options.get(name, "") for name in _LOG}
    if any(options.get(name) != value for name, value in _LOG.items()):
        raise RefutedError(f"it says {sorted(options.items())}")


@verdict("W32", "the listener's health check has the time it needs beside a backfill")
def _health(site: Site, report: Report, _: Step) -> None:
    report.figures("listener-fargate")
    ecs, made = site.client("ecs"), resources(site.client("cloudformation"), site.name)
    cluster, service = (made[name].physical_id for name in ("SenselinkCluster", "SenselinkService"))
    (described,) = ecs.describe_services(cluster=cluster, services=[service])["services"]
    if ill := [event["message"] for event in described["events"] if "unhealthy" in event["message"]]:
        raise RefutedError(ill[0])
    tasks = ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
    if not tasks:
        raise RefutedError("it has no task")
    states = {one["healthStatus"] for one in ecs.describe_tasks(cluster=cluster, tasks=tasks)["tasks"]}
    if states != {"HEALTHY"}:
        raise RefutedError(f"its tasks are {sorted(states)}")


@verdict("W38", "the listener's image is fetched by a role that may fetch from its repository alone")
def _image(_: Site, report: Report, __: Step) -> None:
    report.figures("listener-fargate")  # else no task had started
