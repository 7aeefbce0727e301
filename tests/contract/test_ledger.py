"""Every documented field has its place: each vendor's ledger, field by field, by sending it with a marker.

`functions/<vendor>/ledger.yaml` has, by shape and by the field's path in the push, one of
`at` (where in an event's data it is; with `sent` and `found` where the two differ), `picture` (its role),
`payload` (why it is in the payload only) and `dropped` (why it is kept nowhere); and its `class`.
"""

import base64
import hashlib
import importlib
import inspect
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from _pytest.mark import ParameterSet
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from gatehouse.wire import Message
from tests import vendor_files
from tests.rig import Rig
from tests.template.stack import ROOT
from tests.vendors import DROP, shapes, vendor_names, vendor_tests

type Entry = dict[str, Any]

_VENDORS: Final = vendor_files.vendors(ROOT)
_CLASSES: Final = {"none", "personal", "biometric", "secret"}
_WAYS: Final = {"at", "picture", "payload", "dropped"}


def ledger(vendor: str) -> dict[str, dict[str, Entry]]:
    """A vendor's ledger: entries by shape and field."""
    found: dict[str, dict[str, Entry]] = yaml.safe_load((ROOT / "functions" / vendor / "ledger.yaml").read_text())
    return {str(shape): fields for shape, fields in found.items()}


def _entries(*ways: str) -> list[ParameterSet]:
    return [
        pytest.param(vendor, shape, field, entry, id=f"{vendor}-{shape}-{field}")
        for vendor in vendor_names()
        for shape, fields in ledger(vendor).items()
        for field, entry in fields.items()
        if set(ways) & set(entry)
    ]


def _sent(vendor: str, shape: str, fields: dict[str, Any]) -> Rig[Any]:
    own = vendor_tests(vendor)
    rig = own.rig()
    assert rig.send(own.push(shape, fields)).status == 200
    return rig


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(data, list):
            data = data[int(name)] if int(name) < len(data) else None
        else:
            data = data.get(name) if isinstance(data, dict) else None
    return data


def _places(value: Any, marker: Any, path: str = "") -> Iterator[str]:
    """Places of a marker in an event's data."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, marker, f"{path}.{name}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _places(inner, marker, f"{path}.{position}")
    elif (isinstance(value, str) and isinstance(marker, str) and marker in value) or (
        type(value) is type(marker) and value == marker
    ):
        yield path.removeprefix(".")


def _marker(vendor: str, shape: str, field: str) -> str:
    return f"mark{hashlib.sha256(f'{vendor}/{shape}/{field}'.encode()).hexdigest()[:12]}"


def _paths(entry: Entry) -> list[str]:
    at: str | list[str] = entry["at"]
    return [at] if isinstance(at, str) else at


@pytest.mark.parametrize("vendor", _VENDORS)
def test_a_ledger_is_well_formed_and_has_every_shape(vendor: str) -> None:
    entries = ledger(vendor)

    assert set(entries) == set(vendor_tests(vendor).SHAPES)
    for shape, fields in entries.items():
        for field, entry in fields.items():
            assert len(_WAYS & set(entry)) == 1, f"{shape}: {field}"
            assert entry.get("class") in _CLASSES, f"{shape}: {field}"
            assert set(entry) <= {*_WAYS, "class", "sent", "found"}, f"{shape}: {field}"
            assert all(str(entry[way]).strip() for way in _WAYS & set(entry)), f"{shape}: {field}"


def _names(name: str, field: FieldInfo) -> list[str]:
    """The names on the wire that a model's field is read from."""
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [field.alias or name]


@pytest.mark.parametrize("vendor", _VENDORS)
def test_every_field_that_our_models_read_is_in_the_ledger(vendor: str) -> None:
    wire = importlib.import_module(f"functions.{vendor}.wire")
    models = [
        model
        for _, model in inspect.getmembers(wire, inspect.isclass)
        if issubclass(model, Message) and model is not Message and model.__module__ == wire.__name__
    ]
    known = {field.rpartition(".")[2] for fields in ledger(vendor).values() for field in fields}
    read = {
        spelling for model in models for name, field in model.model_fields.items() for spelling in _names(name, field)
    }

    assert read - known - set(vendor_tests(vendor).NOT_ON_THE_WIRE) == set()


@pytest.mark.parametrize(("vendor", "shape", "field", "entry"), _entries("at"))
def test_a_field_is_where_the_ledger_says(vendor: str, shape: str, field: str, entry: Entry) -> None:
    sent = entry.get("sent", _marker(vendor, shape, field))
    found = entry.get("found", sent)
    events = [event["data"] for event in _sent(vendor, shape, {field: sent}).stored]

    for path in _paths(entry):
        assert found in [_at(data, path) for data in events], path
    if isinstance(sent, str) and "sent" not in entry:
        # A marker is unmistakable, so that it is to be nowhere else, but for the vendor's own words.
        places = {place for data in events for place in _places({**data, "payload": None}, sent)}
        assert places == set(_paths(entry))
    else:
        without = [event["data"] for event in _sent(vendor, shape, {field: DROP}).stored]
        assert any(found not in [_at(data, path) for data in without] for path in _paths(entry))


@pytest.mark.parametrize(("vendor", "shape", "field", "entry"), _entries("payload"))
def test_a_field_that_is_in_the_payload_only_is_there(vendor: str, shape: str, field: str, entry: Entry) -> None:
    marker = entry.get("sent", _marker(vendor, shape, field))
    events = [event["data"] for event in _sent(vendor, shape, {field: marker}).stored]

    assert any(list(_places(data.get("payload"), marker)) for data in events)
    if "sent" not in entry:
        assert [place for data in events for place in _places({**data, "payload": None}, marker)] == []


@pytest.mark.parametrize(("vendor", "shape", "field", "entry"), _entries("dropped"))
def test_a_field_that_is_dropped_is_kept_nowhere(vendor: str, shape: str, field: str, entry: Entry) -> None:
    marker = entry.get("sent", _marker(vendor, shape, field))
    rig = vendor_tests(vendor).rig()
    assert rig.send(vendor_tests(vendor).push(shape, {field: marker})).status in {200, 401}

    kept = [record.body for record in rig.store.records.values()] + list(rig.media.pictures)
    assert not any(str(marker) in body for body in kept)
    assert not any(str(marker).encode() in upload.data for upload in rig.media.pictures.values())


@pytest.mark.parametrize(("vendor", "shape", "field", "entry"), _entries("picture"))
def test_a_picture_is_in_the_bucket_and_in_no_event(vendor: str, shape: str, field: str, entry: Entry) -> None:
    data = b"\xff\xd8\xff" + _marker(vendor, shape, field).encode() * 9
    text = base64.b64encode(data).decode()
    rig = _sent(vendor, shape, {field: text})
    pictures = [picture for event in rig.stored for picture in event["data"].get("pictures", ())]

    (picture,) = [picture for picture in pictures if picture["role"] == entry["picture"]]
    assert rig.media.pictures[picture["key"]].data == data
    assert picture["sha256"] == hashlib.sha256(data).hexdigest()
    assert text not in json.dumps(rig.stored)


@pytest.mark.parametrize(("vendor", "shape"), shapes(0))
def test_a_field_that_nobody_documents_is_taken_as_ever(vendor: str, shape: str) -> None:
    own = vendor_tests(vendor)
    rig = _sent(vendor, shape, {f"{own.INSIDE}.notDocumented" if own.INSIDE else "notDocumented": "mark-new"})

    assert len(rig.stored) == own.SHAPES[shape]
    assert all("mark-new" in json.dumps(event["data"]["payload"]) for event in rig.stored)
    assert all(event["data"]["kind"] != "unmapped" for event in rig.stored if "notice" in event["type"])
