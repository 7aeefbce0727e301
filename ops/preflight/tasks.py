"""Needs of ECS tasks beyond the stack: ECS's own role, an image, subnets and security groups."""

import re
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.preflight.asked import Account, Finding, Verdict
from ops.preflight.plan import Plan
from ops.shown import printable

_ROLE: Final = "AWSServiceRoleForECS"
_IMAGE: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[^:@\s]+)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))"
)
_NETWORKED: Final = ("AWS::ECS::Service", "AWS::Scheduler::Schedule")
_NO_IMAGE: Final = ("ImageNotFoundException", "RepositoryNotFoundException")
_NO_SUBNET: Final = ("InvalidSubnetID.NotFound", "InvalidSubnetId.Malformed", "InvalidSubnetID.Malformed")
_NO_GROUP: Final = ("InvalidGroup.NotFound", "InvalidGroupId.Malformed", "InvalidGroup.Malformed", "InvalidGroupId")


def role(account: Account, plan: Plan) -> Iterator[Finding]:
    """Checks that ECS's own role is there: an account's first cluster makes it, and may fail by not having it yet.

    https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/818
    """
    if not plan.of("AWS::ECS::Cluster"):
        return
    try:
        account.ask("iam", "get_role", "iam:GetRole", expected=("NoSuchEntity",), RoleName=_ROLE)
    except ClientError:
        yield Finding(
            "ecs-role",
            Verdict.STOP,
            f"{_ROLE} is missing, and the first cluster of an account may fail by it; make it once: "
            "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
        )
    else:
        yield Finding("ecs-role", Verdict.OK, f"{_ROLE} is there")


def images(account: Account, plan: Plan) -> Iterator[Finding]:
    """Checks that the images are where the settings say."""
    wanted = {
        container["Image"]: plan.setting_of(name, "ContainerDefinitions", number, "Image")
        for name, properties in plan.of("AWS::ECS::TaskDefinition").items()
        for number, container in enumerate(properties["ContainerDefinitions"])
    }
    for image, setting in sorted(wanted.items()):
        yield _image(account, image, setting)


def _image(account: Account, image: str, setting: str) -> Finding:
    name = "image"
    if not image:
        return Finding(name, Verdict.STOP, f"{setting} names no image; make push-image makes one, and says its name")
    parts = _IMAGE.fullmatch(image)
    if parts is None:
        return Finding(name, Verdict.LOOK, f"cannot be asked: {printable(image)} is in no registry of ECR")
    wanted = {"imageDigest": parts["digest"]} if parts["digest"] else {"imageTag": parts["tag"]}
    try:
        account.ask(
            "ecr",
            "describe_images",
            "ecr:DescribeImages",
            region=parts["region"],
            expected=_NO_IMAGE,
            registryId=parts["account"],
            repositoryName=parts["repository"],
            imageIds=[wanted],
        )
    except ClientError:
        return Finding(
            name, Verdict.STOP, f"{printable(image)} is not there: tasks would never start. make push-image puts it in"
        )
    if not parts["digest"]:
        return Finding(
            name, Verdict.LOOK, f"{printable(image)} is there; by its digest (@sha256:…) it would stay what was tried"
        )
    return Finding(name, Verdict.OK, f"{printable(image)} is there")


def network(account: Account, plan: Plan) -> Iterator[Finding]:
    """Checks that subnets and security groups are there, of one VPC, and have a way out."""
    seen = set()
    for name, path in _networks(plan):
        properties: Any = plan.of(*_NETWORKED)[name]
        for step in path:
            properties = properties[step]
        empty = [
            plan.setting_of(name, *path, each)
            for each in ("Subnets", "SecurityGroups")
            if not any(properties.get(each, []))
        ]
        subnets, groups = tuple(properties.get("Subnets", [])), tuple(properties.get("SecurityGroups", []))
        public = properties.get("AssignPublicIp") == "ENABLED"
        if (subnets, groups, public) in seen:
            continue
        seen.add((subnets, groups, public))
        if empty:
            yield Finding("network", Verdict.STOP, f"{' and '.join(empty)} is empty, and tasks need it")
        else:
            yield _network(account, subnets, groups, public=public)


def _networks(plan: Plan) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The resources with a network of tasks, and where in them it is."""
    for name in plan.of(_NETWORKED[0]):
        yield name, ("NetworkConfiguration", "AwsvpcConfiguration")
    for name, properties in plan.of(_NETWORKED[1]).items():
        if "NetworkConfiguration" in properties["Target"].get("EcsParameters", {}):
            yield name, ("Target", "EcsParameters", "NetworkConfiguration", "AwsvpcConfiguration")


def _network(account: Account, subnets: tuple[str, ...], groups: tuple[str, ...], *, public: bool) -> Finding:
    name = "network"
    try:
        found = account.ask(
            "ec2", "describe_subnets", "ec2:DescribeSubnets", expected=_NO_SUBNET, SubnetIds=list(subnets)
        )["Subnets"]  # fmt: skip
        guards = account.ask(
            "ec2", "describe_security_groups", "ec2:DescribeSecurityGroups", expected=_NO_GROUP, GroupIds=list(groups)
        )["SecurityGroups"]  # fmt: skip
    except ClientError as error:
        reason = printable(error.response["Error"]["Message"])
        return Finding(name, Verdict.STOP, f"not in this account and region: {reason}")
    networks = {each["VpcId"] for each in (*found, *guards)}
    if len(networks) > 1:
        return Finding(
            name, Verdict.STOP, f"subnets and security groups are of {len(networks)} VPCs, and have to be of one"
        )
    lost = [subnet for subnet in subnets if not public and _is_public(account, subnet, next(iter(networks)))]
    if lost:
        return Finding(
            name,
            Verdict.LOOK,
            f"{', '.join(lost)} leads out by an internet gateway, which serves public addresses alone: tasks without "
            "one reach nothing there. Give them one, or take a subnet with NAT, unless all is reached by endpoints",
        )
    return Finding(name, Verdict.OK, f"{len(found)} subnets and {len(guards)} security groups, of one VPC")


def _is_public(account: Account, subnet: str, vpc: str) -> bool:
    """Tells if a subnet's way out is an internet gateway; it has its own table of routes, or the VPC's."""
    own = [{"Name": "association.subnet-id", "Values": [subnet]}]
    main = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    for each in (own, main):
        found = account.ask("ec2", "describe_route_tables", "ec2:DescribeRouteTables", Filters=each)["RouteTables"]
        if found:
            return any(
                route.get("DestinationCidrBlock") == "0.0.0.0/0" and str(route.get("GatewayId", "")).startswith("igw-")
                for table in found
                for route in table["Routes"]
            )
    return False
