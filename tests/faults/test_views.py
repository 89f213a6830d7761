"""A real node with a real RTSP camera that turns between two presets and is nudged: rules run only in their view, a
preset is never "moved", moved zones are proposed and taken when they are approved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.edge.scenes import lane_camera, write_settings
from tests.support.node_process import NodeProcess, node_process
from tests.support.views import HEIGHT, WIDTH, Image
from xueliang_alerts.clocks import system_wall
from xueliang_configs.loading import load_node
from xueliang_demo.scenes import FireLaneScene
from xueliang_edge.cli import main
from xueliang_edge.hot_rules.realigning import ProposalFiles
from xueliang_edge.hot_rules.versions import FOLDER, VersionFiles
from xueliang_edge.observation_log.reading import read_history
from xueliang_edge.observations import ViewFault, ViewState
from xueliang_streams.encoding import encode_clip
from xueliang_streams.rtsp_server import RtspServer
from xueliang_streams.segments import SegmentedMount

FPS = 5
CORNERS = {"gate": (60, 300), "yard": (560, 200), "nudged": (100, 300), "elsewhere": (300, 0)}
NUDGED_BY = -40 / WIDTH
ZONE = [[0.3, 0.5], [0.7, 0.5], [0.7, 0.9], [0.3, 0.9]]


class TurningCamera:
    """Shows what it is turned to within two seconds."""

    def __init__(self, folder: Path) -> None:
        self.now = "gate"
        wide = FireLaneScene(size_wh=(2 * WIDTH, 2 * HEIGHT), fps=FPS)
        frames = [wide.frame("empty", number / FPS) for number in range(2 * FPS)]
        clips = {}
        for name, (x, y) in CORNERS.items():
            pictures: list[Image] = [np.ascontiguousarray(one[y : y + HEIGHT, x : x + WIDTH]) for one in frames]
            clips[name] = folder / f"{name}.mp4"
            encode_clip(clips[name], iter(pictures), FPS, gop=FPS)
        self.mount = SegmentedMount(clips, "gate", lambda _: self.now, starts="immediately")


def settings_of(url: str) -> dict[str, Any]:
    camera = lane_camera(url, camera_id="ptz", dwell_s=600) | {"look_every_s": 1.0}
    (rule,) = camera["rules"]
    rule |= {"zone": ZONE, "version": 1}
    fault = {"rule_id": "view", "hazard": "camera_fault", "fault": "view", "view_after_s": 5, "clear_after_s": 2}
    camera["rules"] = [rule | {"rule_id": "at-gate", "view": "gate"}, rule | {"rule_id": "in-yard", "view": "yard"}]
    camera["rules"].append(fault)
    return camera | {"views": [{"view_id": "gate", "name": "Gate"}, {"view_id": "yard", "name": "Yard"}]}


def camera_of(health: dict[str, Any]) -> dict[str, Any]:
    (camera,) = health["cameras"]
    return dict(camera)


def states(health: dict[str, Any]) -> dict[str, str]:
    return {view["view_id"]: view["state"] for view in camera_of(health)["views"]}


@pytest.mark.fixtures
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_camera_that_turns_is_learnt_recognised_and_its_zones_follow_when_approved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = TurningCamera(tmp_path)
    with RtspServer({"ptz": camera.mount}, wall=system_wall) as server:
        path = write_settings(tmp_path, [settings_of(server.url("ptz"))])
        config = ["--config", str(path)]
        with node_process(path) as node:
            node.start()
            node.until(lambda health: camera_of(health)["looks"] >= 3, "looked at", 60)
            assert states(node.health()) == {"gate": "no_reference", "yard": "no_reference"}
            assert any("xueliang-edge views learn ptz gate" in one for one in node.health()["problems"])
            for view in ("gate", "yard"):
                turn(node, camera, view)
                assert main(["views", "learn", "ptz", view, *config]) == 0
                node.until(lambda health, view=view: states(health)[view] == "known", f"{view} known", 60)
            for view in ("gate", "yard", "gate", "yard", "gate"):
                camera.now = view
                node.until(lambda health, view=view: camera_of(health)["view_id"] == view, f"{view} shown", 20)
            assert camera_of(node.health())["view"] == "good"
            turned_at = system_wall()

            camera.now = "nudged"
            node.until(lambda health: camera_of(health)["view"] == "doubtful", "unknown", 20)
            node.until(lambda health: any("views proposals" in one for one in health["problems"]), "proposed", 75)
            (proposal,) = ProposalFiles(tmp_path / "data" / FOLDER).all()
            assert proposal.shift_xyn == pytest.approx((NUDGED_BY, 0), abs=0.006)
            assert [one.version for one in VersionFiles(tmp_path / "data" / FOLDER).all("ptz")] == [1], "by itself: no"
            assert main(["views", "proposals", *config]) == 0
            assert main(["views", "approve", "ptz", "gate", *config]) == 0
            node.until(lambda health: camera_of(health)["view_id"] == "gate", "recognised at its new place", 20)
            node.until(lambda health: not any("views proposals" in one for one in health["problems"]), "settled", 20)
            assert main(["views", "show", *config]) == 0
            assert "ptz gate: known, shown now" in capsys.readouterr().out
            node.terminate()
        last = VersionFiles(tmp_path / "data" / FOLDER).last("ptz")
    assert last is not None
    moved = {one["rule_id"]: one.get("zone") for one in last.settings["rules"]}
    wanted = np.array(ZONE) + np.array([NUDGED_BY, 0])
    assert np.array(moved["at-gate"]) == pytest.approx(wanted, abs=0.006)
    assert moved["in-yard"] == ZONE
    history = read_history(tmp_path / "data" / "log", "ptz", None, turned_at)
    seen = [one for part in history.looks for one in part.observations()]
    assert {one.view_id for one in seen if one.view is ViewState.GOOD} == {"gate", "yard"}
    assert ViewFault.MOVED not in {one.view_fault for one in seen}
    assert load_node(path).cameras[0].told_apart == ("gate", "yard")


def turn(node: NodeProcess, camera: TurningCamera, view: str) -> None:
    """And wait for pictures of it."""
    looks = camera_of(node.health())["looks"]
    camera.now = view
    node.until(lambda health: camera_of(health)["looks"] >= looks + 6, f"turned to {view}", 30)
