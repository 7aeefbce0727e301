"""The caller, the region, and the agreement of the clocks."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.preflight.asked import UNANSWERED, Account, Finding, Verdict, cannot, code_of
from ops.shown import printable

_SIGNED: Final = 300
"""Seconds by which a signature may be off: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html"""
_EXPORT: Final = "set AWS_REGION"
_NOTABLE: Final = 30
# The signature is right, and its time is not; the second comes of a key that is none here.
_SKEWED: Final = ("RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch")
_UNKNOWN: Final = ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId")
_OLD: Final = ("ExpiredToken", "ExpiredTokenException")


class Caller:
    """The identity of the credentials, by STS.

    Attributes:
        arn: of the caller; None if it is not known.
        usable: whether anything else can be asked with them.
        findings: what is to be said of it.
    """

    def __init__(self, account: Account) -> None:
        self.arn: str | None = None
        self.usable = False
        self.findings: list[Finding] = []
        if account.region is None:
            self._say("region", Verdict.STOP, f"no region is named: {_EXPORT}")
            return
        if not self._region(account, account.region):
            return
        try:
            answer = account.client("sts").get_caller_identity()
            arn, number = str(answer["Arn"]), answer["Account"]
        except ClientError as error:
            self._refused(error, account.region)
        except KeyError:  # what answers is not AWS
            self.usable = True
            self._say("credentials", Verdict.LOOK, cannot("sts:GetCallerIdentity", "no Arn"))
        except UNANSWERED as error:
            self._say(
                "credentials",
                Verdict.STOP,
                f"there is nothing to sign with, or nobody to ask ({type(error).__name__}): {printable(error)}",
            )
        else:
            self.usable, self.arn = True, arn
            self._say(
                "credentials",
                Verdict.OK,
                f"account {number}, partition {account.partition}, as {printable(_shown(arn))}",
            )
            self._clock(answer["ResponseMetadata"].get("HTTPHeaders", {}))

    def _region(self, account: Account, region: str) -> bool:
        """Tells if there can be such a region."""
        try:
            partition = account.partition
        except UNANSWERED:
            self._say("region", Verdict.STOP, f"{printable(region)} is no region's name: {_EXPORT}")
            return False
        self._say("region", Verdict.OK, f"{region}, partition {partition}")
        return True

    def _refused(self, error: ClientError, region: str) -> None:
        code = code_of(error)
        if code in _SKEWED:
            self._clock(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
        if code in _OLD:
            self._say("credentials", Verdict.STOP, "the credentials have expired: sign in again")
        elif code in _UNKNOWN:
            self._say(
                "credentials",
                Verdict.STOP,
                f"nobody knows this key in {region}: it is wrong or withdrawn, or the region is not opted in "
                f"(aws account enable-region --region-name {region})",
            )
        elif code in _SKEWED:
            self._say("credentials", Verdict.STOP, f"the signature is refused ({code}): a wrong secret key or clock")
        else:
            # An endpoint that is not AWS may not know this, and others all the same.
            self.usable = True
            self._say("credentials", Verdict.LOOK, cannot("sts:GetCallerIdentity", code))

    def _clock(self, headers: Mapping[str, str]) -> None:
        try:
            theirs = parsedate_to_datetime(headers.get("date", ""))
        except ValueError:
            self._say("clock", Verdict.LOOK, "cannot be asked: the answer has no date")
            return
        off = round((datetime.now(UTC) - theirs).total_seconds())
        if abs(off) >= _SIGNED:
            verdict, what = Verdict.STOP, "AWS refuses what is signed; set it by NTP"
        elif abs(off) >= _NOTABLE:
            verdict, what = Verdict.LOOK, f"AWS refuses from {_SIGNED} s on; set it by NTP"
        else:
            verdict, what = Verdict.OK, "as AWS's"
        way = "ahead of" if off > 0 else "behind"
        self._say("clock", verdict, what if verdict is Verdict.OK else f"{abs(off)} s {way} AWS's: {what}")

    def _say(self, name: str, verdict: Verdict, text: str) -> None:
        self.findings.append(Finding(name, verdict, text))


def services(account: Account, kinds: Iterable[str]) -> Finding:
    """Checks that the services of these types of resources are in the region, as far as boto3 knows."""
    wanted = {kind.split("::")[1].lower() for kind in kinds}
    missing = sorted(
        service for service in wanted if (offered := account.offered(service)) and account.region not in offered
    )
    if missing:
        return Finding(
            "services",
            Verdict.LOOK,
            f"boto3 knows no {', '.join(missing)} in {account.region}: is it written rightly, or newer than boto3?",
        )
    return Finding("services", Verdict.OK, f"{account.region} has the {len(wanted)} services that are used")


def opted_in(account: Account) -> Finding:
    """Checks that the region is on for this account.

    https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html

    Raises:
        NotAskedError: it may not be asked.
    """
    answer: Any = account.ask(
        "account", "get_region_opt_status", "account:GetRegionOptStatus", RegionName=account.region
    )
    status = str(answer.get("RegionOptStatus", "UNKNOWN"))
    if status in {"ENABLED", "ENABLED_BY_DEFAULT"}:
        return Finding("region-opt-in", Verdict.OK, f"{account.region} is on for this account")
    if status == "ENABLING":
        return Finding("region-opt-in", Verdict.STOP, f"{account.region} is being switched on: wait, up to some hours")
    return Finding(
        "region-opt-in",
        Verdict.STOP,
        f"{account.region} is {status.lower()} for this account: aws account enable-region "
        f"--region-name {account.region}",
    )


def _shown(arn: str) -> str:
    """A caller without the name of its session, which may be a person's address."""
    return re.sub(r"(:assumed-role/[^/]+)/.*", r"\1", arn)
