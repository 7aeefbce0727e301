"""A vendor's accounts, for the operator's calls."""

import sys

import boto3
from pydantic import BaseModel, ValidationError

from gatehouse.accounts import usable
from ops.shown import printable


def accounts[A: BaseModel](arn: str, model: type[A]) -> A:
    """The accounts in a vendor's secret that can be used; what is wrong with others is told, and nothing of them.

    Args:
        arn: of the secret.
        model: of the document in it.

    Raises:
        RuntimeError: none can be used.
    """
    document = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    try:
        found, faults = usable(document, model)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)
        problems = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'document'}: {one['msg']}" for one in wrong)
        raise RuntimeError(f"the secret is not usable: {problems}") from None
    for fault in faults:
        print(f"in the secret, and not used: {printable(fault)}", file=sys.stderr)
    return found
