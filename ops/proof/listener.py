"""SenseLink's listener: its process against the stack, and the task on Fargate where there is what it needs."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from ops.proof import deploy
from ops.proof.report import NotProvedError, RefutedError, Report
from ops.proof.site import PATIENCE, Site
from ops.simulators import senselink
from ops.simulators.senselink import Server

_STARTS: Final = 600
"""Seconds in which a task on Fargate has started and connects."""


@dataclass(frozen=True, slots=True)
class Fargate:
    """What a listener on Fargate needs that a throwaway stack has not."""

    url: str | None
    """Where the simulated server is reached from Fargate: a tunnel that leads to `port` here."""
    port: int
    image: str | None
    subnets: str | None
    security_groups: str | None
    public_ip: bool

    @property
    def missing(self) -> list[str]:
        """The options that were not given."""
        given = {
            "--senselink-url": self.url,
            "--image": self.image,
            "--subnets": self.subnets,
            "--security-groups": self.security_groups,
        }
        return [option for option, value in given.items() if not value]

    @property
    def settings(self) -> Mapping[str, str]:
        """The template's parameters."""
        return {
            "SenselinkServers": "workshop",
            "SenselinkImage": self.image or "",
            "SenselinkSubnets": self.subnets or "",
            "SenselinkSecurityGroups": self.security_groups or "",
            "SenselinkPublicIp": "ENABLED" if self.public_ip else "DISABLED",
        }


def prove(report: Report, site: Site, fargate: Fargate) -> None:
    """What a server tells by its WebSocket arrives."""
    with (
        report.step("listener", "what the listener hears is stored and received; as a process here, not on Fargate"),
        Server(site.vendors["senselink"]).serving() as server,
        _listening(site, server),
    ):
        _hears(site, server, PATIENCE)
    with report.step("listener-fargate", "the listener's task on Fargate connects, and what it hears is received"):
        if fargate.missing:
            raise NotProvedError(f"needs {', '.join(fargate.missing)}")
        site.aws.needs_aws("an emulator starts no task")
        with Server(site.vendors["senselink"]).serving(fargate.port) as server:
            senselink.point_to(site, fargate.url or "", None)
            deploy.run_deploy(report, site.name, fargate.settings)
            _hears(site, server, _STARTS)


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
