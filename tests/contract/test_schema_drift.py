"""The committed JSON Schema and AsyncAPI are what the code says."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from xueliang_alerts.schemas import DEFAULT_DIRECTORY, documents, drift, main
from xueliang_alerts.topics import Leaf


def test_committed_schemas_have_not_drifted() -> None:
    assert drift(DEFAULT_DIRECTORY) == [], "run: python -m xueliang_alerts.schemas"


def test_check_names_what_differs_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--directory", str(tmp_path)]) == 0
    assert main(["--check", "--directory", str(tmp_path)]) == 0
    (tmp_path / "receipt.schema.json").write_text("{}")
    assert main(["--check", "--directory", str(tmp_path)]) == 1
    assert "receipt.schema.json is not what the code says" in capsys.readouterr().err
    assert (tmp_path / "receipt.schema.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["message", "receipt", "status", "signal", "signed-signal"])
def test_schemas_are_valid_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(documents()[f"{name}.schema.json"]))


def test_async_api_names_every_topic_and_its_references_hold() -> None:
    document = json.loads(documents()["asyncapi.json"])
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert {one.split("/{node_id}/")[1] for one in addresses if "/nodes/" in one} == set(Leaf)
    assert [one for one in addresses if "/nodes/" not in one] == ["xueliang/v1/{shard}/stations/{source_id}/signals"]
    for reference in _references(document):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for item in value.values() for reference in _references(item)]
    if isinstance(value, list):
        return [reference for item in value for reference in _references(item)]
    return []
