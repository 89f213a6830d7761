"""Good files become settings; several problems are told together; nothing printed holds a secret."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from xueliang_alerts.contract import Hazard, Severity
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import (
    load_areas,
    load_cameras,
    load_centre,
    load_lanes,
    load_node,
    load_policies,
    load_rules,
)
from xueliang_configs.values import AreaLevel, PlaceClass

EXAMPLES = Path(__file__).resolve().parents[3] / "configs" / "examples"
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SECRETS = {
    "XUELIANG_BROKER_PASSWORD": "canary-broker",
    "XUELIANG_CENTRE_BROKER_PASSWORD": "canary-centre",
    "XUELIANG_NODE_TOKEN": "canary-token",
    "LANE_EAST_PASSWORD": "canary/@:?#lane",
    "SQUARE_SOUTH_PASSWORD": "canary-square",
}


def test_the_examples_are_good() -> None:
    node = load_node(EXAMPLES / "node.yaml", SECRETS)
    assert [camera.camera_id for camera in node.cameras] == ["lane-east", "square-south"]
    assert load_centre(EXAMPLES / "centre.yaml", SECRETS).centre.policies == EXAMPLES / "policies.yaml"
    assert load_policies(EXAMPLES / "policies.yaml").policies
    assert load_cameras(EXAMPLES / "cameras.yaml").cameras[0].area_code == "370102003005007"
    assert load_lanes(EXAMPLES / "lanes.yaml").lanes[0].cameras == ("lane-east",)
    (rules,) = load_rules(EXAMPLES / "rules.yaml").cameras
    assert [rule.version for rule in rules.rules] == [2]
    assert "place_class" not in rules.model_fields_set  # left out: as it is


def test_a_password_of_any_characters_reaches_the_camera_and_nothing_that_is_printed() -> None:
    node = load_node(EXAMPLES / "node.yaml", SECRETS)
    assert node.cameras[0].url.reveal() == "rtsp://viewer:canary%2F%40%3A%3F%23lane@10.0.0.9/stream2"
    assert node.node.broker.password is not None
    assert node.node.broker.password.get_secret_value() == "canary-broker"
    for printed in (repr(node), str(node), str(node.model_dump()), node.model_dump_json(), str(node.cameras[0].url)):
        assert "canary" not in printed


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(
        "node: {node_id: n, data_dir: data}\n"
        "detectors: {objects: {model: models/a.onnx, card: models/a.json}, other: {model: embedded}}\n"
        "models_catalogue: models/catalogue.json\n"
        "cameras: [{camera_id: a, name: a, url: 'file:clips/a.mp4'}, {camera_id: b, name: b, url: 'file:/abs/b.mp4'}]\n"
    )
    node = load_node(file, {})
    assert node.data_dir == tmp_path / "data"
    assert node.detectors["objects"].model == str(tmp_path / "models/a.onnx")
    assert node.detectors["other"].model == "embedded"
    assert node.models_catalogue == tmp_path / "models/catalogue.json"
    assert [camera.url.reveal() for camera in node.cameras] == [f"file:{tmp_path}/clips/a.mp4", "file:/abs/b.mp4"]


def test_every_problem_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(
        """
node: {node_id: Edge_01, data_dir: d, broker: {prot: 1}}
cameras:
  - camera_id: lane
    name: lane
    url: "http://h/1"
    rules:
      - {rule_id: a, hazard: crowd, zone: [[0, 0], [1, 1]], raise_at_count: 3, clear_at_count: 5}
      - {rule_id: a, hazard: flood}
  - {camera_id: lane, name: 5, url: "rtsp://${GONE}@h/2"}
"""
    )
    with pytest.raises(ConfigError) as caught:
        load_node(file, {})
    problems = caught.value.problems
    assert {problem.key for problem in problems} == {
        "node.node_id",
        "node.broker.prot",
        "cameras.0.url",
        "cameras.0.rules.0.zone",
        "cameras.0.rules.0.clear_at_count",
        "cameras.0.rules.1",
        "cameras.0.rules.1.rule_id",
        "cameras.1.camera_id",
        "cameras.1.name",
        "cameras.1.url",
    }
    lines = [problem.line or 0 for problem in problems]
    assert lines == sorted(lines)
    assert lines[0] == 2
    assert lines[-1] == 10


@pytest.mark.parametrize("loader", [load_node, load_centre, load_policies, load_cameras, load_areas, load_lanes])
def test_a_missing_file_is_said_plainly(loader, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        loader(tmp_path / "none.yaml")


def test_a_file_of_a_hundred_megabytes_is_refused_without_reading_it(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(100 * 1024 * 1024)
    with pytest.raises(ConfigError, match="expected at most 1048576 bytes, got 104857600"):
        load_node(file, {})


def test_deep_nesting_of_areas_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "areas.geojson"
    file.write_text("[" * 200_000)
    with pytest.raises(ConfigError):
        load_areas(file)


def test_a_broken_value_never_raises_anything_but_a_config_error(tmp_path: Path) -> None:
    """One field of the example replaced at a time, by things people and machines write there."""
    original = yaml.safe_load((EXAMPLES / "node.yaml").read_text(encoding="utf-8"))
    strange = [
        None,
        -1,
        10**40,
        1.5,
        "x",
        "",
        True,
        [],
        {},
        [[]],
        {"a": 1},
        "${GONE}",
        "2026-01-01",
        "\U0001f600" * 100,
    ]
    chance = random.Random(7)
    file = tmp_path / "node.yaml"
    told: list[str] = []
    for _ in range(250):
        value = yaml.safe_load(yaml.safe_dump(original))
        place = value
        while True:
            key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.8:
                place = place[key]
                continue
            place[key] = chance.choice(strange)
            break
        file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
        try:
            load_node(file, SECRETS)
        except ConfigError as error:
            told.append(str(error))
    assert len(told) > 100
    assert [text for text in told if not text or "canary" in text] == []


def test_the_first_matching_row_decides() -> None:
    table = load_policies(EXAMPLES / "policies.yaml")
    lane, orange, grid = Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE, AreaLevel.GRID
    assert table.policy_for(lane, orange, PlaceClass.SCHOOL, grid, NOON).take_s == 60
    assert table.policy_for(lane, orange, PlaceClass.STREET, grid, NOON).take_s == 180
    assert table.policy_for(Hazard.CROWD, orange, PlaceClass.STREET, grid, NOON).take_s == 600
    assert table.folding_for(Hazard.CROWD).radius_m == 150
    assert table.folding_for(Hazard.INTRUSION).radius_m == 50


def test_the_database_address_is_filled_in_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "centre.yaml"
    file.write_text("centre: {data_dir: d, policies: p.yaml}\n")
    assert load_centre(file, {}).centre.database_url == f"sqlite:///{tmp_path}/d/centre.db"
    file.write_text(
        'centre: {data_dir: d, policies: p.yaml, roles: [api], database: "postgresql+asyncpg://c:${PW}@h/x"}\n'
    )
    centre = load_centre(file, {"PW": "canary@"})
    assert centre.centre.database_url == "postgresql+asyncpg://c:canary%40@h/x"
    assert "canary" not in repr(centre) + centre.model_dump_json()


def test_areas_become_a_tree(tmp_path: Path) -> None:
    file = tmp_path / "areas.geojson"
    ring = "[[0, 0], [1, 0], [1, 1], [0, 0]]"
    feature = (
        '{{"type": "Feature", "id": 1, "properties": {{"code": "{code}", "name": "n", "level": "{level}"}}, '
        '"geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    )
    features = ", ".join(
        feature.format(code=code, level=level, ring=ring) for code, level in (("3701", "city"), ("370102", "county"))
    )
    file.write_text('{"type": "FeatureCollection", "name": "x", "features": [' + features + "]}")
    areas = load_areas(file)
    assert [item.properties.code for item in areas.features] == ["3701", "370102"]
