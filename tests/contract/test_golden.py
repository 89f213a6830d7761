"""Golden messages of every version, read by both sides. They are never edited: a new version gets a new folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from xueliang_alerts.contract import (
    Alert,
    EndReason,
    Gap,
    NodeState,
    NotUnderstood,
    Phase,
    Severity,
    alert_id_of,
    content_hash,
    read_message,
    read_receipt,
    read_status,
    to_bytes,
)
from xueliang_alerts.desired import SignedDocument, read_reported
from xueliang_alerts.schemas import MODELS, json_schema_of

V1 = Path(__file__).parent / "golden" / "v1"

NEVER_EDITED = {
    "alert-camera-offline.json": "d255ee1bfa4f32ff7c9f22b388ae6f9fbb870a8bc2eeba8d5490fb3becbd9ff5",
    "alert-cleared.json": "0c62a95a4b25283ddac40ccc78b1653907603afb0c7f72faf438137e17ab4960",
    "alert-raised.json": "be67d9f7e4dc70827b1f628f6c2532cc72b9fc4040fb21c968a44daab4796a52",
    "alert-updated.json": "d4b4edb248367ea8e77d8bd8bada547f34be695382380c5bb5e718eb4b208cb0",
    "desired.json": "a68216a366b378368dfa4ffc45bb08d135e7707ae1a614060604959eaca972fc",
    "gap.json": "b42e3a87dd58043017b113218eef60b2968e814d9705b85b3e94ed46527e6975",
    "receipt.json": "afa4111d3b8129f3bb1819c284786b54c64de987f2ae8db74bb7c671f449d605",
    "reported-refused.json": "fd400e6be73c17acf492bac788daa12ed5268fcf0b694aedb7bf68b49c1c1c27",
    "reported-running.json": "fe44de389187bf9457213ea270970c48ee2edf8339c4ea35767cf4af8d7ae0d4",
    "status-lost.json": "ab527a04d92126cf9912edec676bddd557dd23c799da0c4e891910e7c7cb9f2e",
    "status-online.json": "5fa3b9d4f3ca19902cd8f31c663bc28d374505d1f616fa092c883bcce7debbf8",
}

Reader = Callable[[bytes], BaseModel]
READERS: dict[str, tuple[Reader, str]] = {
    "alert": (read_message, "message"),
    "gap": (read_message, "message"),
    "desired": (SignedDocument.model_validate_json, "desired"),  # how it is read, and by whom: test_desired.py
    "receipt": (read_receipt, "receipt"),
    "reported": (read_reported, "reported"),
    "status": (read_status, "status"),
}


def golden(name: str) -> bytes:
    return (V1 / name).read_bytes()


def reader_of(name: str) -> Reader:
    return READERS[name.split("-")[0].removesuffix(".json")][0]


@pytest.mark.parametrize("name", sorted(NEVER_EDITED))
def test_golden_files_are_as_they_were_first_committed(name: str) -> None:
    assert content_hash(golden(name)) == NEVER_EDITED[name]


def test_every_golden_file_is_listed() -> None:
    assert {path.name for path in V1.iterdir()} == set(NEVER_EDITED)


@pytest.mark.parametrize("name", sorted(NEVER_EDITED))
def test_bytes_round_trip(name: str) -> None:
    assert to_bytes(reader_of(name)(golden(name))) == golden(name)


@pytest.mark.parametrize("name", sorted(NEVER_EDITED))
def test_golden_files_satisfy_the_published_schema(name: str) -> None:
    model = MODELS[READERS[name.split("-")[0].removesuffix(".json")][1]]
    jsonschema.validate(json.loads(golden(name)), json_schema_of(model))


def _with_unknown_fields(value: Any) -> Any:
    """Every object that is a model gets a field of a newer sender; maps with free keys are left alone."""
    if isinstance(value, list):
        return [_with_unknown_fields(item) for item in value]
    if not isinstance(value, dict):
        return value
    free = {"measures", "about", "counters"}
    grown = {
        key: item
        if key == "settings"
        else {k: _with_unknown_fields(v) for k, v in item.items()}
        if key in free
        else _with_unknown_fields(item)
        for key, item in value.items()
    }
    return grown | {"of_a_newer_version": {"deep": [1, {"x": None}]}}


@pytest.mark.parametrize("name", sorted(set(NEVER_EDITED) - {"desired.json"}))
def test_a_reader_ignores_unknown_fields_at_every_depth(name: str) -> None:
    newer = json.dumps(_with_unknown_fields(json.loads(golden(name)))).encode()
    assert to_bytes(reader_of(name)(newer)) == golden(name)


@pytest.mark.parametrize("name", sorted(NEVER_EDITED))
def test_a_sender_forbids_unknown_fields(name: str) -> None:
    model = MODELS[READERS[name.split("-")[0].removesuffix(".json")][1]]
    with pytest.raises(ValidationError, match="of_a_newer_version"):
        model.model_validate_json(json.dumps(_with_unknown_fields(json.loads(golden(name)))))


def test_what_the_golden_alerts_mean() -> None:
    raised, updated, cleared = (read_message(golden(f"alert-{name}.json")) for name in ("raised", "updated", "cleared"))
    assert isinstance(raised.body, Alert)
    assert isinstance(updated.body, Alert)
    assert isinstance(cleared.body, Alert)
    assert (raised.body.phase, updated.body.phase, cleared.body.phase) == (Phase.RAISED, Phase.UPDATED, Phase.CLEARED)
    assert raised.body.alert_id == updated.body.alert_id == cleared.body.alert_id
    assert raised.body.alert_id == alert_id_of(
        raised.spool_id, raised.body.camera_id, raised.body.rule_id, raised.body.began_at
    )
    assert (raised.body.severity, updated.body.severity) == (Severity.ORANGE, Severity.RED)
    assert cleared.body.end_reason is EndReason.SEEN_CLEAR
    assert cleared.body.drill
    gap = read_message(golden("gap.json")).body
    assert isinstance(gap, Gap)
    assert (gap.first_sequence, gap.last_sequence, gap.why) == (5, 17, "evicted")
    receipt = read_receipt(golden("receipt.json")).spools[0]
    assert [receipt.settles(number) for number in (1, 1200, 1201, 1203, 1241, 1245, 1250, 1251)] == [
        True, True, False, True, False, True, True, False,
    ]  # fmt: skip
    assert read_status(golden("status-lost.json")).state is NodeState.LOST


def _changed(name: str, path: str, value: Any) -> bytes:
    document = json.loads(golden(name))
    target = document
    *parents, last = path.split(".")
    for key in parents:
        target = target[int(key)] if isinstance(target, list) else target[key]
    if isinstance(target, list):
        target[int(last)] = value
    else:
        target[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("node_id", "Edge/01"),
        ("node_id", "edge-01\n"),
        ("node_id", ""),
        ("node_id", "a" * 64),
        ("sequence", 0),
        ("sequence", "1"),
        ("sequence", True),
        ("sequence", 1.5),
        ("sequence", 2**53),
        ("body.rule_version", 10**18),
        ("emitted_at", "0001-01-01T00:00:00Z"),
        ("emitted_at", "9999-12-31T23:59:59Z"),
        ("spool_id", "none"),
        ("emitted_at", 1700000000),
        ("emitted_at", "2026-11-23T08:00:00"),
        ("emitted_at", "2026-11-23T16:00:00+08:00"),
        ("schema_version", 0),
        ("body", None),
        ("body.kind", "other"),
        ("body.revision", 0),
        ("body.severity", 5),
        ("body.severity", "2"),
        ("body.hazard", "face"),
        ("body.confidence", 1.01),
        ("body.confidence", float("nan")),
        ("body.confidence", float("inf")),
        ("body.measures.share.value", float("-inf")),
        ("body.end_reason", "seen_clear"),
        ("body.phase", "cleared"),
        ("body.boxes_xyxyn", [[0.5, 0.5, 0.25, 0.75]]),
        ("body.boxes_xyxyn", [[0.0, 0.0, 1.0, 1.0]] * 65),
        ("body.reason.text", "x" * 401),
        ("body.reason.code", "Lane Blocked"),
        ("body.evidence.0.sha256", "B" * 64),
        ("body.evidence.0.bytes", 0),
        ("body.position.latitude", 91),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_not_understood(path: str, value: Any) -> None:
    with pytest.raises(NotUnderstood) as refused:
        read_message(_changed("alert-raised.json", path, value))
    assert 0 < len(refused.value.reason) <= 200


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{",
        b'{"a": NaN}',
        b'{"sequence": 1e999}',
        b'{"sequence": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"node_id": "\\ud800"}',
        b" " * 70_000,
    ],
    ids=[
        "empty",
        "null",
        "list",
        "not utf-8",
        "cut",
        "nan",
        "overflow",
        "huge",
        "deep list",
        "deep",
        "surrogate",
        "too large",
    ],
)
@pytest.mark.parametrize("read", [read_message, read_receipt, read_status])
def test_noise_is_not_understood_and_nothing_else_is_raised(read: Reader, payload: bytes) -> None:
    with pytest.raises(NotUnderstood):
        read(payload)


def test_nan_in_an_unknown_field_is_refused_too() -> None:
    payload = golden("status-online.json").replace(b'"software"', b'"newer": NaN, "software"')
    with pytest.raises(NotUnderstood, match="NaN"):
        read_status(payload)


def test_a_receipt_range_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(NotUnderstood, match="range"):
        read_receipt(_changed("receipt.json", "spools.0.committed", [[9, 3]]))


def test_boundaries_that_are_allowed() -> None:
    for path, value in (
        ("node_id", "a" * 63),
        ("node_id", "0"),
        ("body.confidence", 0),
        ("body.boxes_xyxyn", [[0.0, 0.0, 1.0, 1.0]] * 64),
        ("body.boxes_xyxyn", []),
        ("body.measures", {}),
        ("emitted_at", "2026-11-23T08:00:00+00:00"),
        ("schema_version", 2),
    ):
        read_message(_changed("alert-raised.json", path, value))
