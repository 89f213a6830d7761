"""What the intake decides without a database: signatures, what a source may send, places, rules that were to see."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_alerts.contract import NotUnderstood
from xueliang_alerts.stations import SIGNAL_LIMIT_BYTES, read_signal
from xueliang_central.incidents.folding import distance_m
from xueliang_central.intake import signing
from xueliang_central.intake.entries import episode_of, merged, row_of_signal
from xueliang_central.intake.nearby import watching
from xueliang_central.intake.nearest import bearing_deg, box_around, looks_there

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
INTAKE_KEY = bytes(range(32))
SIGNAL: dict[str, Any] = {
    "key": "1",
    "hazard": "water_level",
    "severity": 2,
    "phase": "raised",
    "revision": 1,
    "began_at": "2026-11-23T03:59:00Z",
    "observed_at": "2026-11-23T04:00:00Z",
    "text": "31 cm, limit 25 cm",
    "measures": {"depth": {"value": 0.31, "unit": "m"}},
    "position": {"longitude": 117.005, "latitude": 36.005},
}


def bytes_of(**changes: Any) -> bytes:
    return json.dumps({**SIGNAL, **changes}).encode()


def test_a_signature_is_good_for_its_source_time_and_body_only() -> None:
    key = signing.key_of(INTAKE_KEY, "gauge-1", 1)
    signature = signing.signature_of(key, "1700000000", "gauge-1", b"{}")
    assert signing.is_genuine(key, "1700000000", "gauge-1", b"{}", signature)
    assert not signing.is_genuine(key, "1700000001", "gauge-1", b"{}", signature)
    assert not signing.is_genuine(key, "1700000000", "gauge-2", b"{}", signature)
    assert not signing.is_genuine(key, "1700000000", "gauge-1", b"{ }", signature)
    for other in (signing.key_of(INTAKE_KEY, "gauge-1", 2), signing.key_of(INTAKE_KEY, "gauge-2", 1)):
        assert not signing.is_genuine(other, "1700000000", "gauge-1", b"{}", signature)


def test_what_is_real_is_no_revision_of_a_drill() -> None:
    real, drill = (read_signal(bytes_of(drill=is_drill)) for is_drill in (False, True))
    assert episode_of("gauge-1", real) != episode_of("gauge-1", drill)


def test_the_signature_is_what_the_page_says() -> None:
    """Worked out with OpenSSL: `printf '1700000000.gauge-1.{}' | openssl dgst -sha256 -hmac KEY`."""
    key = signing.key_of(INTAKE_KEY, "gauge-1", 1)
    assert key == KEY_OF_GAUGE
    assert signing.signature_of(key, "1700000000", "gauge-1", b"{}") == SIGNATURE_OF_GAUGE


KEY_OF_GAUGE = "7baee4fa11f5b2c4df51e45d4b59cbb9d9b91a51b784713ac391ba6a1f00b641"
SIGNATURE_OF_GAUGE = "sha256=4cc2a086f4e7565abe9eb773d287883dec3308b4655c5fad6e7087f191779060"


@given(st.text(max_size=80), st.text(max_size=20))
def test_no_text_is_taken_for_a_signature(signature: str, timestamp: str) -> None:
    key = signing.key_of(INTAKE_KEY, "gauge-1", 1)
    assert not signing.is_genuine(key, timestamp, "gauge-1", b"{}", signature)
    signing.is_recent(timestamp, NOON)


@pytest.mark.parametrize(
    ("offset_s", "is_recent"), [(0, True), (-300, True), (300, True), (-301, False), (301, False), (-86_400, False)]
)
def test_the_window(offset_s: int, is_recent: bool) -> None:
    assert signing.is_recent(str(int(NOON.timestamp()) + offset_s), NOON) is is_recent


def test_the_intake_key_lies_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "intake.key"
    assert signing.read_key(path) is None
    signing.make_key(path)
    found = signing.read_key(path)
    assert found is not None
    assert len(found) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        signing.make_key(path)
    path.write_text("no key\n")
    assert signing.read_key(path) is None


def test_a_signal_is_read() -> None:
    signal = read_signal(bytes_of())
    assert (signal.hazard.value, int(signal.severity), signal.revision) == ("water_level", 2, 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not UTF-8 JSON"),
        (b"[]", "expected an object"),
        (b"\xff", "not UTF-8 JSON"),
        (b"[" * 5000, "not UTF-8 JSON"),
        (b'{"a":NaN}', "NaN is not allowed"),
        (b"{" + b" " * SIGNAL_LIMIT_BYTES + b"}", "limit 16384"),
        (bytes_of(hazard="camera_fault"), "camera_fault is told by nodes only"),
        (bytes_of(hazard="crowd2"), "hazard"),
        (bytes_of(severity="2"), "severity"),
        (bytes_of(name="x"), "name: Extra inputs"),
        (bytes_of(observed_at="2026-11-23T03:58:00Z"), "must not be before"),
        (bytes_of(began_at="2026-11-23T03:59:00"), "began_at"),
        (bytes_of(point="A/../b"), "point"),
        (bytes_of(text="one\nline"), "text"),
        (bytes_of(text="\x00"), "NUL"),
        (bytes_of(text="x" * 201), "text"),
        (bytes_of(position={"longitude": 181, "latitude": 0}), "position.longitude"),
        (bytes_of(measures={f"m{n}": {"value": 1, "unit": "m"} for n in range(17)}), "measures"),
    ],
)
def test_what_is_no_signal_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        read_signal(body)
    assert reason in caught.value.reason


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        read_signal(body)


def row(**changes: Any) -> dict[str, Any]:
    return row_of_signal("gauge-1", "南闸", read_signal(bytes_of(**changes)), (117.0, 36.0), NOON)


def test_an_episode_is_one_whatever_is_told_of_it() -> None:
    first, later = read_signal(bytes_of()), read_signal(bytes_of(key="2", phase="cleared", revision=5, severity=1))
    assert episode_of("gauge-1", first) == episode_of("gauge-1", later)
    others = [{"point": "b"}, {"hazard": "fire_smoke"}, {"began_at": "2026-11-23T03:59:01Z"}]
    ids = {episode_of("gauge-1", read_signal(bytes_of(**other))) for other in others}
    assert len(ids | {episode_of("gauge-1", first), episode_of("gauge-2", first)}) == 5


def test_the_highest_revision_wins_whatever_the_order() -> None:
    raised, over = row(), row(phase="cleared", revision=2)
    for order in ([raised, over], [over, raised], [over, raised, over]):
        known = None
        for one in order:
            known = merged(known, one)
        assert known is not None
        assert (known["phase"], known["end_reason"], known["revision"]) == ("cleared", "seen_clear", 2)


@pytest.mark.parametrize(
    ("there", "degrees"), [((0.0, 1.0), 0), ((1.0, 0.0), 90), ((0.0, -1.0), 180), ((-1.0, 0.0), 270), ((0.0, 0.0), 0)]
)
def test_bearings(there: tuple[float, float], degrees: int) -> None:
    assert bearing_deg((0.0, 0.0), there) == degrees


@pytest.mark.parametrize(
    ("looks", "width", "apart_m", "there", "expected"),
    [
        (350.0, 60.0, 50.0, 10, True),  # across north
        (350.0, 60.0, 50.0, 21, False),
        (0.0, None, 50.0, 55, True),  # the usual width
        (0.0, None, 50.0, 56, False),
        (0.0, 20.0, 10.0, 180, None),  # under the camera
        (None, 60.0, 50.0, 0, None),
        (90.0, 360.0, 50.0, 270, True),
    ],
)
def test_whether_a_camera_looks_at_a_place(
    looks: float | None, width: float | None, apart_m: float, there: int, expected: bool | None
) -> None:
    assert looks_there(looks, width, apart_m, there) is expected


@given(st.floats(-179, 179), st.floats(-80, 80), st.floats(1, 5000))
def test_the_box_holds_what_lies_within_reach(longitude: float, latitude: float, reach_m: float) -> None:
    west, south, east, north = box_around((longitude, latitude), reach_m)
    for there in ((west, latitude), (east, latitude), (longitude, south), (longitude, north)):
        assert distance_m(longitude, latitude, *there) == pytest.approx(reach_m, rel=0.01)


NIGHT = {"time_zone": "Asia/Shanghai", "bands": [{"days": ["mon"], "start": "20:00", "until": "23:00"}]}


@pytest.mark.parametrize(
    ("rule", "is_watching"),
    [
        ({}, True),
        ({"hazard": "crowd"}, False),
        ({"shadow": True}, False),
        ({"drill": True}, False),
        ({"schedule": NIGHT}, False),  # 12:00 on a Monday in Shanghai
        ({"schedule": NIGHT | {"bands": [{"days": ["mon"], "start": "11:00", "until": "13:00"}]}}, True),
        ({"schedule": {"of": "another release"}}, False),
    ],
)
def test_which_rules_were_to_see_it(rule: dict[str, Any], is_watching: bool) -> None:
    rules = [{"rule_id": "pool", "hazard": "water_level", **rule}]
    assert watching(rules, "water_level", NOON + timedelta(seconds=1)) == (["pool"] if is_watching else [])


def test_what_a_node_reports_and_is_no_rule_stops_no_sighting() -> None:
    rule = {"hazard": "crowd", "rule_id": "r-1"}
    odd: list[Any] = ["r", None, {"hazard": "crowd"}, {**rule, "rule_id": "x" * 65}, {**rule, "rule_id": 7}, rule, rule]
    assert watching(odd, "crowd", NOON) == ["r-1"]
