"""Sets, clears and shows the rules by which doors open: no update of the stack touches them.

A module here is a vendor with doors, found by looking. Its `check(document)` raises `ValueError` for rules that cannot
be used.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from ops.stack import outputs

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

NONE = "{}"
"""A document without rules: every answer is `WhenInDoubt`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse rules`."""
    parser.add_argument("--stack", default="gatehouse", help="name of the deployed stack (%(default)s)")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("set", help="check a document and put it in use").add_argument("file", type=Path)
    actions.add_parser("clear", help="leave no rules: every answer is WhenInDoubt")
    actions.add_parser("show", help="print the document in use")


def run(arguments: argparse.Namespace) -> None:
    """Does what is asked with the rules of a deployed stack.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it.
        FileNotFoundError: there is no such document.
        RuntimeError: the document is not usable; what was in use stays so.
    """
    # Read before anybody is asked: a document that is not usable needs no credentials to be told so.
    document = read(arguments.file) if arguments.action == "set" else NONE
    name = outputs(boto3.client("cloudformation"), arguments.stack)["DoorRulesParameter"]
    ssm = boto3.client("ssm")
    if arguments.action == "show":
        print(show(ssm, name))
        return
    put(ssm, name, document)
    print(f"{name}: {'set' if arguments.action == 'set' else 'no rules'}; in use within a minute")


def read(file: Path) -> str:
    """A document that is usable.

    Raises:
        RuntimeError: it is not, with the rule that is not.
    """
    try:
        document = file.read_text()
        for vendor in pkgutil.iter_modules(__path__):
            importlib.import_module(f"{__name__}.{vendor.name}").check(document)
    except ValueError as error:
        raise RuntimeError(f"{file}: {error}") from None
    return document


def put(ssm: SSMClient, name: str, document: str) -> None:
    """Puts a document in use."""
    # More than 4 KB is taken too, by a tier that costs something.
    ssm.put_parameter(Name=name, Value=document, Type="String", Tier="Intelligent-Tiering", Overwrite=True)


def show(ssm: SSMClient, name: str) -> str:
    """The document in use, or that there is none."""
    try:
        return ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return "no rules were ever set: every answer is WhenInDoubt"
