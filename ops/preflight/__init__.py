"""Asks the account what can be asked before a deployment, and says what would stop it: it changes nothing.

It looks at the stack's name; credentials, the clock, the region with its services and opt-in; a stack of this name and
what an earlier one left; permissions to create what the template has; deletion protection at the right time; policies
for logs; SAM's bucket; Lambda's concurrency and API Gateway's throttle against the settings; ECS's own role, the image
and the network of tasks; the operator's topic and its key.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ops.preflight import earlier, limits, operator, permissions, place, plan, tasks
from ops.preflight.asked import STRANGE, UNANSWERED, Account, Finding, NotAskedError, Verdict
from ops.shown import printable

__all__ = ["add_arguments", "run"]

type Check = Callable[[], Iterable[Finding] | Finding]

_USAGE: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse preflight`."""
    parser.description = __doc__
    parser.add_argument("--stack", default="gatehouse", help="name that the stack has, or is to have (%(default)s)")
    parser.add_argument(
        "--parameter",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="settings as they will be deployed; all else is as the stack has it, or the default",
    )
    parser.add_argument("--json", action="store_true", help="an array of {id, verdict, text} in place of lines")


def run(arguments: argparse.Namespace) -> int:
    """Prints what the account answers: 0 if nothing says stop, 1 if something does, 2 if a setting is none."""
    given = list(arguments.parameter)
    wrong = list(plan.faults(given))
    if wrong:
        for fault in wrong:
            print(f"gatehouse: {fault}", file=sys.stderr)
        return _USAGE
    findings = []
    for finding in found(arguments.stack, dict(text.split("=", 1) for text in given)):
        findings.append(finding)
        if not arguments.json:
            print(f"{finding.verdict:<6}{finding.id:<21}{finding.text}", flush=True)
    if arguments.json:
        print(json.dumps([{"id": each.id, "verdict": each.verdict, "text": each.text} for each in findings], indent=1))
    return int(any(each.verdict is Verdict.STOP for each in findings))


def found(stack: str, given: dict[str, str]) -> Iterator[Finding]:
    """Findings on an account, before a stack is deployed into it with these settings."""
    fault = earlier.name_fault(stack)
    yield Finding("stack-name", Verdict.STOP if fault else Verdict.OK, fault or f"{stack} can be a stack's name")
    try:
        account = Account()
    except UNANSWERED as error:  # a profile that there is not
        yield Finding("credentials", Verdict.STOP, f"no account is named ({type(error).__name__}): {printable(error)}")
        return
    caller = place.Caller(account)
    yield from caller.findings
    if not caller.usable:
        return
    try:
        there = earlier.described(account, stack)
    except NotAskedError as refused:
        yield Finding("stack", Verdict.LOOK, str(refused))
        planned = plan.Plan(stack, given, existing=plan.Existing.UNKNOWN)
    else:
        yield earlier.state(stack, there)
        existing = earlier.existing(there)
        kept = earlier.known(there) if there and existing is plan.Existing.DEPLOYED else None
        planned = plan.Plan(stack, given, kept, existing)
    checks: dict[str, Check] = {
        "services": lambda: place.services(account, planned.kinds()),
        "region-opt-in": lambda: place.opted_in(account),
        "permissions": lambda: permissions.check(account, planned, _arn(caller)),
        "deletion-protection": lambda: earlier.protection(planned),
        "door-rules": lambda: earlier.rules(account, planned),
        "leftovers": lambda: earlier.leftovers(account, planned),
        "log-policies": lambda: earlier.log_policies(account, planned),
        "artifacts": lambda: earlier.bucket(account),
        "lambda-concurrency": lambda: limits.concurrency(account, planned),
        "account-concurrency": lambda: limits.alarm(account, planned),
        "api-throttle": lambda: limits.throttle(account, planned),
        "ecs-role": lambda: tasks.role(account, planned),
        "image": lambda: tasks.images(account, planned),
        "network": lambda: tasks.network(account, planned),
        "operator-topic": lambda: operator.check(account, planned),
    }
    for name, check in checks.items():
        yield from _answered(name, check)


def _answered(name: str, check: Check) -> Iterator[Finding]:
    try:
        answer = check()
        if isinstance(answer, Finding):
            yield answer
        else:
            yield from answer
    except NotAskedError as refused:
        yield Finding(name, Verdict.LOOK, str(refused))
    except STRANGE as error:  # what answers is not AWS
        yield Finding(name, Verdict.LOOK, f"cannot be asked: the answer is not as AWS's ({type(error).__name__})")


def _arn(caller: place.Caller) -> str:
    if caller.arn is None:
        raise NotAskedError("cannot be asked: sts:GetCallerIdentity, which says whose permissions they are")
    return caller.arn
