"""Zones moved with a camera that was nudged: what a proposal holds, and when there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.edge.hot_node import START
from tests.unit.edge.hot_node import camera as camera_settings
from xueliang_configs.cameras import CameraConfig, CameraRules
from xueliang_edge.hot_rules.realigning import ProposalFiles, Proposing, propose

SHIFT = (0.05, -0.1)
SQUARE = [[0.2, 0.3], [0.6, 0.3], [0.6, 0.7], [0.2, 0.7]]


def turning(*rules: dict[str, Any]) -> CameraConfig:
    views = [{"view_id": "gate", "name": "Gate"}, {"view_id": "yard", "name": "Yard"}]
    return CameraConfig.model_validate(camera_settings("ptz", *rules, views=views))


def rule(rule_id: str, hazard: str = "illegal_parking", **settings: Any) -> dict[str, Any]:
    return {"rule_id": rule_id, "hazard": hazard, "zone": SQUARE, "view": "gate"} | settings


def moved(*rules: dict[str, Any]) -> dict[str, dict[str, Any]]:
    part = propose(turning(*rules), "gate", SHIFT, START).cameras_part
    assert part is not None
    CameraRules.model_validate(part)
    return {one["rule_id"]: one for one in part["rules"]}


def test_only_the_rules_of_the_view_move() -> None:
    rules = moved(rule("a"), rule("b", view="yard"))
    assert np.array(rules["a"]["zone"]) == pytest.approx(np.array([[0.25, 0.2], [0.65, 0.2], [0.65, 0.6], [0.25, 0.6]]))
    assert rules["b"]["zone"] == SQUARE


def test_everything_that_is_a_place_moves_and_what_is_outside_is_cut_off() -> None:
    line = {"rule_id": "l", "hazard": "line_crossing", "view": "gate", "line": [[0.2, 0.5], [0.8, 0.5]]}
    rules = moved(
        rule("a", zone=[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], exclude_zones=[SQUARE]),
        rule("w", "wrong_way", direction=[[0.2, 0.5], [0.98, 0.5]]),
        line,
    )
    corners = np.array(sorted(rules["a"]["zone"]))
    assert corners == pytest.approx(np.array([[0.05, 0.0], [0.05, 0.9], [1.0, 0.0], [1.0, 0.9]])), "whichever is first"
    assert rules["a"]["exclude_zones"][0][0] == pytest.approx([0.25, 0.2])
    assert rules["w"]["direction"] == [[0.2, 0.5], [0.98, 0.5]], "a direction stays one"
    assert np.array(rules["l"]["line"]) == pytest.approx(np.array([[0.25, 0.4], [0.85, 0.4]]))


def test_the_ground_moves_with_the_only_view_and_stays_where_nobody_knows_of_which_it_is() -> None:
    points = (([0.3, 0.56], [0, 0]), ([0.7, 0.56], [4, 0]), ([0.63, 0.23], [4, 6]), ([0.37, 0.23], [0, 6]))
    ground = {"points": [{"picture": picture, "metres": metres} for picture, metres in points]}
    for views, first in ((["gate"], [0.35, 0.46]), (["gate", "yard"], [0.3, 0.56])):
        named = [{"view_id": one, "name": one} for one in views]
        settings = camera_settings("ptz", rule("a"), views=named, ground=ground)
        part = propose(CameraConfig.model_validate(settings), "gate", SHIFT, START).cameras_part
        assert part is not None
        assert part["ground"]["points"][0]["picture"] == pytest.approx(first)


def test_a_rule_that_leaves_the_picture_is_told_and_nothing_can_be_applied() -> None:
    one = propose(turning(rule("a", zone=[[0.2, 0.0], [0.4, 0.0], [0.4, 0.08]])), "gate", SHIFT, START)
    assert one.cameras_part is None
    assert one.problems == ("rule a: its zone leaves the picture: draw it anew",)


def test_a_proposal_is_there_as_long_as_the_camera_looks_beside(tmp_path: Path) -> None:
    files, camera = ProposalFiles(tmp_path), turning(rule("a"))
    proposing = Proposing(files)

    def seen(shift: tuple[float, float] | None) -> list[tuple[float, float]]:
        proposing.follow(camera, {"gate": shift, "yard": None}, START)
        assert list(files.all()) == list(proposing.current.values())
        return [one.shift_xyn for one in files.all()]

    assert seen(None) == []
    assert seen((0.004, 0.0)) == []
    assert seen(SHIFT) == [SHIFT]
    assert seen((0.052, -0.1)) == [SHIFT], "the same"
    assert seen((0.08, -0.1)) == [(0.08, -0.1)]
    assert seen(None) == []
    assert seen(SHIFT) == [SHIFT]
    proposing.approved("ptz", "gate")
    assert seen(SHIFT) == [], "capture has not said yet that it is known by its new place"
    assert seen(None) == []
    assert seen(SHIFT) == [SHIFT], "nudged again"


def test_a_proposal_of_an_earlier_run_is_not_believed(tmp_path: Path) -> None:
    files = ProposalFiles(tmp_path)
    files.write(propose(turning(rule("a")), "gate", SHIFT, START))
    Proposing(files).forget_earlier()
    assert list(files.all()) == []
