"""Checks that the alarms reach the operator: the topic is there, and lets CloudWatch in, as its key does."""

import json
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.preflight.asked import Account, Finding, NotAskedError, Verdict
from ops.preflight.plan import Plan
from ops.shown import printable

_SERVICE: Final = "cloudwatch.amazonaws.com"
_NEEDED: Final = ("kms:Decrypt", "kms:GenerateDataKey")
_PARTS: Final = 6  # arn, partition, service, region, account, name
_NO_TOPIC: Final = ("NotFound", "NotFoundException", "InvalidParameter")


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Says of each topic that alarms go to whether they arrive.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    """
    if plan.settings["OperatorEmail"]:
        # The topic is the stack's own, and there is none yet to be asked.
        yield Finding(
            "operator-topic", Verdict.OK, "alarms are mailed, once AWS's own mail to OperatorEmail is answered"
        )
        return
    topics = {arn for each in plan.of("AWS::CloudWatch::Alarm").values() for arn in each.get("AlarmActions", [])}
    if not topics:
        yield Finding(
            "operator-topic",
            Verdict.LOOK,
            "alarms go nowhere: set OperatorEmail, or OperatorTopicArn to a topic of your own",
        )
    for arn in sorted(topics):
        yield _topic(account, arn)


def _topic(account: Account, arn: str) -> Finding:
    name = "operator-topic"
    parts = arn.split(":")
    if len(parts) != _PARTS or parts[3] != account.region:
        return Finding(
            name, Verdict.STOP, f"{printable(arn)} is no topic in {account.region}, and alarms reach no other"
        )
    try:
        attributes = account.ask(
            "sns", "get_topic_attributes", "sns:GetTopicAttributes", expected=_NO_TOPIC, TopicArn=arn
        )["Attributes"]  # fmt: skip
    except ClientError:
        return Finding(name, Verdict.STOP, f"there is no topic {printable(arn)}: no alarm would arrive")
    if not _lets_in(json.loads(attributes.get("Policy", "{}")), ("sns:Publish",), parts[4]):
        return Finding(
            name,
            Verdict.LOOK,
            f"the policy of {printable(arn)} does not seem to let {_SERVICE} publish: allow it sns:Publish",
        )
    key = attributes.get("KmsMasterKeyId", "")
    if key and (fault := _key(account, key)) is not None:
        return fault
    if not int(attributes.get("SubscriptionsConfirmed", 0)):
        return Finding(name, Verdict.LOOK, f"nobody has confirmed a subscription of {printable(arn)} yet")
    return Finding(name, Verdict.OK, f"alarms go to {printable(arn)}")


def _key(account: Account, key: str) -> Finding | None:
    """The fault of a topic's key: CloudWatch has to be let in by the key's own policy.

    https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
    """
    name = "operator-topic"
    aws_own = Finding(
        name,
        Verdict.STOP,
        "the topic has AWS's own key alias/aws/sns, which CloudWatch may not use: no alarm would arrive. Give it a key "
        "of yours, or none",
    )
    if key.endswith("alias/aws/sns"):
        return aws_own
    try:
        described = account.ask("kms", "describe_key", "kms:DescribeKey", KeyId=key)["KeyMetadata"]
        if described.get("KeyManager") == "AWS":
            return aws_own
        if described.get("KeyState", "Enabled") != "Enabled":
            return Finding(
                name, Verdict.STOP, f"the key of the topic is {described['KeyState']}: no alarm would arrive"
            )
        policy = account.ask(
            "kms", "get_key_policy", "kms:GetKeyPolicy", KeyId=described["KeyId"], PolicyName="default"
        )["Policy"]  # fmt: skip
    except NotAskedError as refused:
        return Finding(name, Verdict.LOOK, f"the topic is there; its key {refused}")
    if not _lets_in(json.loads(policy), _NEEDED, None):
        return Finding(
            name,
            Verdict.STOP,
            f"the key of the topic does not let {_SERVICE} in: no alarm would arrive. Allow it "
            f"{' and '.join(_NEEDED)}* in the key's policy",
        )
    return None


def _lets_in(policy: dict[str, Any], actions: tuple[str, ...], account: str | None) -> bool:
    """Tells if a policy lets CloudWatch do all of this; conditions are taken for met.

    Args:
        policy: of a topic or a key.
        actions: what it has to be let do.
        account: the owner's, where a policy for everybody in it is one for its alarms too.
    """
    return all(
        any(
            statement.get("Effect") == "Allow"
            and _is_for(statement.get("Principal", {}), account)
            and any(_covers(pattern, action) for pattern in _listed(statement.get("Action", [])))
            for statement in _listed(policy.get("Statement", []))
        )
        for action in actions
    )


def _is_for(principal: Any, account: str | None) -> bool:
    if principal == "*":
        return True
    services, accounts = _listed(principal.get("Service", [])), _listed(principal.get("AWS", []))
    return (
        _SERVICE in services
        or "*" in accounts
        or (account is not None and any(account in str(each) for each in accounts))
    )


def _covers(pattern: str, action: str) -> bool:
    written, wanted = pattern.lower(), action.lower()
    return written == wanted or (written.endswith("*") and wanted.startswith(written[:-1]))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
