"""Resources that the stack makes empty and an operator fills in later: until then nothing fails or holds it up."""

import json
from typing import Final

import boto3
import pytest

from tests.template import driver
from tests.template.stack import ROOT, Function, Stack

_STACK: Final = Stack(driver.parameters())
_WITH_SECRET: Final = {
    function.name: function for function in _STACK.functions() if "SECRET_ARN" in function.environment
}
_PUSHED: Final = {name: function for name, function in _WITH_SECRET.items() if function.events_of("HttpApi")}


def test_there_are_functions_that_are_pushed_to_and_others_with_a_secret() -> None:
    assert len(_PUSHED) == 5
    assert len(_WITH_SECRET) > len(_PUSHED)


@pytest.mark.parametrize("document", [None, " ", "{", '{"accounts": [{}]}', "gone"])
@pytest.mark.parametrize("name", _WITH_SECRET)
def test_a_function_starts_whatever_is_in_its_secret(name: str, document: str | None) -> None:
    function = _WITH_SECRET[name]
    with driver.deployed(_STACK):
        _put(function, document)
        with driver.started(function, driver.Calls(_STACK)) as handler:
            assert callable(handler)


@pytest.mark.parametrize("name", _PUSHED)
def test_a_push_is_refused_as_not_authentic_while_the_secret_is_as_the_stack_made_it(name: str) -> None:
    assert _answers(_PUSHED[name], None) == {401}


@pytest.mark.parametrize("document", [" ", "{", '{"accounts": [{}]}', "gone"])
@pytest.mark.parametrize("name", _PUSHED)
def test_a_push_is_to_come_again_while_the_secret_cannot_be_used(name: str, document: str) -> None:
    assert _answers(_PUSHED[name], document) == {503}


@pytest.mark.parametrize("name", _PUSHED)
def test_a_push_is_taken_as_soon_as_the_secret_is_filled_without_a_new_start(name: str) -> None:
    function = _PUSHED[name]
    samples = ROOT / "events" / function.folder
    (valid, *_) = sorted(samples.glob("valid-*.json"))
    with driver.deployed(_STACK), driver.started(function, driver.Calls(_STACK)) as handler:
        assert handler(json.loads(valid.read_text()), None)["statusCode"] == 401
        _put(function, (samples / "secret.json").read_text())
        assert handler(json.loads(valid.read_text()), None)["statusCode"] == 200


def _put(function: Function, document: str | None) -> None:
    client, arn = boto3.client("secretsmanager"), function.environment["SECRET_ARN"]
    if document == "gone":
        client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    elif document is not None:
        client.put_secret_value(SecretId=arn, SecretString=document)


def _answers(function: Function, document: str | None) -> set[int]:
    samples = sorted((ROOT / "events" / function.folder).glob("valid-*.json"))
    assert samples
    with driver.deployed(_STACK):
        _put(function, document)
        with driver.started(function, driver.Calls(_STACK)) as handler:
            return {handler(json.loads(sample.read_text()), None)["statusCode"] for sample in samples}
