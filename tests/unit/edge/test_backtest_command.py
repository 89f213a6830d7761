"""`xueliang-edge backtest`: what it prints, and how it says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.edge.logged import group_of, keep
from tests.unit.edge.observing import CAR, seen, times
from xueliang_edge.cli import main

NODE = """
node: {{node_id: edge-1, data_dir: data}}
cameras:
  - camera_id: lane
    name: lane
    url: file:lane.mp4
    rules:
      - {{rule_id: fire-lane, hazard: fire_lane_obstruction, zone: {zone}, dwell_s: 30, clear_after_s: 3}}
"""
ZONE = "[[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]"
DRAFT = f"rule_id: fire-lane\nhazard: fire_lane_obstruction\nzone: {ZONE}\ndwell_s: 45\nclear_after_s: 3\n"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node's folder with a log of two minutes, in which a car stands in the lane for a while."""
    (tmp_path / "node.yaml").write_text(NODE.format(zone=ZONE))
    (tmp_path / "draft.yaml").write_text(DRAFT)
    (tmp_path / "data").mkdir()
    looks = [seen(at_s, [CAR] if 10 <= at_s < 80 else []) for at_s in times(120, 1.0)]
    keep(tmp_path / "data" / "log", 1, group_of(looks))
    return tmp_path


def backtest(node: Path, *more: str, camera: str = "lane", rule: str = "draft.yaml") -> int:
    config = ["--config", str(node / "node.yaml"), "--camera", camera, "--rule", str(node / rule)]
    return main(["backtest", *config, *more])


def test_it_says_what_the_draft_would_have_raised_and_what_moves(
    node: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(node, "--json", str(node / "answer.jsonl")) == 0
    told = capsys.readouterr().out
    assert "the draft would have raised 1 alert" in told
    assert "0 added, 0 gone, 1 moved, 0 the same" in told
    assert "moved +15 s" in told
    assert "seen by another model than today's" in told  # the looks of this test name no real model
    rows = [json.loads(line) for line in (node / "answer.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["summary", "alert", "moved", "cannot_answer"]
    assert rows[0]["cannot_answer_s"] == {"other_model": 120}
    assert "covered by car" in rows[1]["reason"]


def test_a_part_of_the_time_may_be_asked_for(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(node, "--from", "2026-11-20") == 0
    assert "--from has no offset, taken as local time" in capsys.readouterr().err
    assert backtest(node, "--from", "2026-11-23T08:00:30Z", "--to", "2026-11-23T08:02:00Z", "--json", "-") == 0
    (summary, *_) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (summary["looks"], summary["alerts"], summary["total_s"]) == (91, 1, 90)


def test_operators_judgements_are_counted(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (node / "judged.csv").write_text("verdict,at\ntrue,2026-11-23T08:01:00Z\n")
    assert backtest(node, "--judged", str(node / "judged.csv")) == 0
    told = capsys.readouterr().out
    assert "precision 100%: 1 of 1 judged alerts true" in told
    assert "recall 100%: 1 of 1 true hazards raised" in told


def said(node: Path, capsys: pytest.CaptureFixture[str], *more: str, **others: str) -> str:
    """What it says when something is wrong."""
    assert backtest(node, *more, **others) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_what_is_wrong_is_said_with_what_to_try(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 'no camera "gate"' in (told := said(node, capsys, camera="gate"))
    assert "hint: there: lane" in told
    assert '--to: expected a moment like 2026-11-23T08:00:00+08:00, got "noon"' in said(node, capsys, "--to", "noon")
    later = ("--from", "2026-11-24T08:00Z", "--to", "2026-11-23T08:00Z")
    assert "--from: expected a moment before --to" in said(node, capsys, *later)
    (node / "broken.yaml").write_text(DRAFT + "dwel_s: 5\n")
    assert "broken.yaml:6: dwel_s: " in said(node, capsys, rule="broken.yaml")
    (node / "empty.yaml").write_text("rule_id: fire-lane\nhazard: fire_lane_obstruction\n")
    assert "empty.yaml:1: zone: required key is missing" in said(node, capsys, rule="empty.yaml")
    (node / "judged.csv").write_text("verdict,at\nmaybe,2026-11-23T08:01:00Z\n")
    assert "judged.csv:2: verdict: expected true" in said(node, capsys, "--judged", str(node / "judged.csv"))
    assert "--suggest: expected --judged FILE" in said(node, capsys, "--suggest")
    (node / "judged.csv").write_text("verdict,at\nfalse,2026-11-23T08:01:00Z\n")
    told = said(node, capsys, "--suggest", "--judged", str(node / "judged.csv"))
    assert "judged false, got none in this time; 1 lie where the log cannot be relied on" in told
    (node / "data" / "log" / "0000000001.segment").unlink()
    assert "log: no observation log here" in said(node, capsys)


def test_a_time_without_looks_can_say_nothing(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(node, "--from", "2026-12-01T00:00Z", "--to", "2026-12-02T00:00Z") == 0
    told = capsys.readouterr().out
    assert "cannot answer: 1.0 d (100.0%): nothing logged" in told
    assert "alerts a day cannot be said" in told
