"""Stills of rules on trial: kept here, bounded, with their reason; a disk that refuses costs no more than the still."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.shared_pictures import shared_picture
from tests.unit.edge.test_masker_fails_closed import AT, CAMERA, GREY, Masker, decision, look, one_person, served
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.evidence import trials
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.evidence.stills import Still
from xueliang_edge.evidence.trials import PER_RULE_AT_MOST, WAITING_AT_MOST, TrialStills
from xueliang_edge.evidence.uploading import EvidenceStore
from xueliang_edge.rules.episodes import Decision, Moment

RULE = CAMERA.rules[0]


def raised(after_s: float = 0.0) -> Decision:
    at = AT + timedelta(seconds=after_s)
    return replace(decision(), raised=Moment(10.0 + after_s, at, 10.0), measures={"share": (0.4, "share")})


@pytest.fixture
def still(tmp_path: Path) -> Still:
    with shared_picture(GREY) as picture:
        gatherer = Gatherer(
            served(Masker(one_person), picture), EvidenceStore(tmp_path / "e"), time.monotonic, lambda *_: picture.scene
        )
        made = gatherer.of_trial(CAMERA, RULE, decision(), look(picture.handle))
        assert made is not None
        assert gatherer.of_trial(CAMERA, RULE, decision(Phase.UPDATED), look(picture.handle)) is None
        assert gatherer.of_trial(CAMERA, RULE, decision(Phase.CLEARED, EndReason.SEEN_CLEAR), None) is None
        assert gatherer.of_trial(CAMERA, CAMERA.rules[1], decision(), look(picture.handle)) is None
        assert gatherer.of_trial(CAMERA, RULE, decision(), None) is None
        assert gatherer.refused == {"trial_no_picture": 1}
        assert gatherer.composed == 0
    return made


def test_without_a_centre_no_still_is_composed_for_a_trial_either() -> None:
    with shared_picture(GREY) as picture:
        gatherer = Gatherer(served(Masker(one_person), picture), None, time.monotonic, lambda *_: picture.scene)
        assert gatherer.of_trial(CAMERA, RULE, decision(), look(picture.handle)) is None


def test_a_still_is_kept_with_its_reason_when_the_disk_has_time(tmp_path: Path, still: Still) -> None:
    kept = TrialStills(tmp_path / "trials", lambda: AT)
    kept.keep("lane-east", RULE, raised(), still)
    assert not (tmp_path / "trials").exists()
    kept.write()
    folder = tmp_path / "trials/lane-east/lane"
    (picture,) = folder.glob("*.jpg")
    assert picture.read_bytes() == still.jpeg
    assert picture.stat().st_mode & 0o777 == 0o600
    about = json.loads(picture.with_suffix(".json").read_text())
    assert about["reason"] == "blocked"
    assert about["measures"] == {"share": {"value": 0.4, "unit": "share"}}
    assert kept.counts == {"kept": 1}


def test_the_oldest_of_a_rule_go_first(tmp_path: Path, still: Still) -> None:
    kept = TrialStills(tmp_path, lambda: AT)
    for second in range(PER_RULE_AT_MOST + 5):
        kept.keep("lane-east", RULE, raised(second), still)
        kept.write()
    names = sorted(path.name for path in (tmp_path / "lane-east/lane").glob("*.jpg"))
    assert len(names) == PER_RULE_AT_MOST
    assert names[0] == (AT + timedelta(seconds=5)).strftime(trials.STAMP) + ".jpg"
    assert kept.counts["removed"] == 5


def test_what_is_a_week_old_goes_though_its_rule_never_raises_again(tmp_path: Path, still: Still) -> None:
    now = AT
    kept = TrialStills(tmp_path / "trials", lambda: now)
    kept.keep("lane-east", RULE, raised(), still)
    kept.write()
    folder = tmp_path / "trials/lane-east/lane"
    (folder / "half.jpg.part").write_bytes(b"a kill left this")
    now += timedelta(minutes=59)
    kept.write()
    assert len(list(folder.iterdir())) == 3
    now = AT + timedelta(days=trials.DAYS, hours=1)
    kept.write()
    assert list(folder.iterdir()) == []
    assert kept.counts["removed"] == 1


def test_a_disk_that_refuses_and_too_many_at_once_are_counted(tmp_path: Path, still: Still) -> None:
    (tmp_path / "trials").write_text("not a folder")
    kept = TrialStills(tmp_path / "trials", lambda: AT)
    for second in range(WAITING_AT_MOST + 3):
        kept.keep("lane-east", RULE, raised(second), still)
    kept.write()
    assert kept.counts == {"dropped_too_many": 3, "disk_refused": WAITING_AT_MOST}
