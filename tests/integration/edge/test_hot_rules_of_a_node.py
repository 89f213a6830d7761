"""Rules of a node that runs: changed in the file and by command, refused, rolled back; killed in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.edge.scenes import CAMERA_PASSWORD, LANE, LaneScene, lane_camera, write_settings
from tests.support.brokers import free_port, wait_until
from tests.support.node_process import NodeProcess, node_process, spooled
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Alert, EndReason, Phase
from xueliang_configs.cameras import CameraRules
from xueliang_edge.cli import main
from xueliang_edge.hot_rules.orders import OrderFiles, new_order
from xueliang_edge.hot_rules.versions import VersionFiles
from xueliang_streams.rtsp_server import RtspServer

pytestmark = [pytest.mark.fixtures, pytest.mark.slow, pytest.mark.timeout(240)]

CORNER = [[0.9, 0.9], [1.0, 0.9], [1.0, 1.0]]
"""Nothing ever stands there."""


@pytest.fixture
def scene(tmp_path: Path) -> LaneScene:
    return LaneScene(tmp_path)


@pytest.fixture
def server(scene: LaneScene) -> Iterator[RtspServer]:
    with RtspServer({"lane": scene.mount}, wall=system_wall, login=("user", CAMERA_PASSWORD)) as one:
        yield one


def exit_rule(zone: list[list[float]]) -> dict[str, Any]:
    return {"rule_id": "exit", "hazard": "blocked_exit", "zone": zone, "dwell_s": 3, "clear_after_s": 3}


def edit(settings: Path, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(settings.read_text())
    change(value)
    settings.write_text(json.dumps(value, ensure_ascii=False, indent=1))


def raised(node: NodeProcess, count: int) -> None:
    node.until(lambda health: health["counters"]["alerts"].get("raised", 0) >= count, f"{count} alerts are raised")


def runs(node: NodeProcess, version: int, source: str) -> None:
    def holds(health: dict[str, Any]) -> bool:
        (camera,) = health["rules"]["cameras"]
        return (camera["version"], camera["source"]) == (version, source)

    node.until(holds, f"version {version} by {source} runs")


def phases(alerts: list[Alert], rule_id: str) -> list[tuple[Phase, EndReason | None]]:
    return [(alert.phase, alert.end_reason) for alert in alerts if alert.rule_id == rule_id]


def test_rules_change_around_an_open_alert(
    tmp_path: Path, scene: LaneScene, server: RtspServer, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = lane_camera(server.url("lane"))
    camera["rules"].append(exit_rule(LANE))
    settings = write_settings(tmp_path, [camera])
    scene.park()
    with node_process(settings) as node:
        node.start()
        raised(node, 2)

        # By file: the exit's zone is another one. Its alert ends, the lane's stays.
        edit(settings, lambda value: value["cameras"][0]["rules"].__setitem__(1, exit_rule(CORNER)))
        runs(node, 2, "file")
        node.until(lambda health: health["counters"]["alerts"].get("cleared") == 1, "the changed rule's alert ends")
        assert node.health()["cameras"][0]["open_alerts"] == 1

        # A file that is none: said with its line, what runs goes on.
        good = settings.read_text()
        settings.write_text(good.replace('"dwell_s": 3', '"dwell_s": [3'))
        node.until(lambda health: health["rules"]["refused"], "the broken file is refused")
        (refused,) = node.health()["rules"]["refused"]
        line = 1 + good.splitlines().index(next(text for text in good.splitlines() if '"dwell_s": 3' in text))
        assert refused["where"].startswith(f"{settings}:")
        assert abs(int(refused["where"].rpartition(":")[2]) - line) <= 2
        assert any(problem.startswith("rules: not taken since ") for problem in node.health()["problems"])
        assert node.health()["cameras"][0]["open_alerts"] == 1
        settings.write_text(good)
        node.until(lambda health: not health["rules"]["refused"], "the mended file is read")

        # By command: back to the first version; the exit is raised anew.
        assert main(["rules", "rollback", "lane-east", "--config", str(settings)]) == 0
        assert "lane-east: version 3 is in force" in capsys.readouterr().out
        raised(node, 3)
        looks = node.health()["cameras"][0]["looks"]

        # Killed: the command's rules go on, and so do both alerts.
        node.kill()
        node.start()
        runs(node, 3, "command")
        node.until(lambda health: health["cameras"][0]["looks"] > min(looks, 4), "it watches again")
        assert node.health()["cameras"][0]["open_alerts"] == 2
        assert main(["check", "--config", str(settings)]) == 0
        assert "rules: version 3, by command" in capsys.readouterr().out
        scene.leave()
        node.until(lambda health: health["counters"]["alerts"].get("cleared") == 2, "both are seen to be gone")
        assert node.terminate()[0] == 0
    alerts = spooled(tmp_path / "data")
    seen_gone = (Phase.CLEARED, EndReason.SEEN_CLEAR)
    assert phases(alerts, "lane") == [(Phase.RAISED, None), seen_gone]
    assert len({alert.alert_id for alert in alerts if alert.rule_id == "lane"}) == 1
    assert [alert.revision for alert in alerts if alert.rule_id == "lane"] == [1, 2]
    assert phases(alerts, "exit") == [
        (Phase.RAISED, None),
        (Phase.CLEARED, EndReason.RULE_CHANGED),
        (Phase.RAISED, None),
        seen_gone,
    ]


@pytest.fixture
def blind_node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node whose camera is away: for what the commands say."""
    url = f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:{free_port()}/nobody"
    with node_process(write_settings(tmp_path, [lane_camera(url)])) as node:
        node.start()
        node.until(lambda health: health["rules"]["read_at"], "it follows its file")
        yield node


def test_the_commands_as_their_users_see_them(
    tmp_path: Path, blind_node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(blind_node.settings)]
    assert main(["rules", "show", *config]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# lane-east: version 1, by file, ")
    draft = tmp_path / "draft.yaml"
    value = yaml.safe_load(shown)
    value["cameras"][0]["rules"][0]["dwell_s"] = 90
    draft.write_text(json.dumps(value))
    assert main(["rules", "apply", str(draft), "--note", "vans unload here", *config]) == 0
    said = capsys.readouterr().out
    assert "lane-east: version 2 is in force" in said
    assert "note: rule lane changed and keeps version 1" in said
    runs(blind_node, 2, "command")
    assert not blind_node.health()["rules"]["cameras"][0]["is_as_file"]

    value["cameras"][0]["rules"].append({"rule_id": "fire", "hazard": "fire_smoke", "zone": LANE})
    draft.write_text(json.dumps(value))
    assert main(["rules", "apply", str(draft), *config]) == 2
    told = capsys.readouterr().err
    assert "lane-east: refused; version 2 goes on" in told
    assert "cameras.0.rules.1: rule fire (fire_smoke) cannot run: the model of detector" in told

    draft.write_text("cameras:\n  - camera_id: lane-east\n    rules:\n      - {rule_id: lane, hazard: parking}\n")
    assert main(["rules", "apply", str(draft), *config]) == 2
    assert f"{draft}:4: cameras.0.rules.0" in capsys.readouterr().err

    assert main(["rules", "rollback", "lane-east", "7", *config]) == 2
    assert "lane-east: no version 7; there: 1, 2" in capsys.readouterr().err
    good = blind_node.settings.read_text()
    blind_node.settings.write_text(good + "}")
    assert main(["rules", "rollback", "lane-east", *config]) == 2
    assert "not YAML" in capsys.readouterr().err
    assert main(["rules", "rollback", "lane-east", "2", "--data-dir", str(tmp_path / "data")]) == 0
    assert "nothing to change, version 2 says the same" in capsys.readouterr().out
    blind_node.settings.write_text(good)
    assert main(["rules", "apply", *config]) == 0
    assert "lane-east: version 3 is in force" in capsys.readouterr().out
    assert main(["rules", "versions", *config]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.partition(", ")[0] for line in listed] == [f"lane-east: version {number}" for number in (1, 2, 3)]
    assert "vans unload here (given by " in listed[1]
    told = blind_node.log.read_text() + "".join(path.read_text() for path in (tmp_path / "data" / "rules").iterdir())
    assert CAMERA_PASSWORD not in told


def test_a_node_that_is_not_there_is_said_and_nothing_comes_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = write_settings(tmp_path, [lane_camera("rtsp://127.0.0.1:9/nobody")])
    assert main(["rules", "apply", "--config", str(settings)]) == 1
    assert "no node has run with these settings yet" in capsys.readouterr().err
    folder = tmp_path / "data" / "rules"
    folder.mkdir(parents=True)
    monkeypatch.setattr("xueliang_edge.rules_commands.ANSWER_WITHIN_S", 0.3)
    assert main(["rules", "apply", "--config", str(settings)]) == 1
    assert "is it running? Nothing was changed" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_killed_as_soon_as_a_version_is_on_the_disk(tmp_path: Path, blind_node: NodeProcess) -> None:
    """Whether or not it was in force by then: the next start runs it, once, and answers the command."""
    folder = tmp_path / "data" / "rules"
    orders, files = OrderFiles(folder), VersionFiles(folder)
    value = json.loads(blind_node.settings.read_text())["cameras"][0]
    rules = [value["rules"][0] | {"dwell_s": 77}]
    order = new_order((CameraRules.model_validate({"camera_id": "lane-east", "rules": rules}),), system_wall())
    orders.give(order)
    wait_until(lambda: len(files.all("lane-east")) == 2, what="the version is on the disk", timeout_s=10)
    blind_node.kill()
    blind_node.start()
    runs(blind_node, 2, "command")
    wait_until(lambda: orders.answer(order.order_id) is not None, what="the command is answered", timeout_s=10)
    answer = orders.answer(order.order_id)
    assert answer is not None
    assert [(one.outcome, one.version) for one in answer.cameras] == [("applied", 2)]
    assert [one.version for one in files.all("lane-east")] == [1, 2]
    assert not (folder / "taken.json").exists()
    assert blind_node.health()["counters"]["rules"]["applied"] == 0  # it began with it
