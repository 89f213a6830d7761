"""Looks handed to the log reach the disk or are counted, and the same rules over the log say what was said live."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.street_life import Street, looks
from tests.unit.edge.logged import assert_all_same, group_of, keep
from tests.unit.edge.observing import CAR, START, camera, lane_rule, seen
from xueliang_alerts.contract import EndReason, Phase
from xueliang_edge.observation_log import writing
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observation_log.files import log_files, path_of
from xueliang_edge.observation_log.framing import FrameKind, framed
from xueliang_edge.observation_log.groups import header
from xueliang_edge.observation_log.reading import Gap, GapReason, read_history
from xueliang_edge.observation_log.replaying import replayed
from xueliang_edge.observation_log.writing import GROUP_S, QUEUED_AT_MOST, STOP_S, NoLog, ObservationLog
from xueliang_edge.observations import Observation, ViewState
from xueliang_edge.rules.judge import CameraJudge, Judged

DAY_S = 86_400.0


class Clock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.now_s, self.wall_ahead_s = 50.0, 0.0

    def mono(self) -> float:
        return self.now_s

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now_s + self.wall_ahead_s)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def open_log(
    folder: Path, clock: Clock, *, run_id: str = "run-1", days: float = 7, max_mb: float = 64
) -> ObservationLog:
    return ObservationLog(folder, run_id, wall=clock.wall, mono=clock.mono, days=days, max_bytes=round(max_mb * 2**20))


def nothing_remembered() -> Mapping[str, Any]:
    return {}


def write(log: ObservationLog | NoLog, observations: Iterable[Observation]) -> list[Observation]:
    return [log.record(one, nothing_remembered) for one in observations]


def read(folder: Path, camera_id: str = "lane") -> list[Observation | Gap]:
    return list(read_history(folder, camera_id).observations())


def wait_for(what: str, condition: Any, clock: Clock) -> None:
    """Time passes for the log meanwhile: it flushes."""
    until_s = time.monotonic() + 15
    while not condition():
        clock.now_s += 0.1
        assert time.monotonic() < until_s, f"not seen within 15 s: {what}"
        time.sleep(0.02)


def test_what_is_judged_is_what_is_read_back(tmp_path: Path, clock: Clock) -> None:
    log = open_log(tmp_path, clock)
    log.start()
    judged = write(log, looks(Street(parked=2, passing=1, weak=2), 40))
    log.close()
    assert_all_same([one for one in read(tmp_path) if isinstance(one, Observation)], judged)
    assert log.report().counts["written"] == 40


def test_without_a_log_the_same_is_judged() -> None:
    street = list(looks(Street(parked=1, passing=1, weak=1), 5))
    assert_all_same(write(NoLog(), street), map(as_logged, street))


def test_a_queue_that_is_full_costs_looks_and_says_so(tmp_path: Path, clock: Clock) -> None:
    log = open_log(tmp_path, clock)
    asked: list[int] = []

    def snapshot() -> Mapping[str, Any]:
        asked.append(len(asked))
        return {}

    for second in range(QUEUED_AT_MOST + 7):
        log.record(seen(float(second)), snapshot)
    assert log.report().counts["lost_queue_full"] == 7
    log.start()
    wait_for("the queue was emptied", lambda: log.report().queued == 0, clock)
    log.record(seen(9000.0), snapshot)
    log.close()
    history = read_history(tmp_path, "lane")
    assert [(gap.reason, gap.looks) for gap in history.gaps] == [(GapReason.LOST, 7)]
    assert history.looks[-1].snapshot == {}  # after a loss the rules' memory is written anew
    assert sum(map(len, history.looks)) == QUEUED_AT_MOST + 1


def test_half_an_hour_becomes_a_segment(tmp_path: Path, clock: Clock) -> None:
    log = open_log(tmp_path, clock)
    log.start()
    written = write(log, [seen(0.0, [CAR]), seen(1.0)])
    clock.now_s += GROUP_S
    written += write(log, [seen(2.0), seen(3.0, [CAR])])
    log.close()
    assert [one.is_journal for one in log_files(tmp_path)] == [False, True]
    assert_all_same(read(tmp_path), written)  # type: ignore[arg-type]  # no gap: nothing was lost in between
    assert log.report().oldest_at == START


def test_a_journal_of_an_earlier_run_becomes_a_segment(tmp_path: Path, clock: Clock) -> None:
    for run, second in (("run-1", 0.0), ("run-2", 100.0)):
        log = open_log(tmp_path, clock, run_id=run)
        log.start()
        write(log, [seen(second), seen(second + 1)])
        log.close()
    assert log.report().counts["recovered"] == 1
    assert [one.is_journal for one in log_files(tmp_path)] == [False, True]
    (gap,) = read_history(tmp_path, "lane").gaps
    assert gap == Gap(GapReason.NODE_STOPPED, START + timedelta(seconds=1), START + timedelta(seconds=100))


def test_the_oldest_goes_when_there_is_too_much(tmp_path: Path, clock: Clock) -> None:
    log = open_log(tmp_path, clock, max_mb=0.002)
    log.start()
    random = np.random.default_rng(1)
    for group in range(6):
        for second in range(60):
            box = ("car", 0.5, tuple(random.random(4).tolist()))
            log.record(seen(group * 100.0 + second, [box] * 4), nothing_remembered)
        clock.now_s += GROUP_S
    log.close()
    report = log.report()
    assert report.counts["removed_by_size"] >= 2
    serials = [one.serial for one in log_files(tmp_path)]
    assert serials == list(range(serials[0], 7))
    assert report.oldest_at == read_history(tmp_path, "lane").looks[0].first_at


def test_what_is_too_old_goes(tmp_path: Path, clock: Clock) -> None:
    log = open_log(tmp_path, clock, days=0.5)
    log.start()
    for half in range(4):
        log.record(seen(half * DAY_S / 2), nothing_remembered)
        clock.now_s += DAY_S / 2
    log.record(seen(2 * DAY_S), nothing_remembered)
    log.close()
    assert log.report().counts["removed_by_age"] == 3
    assert len(log_files(tmp_path)) == 2


def test_a_clock_that_jumps_ahead_deletes_nothing(tmp_path: Path, clock: Clock) -> None:
    log = open_log(tmp_path, clock, days=1)
    log.start()
    for group in range(4):
        log.record(seen(float(group)), nothing_remembered)
        clock.now_s += GROUP_S
        clock.wall_ahead_s = 400 * DAY_S
    log.close()
    assert log.report().counts["removed_by_age"] == 0
    assert len(log_files(tmp_path)) == 4


def test_a_start_with_a_clock_far_ahead_deletes_nothing(tmp_path: Path, clock: Clock) -> None:
    for serial in range(1, 5):
        keep(tmp_path, serial, group_of([seen(float(serial))], first=serial))
    clock.wall_ahead_s = 400 * DAY_S
    for run in ("run-1", "run-2"):  # nor does the next start, when the newest file says the same as the clock
        log = open_log(tmp_path, clock, run_id=run, days=1)
        log.start()
        log.record(seen(400 * DAY_S), nothing_remembered)
        clock.now_s += GROUP_S
        log.record(seen(400 * DAY_S + GROUP_S), nothing_remembered)
        log.close()
        assert log.report().counts["removed_by_age"] == 0
        assert log.report().counts["clock_doubted"] == 2
    assert [one.serial for one in log_files(tmp_path)][:4] == [1, 2, 3, 4]


def test_a_disk_that_refuses_is_said_and_the_log_goes_on(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "log"
    log = open_log(folder, clock)
    shutil.rmtree(folder)
    log.start()
    write(log, [seen(0.0)])
    wait_for("a problem", lambda: log.report().problem is not None, clock)
    folder.mkdir()
    write(log, [seen(1.0), seen(2.0)])
    wait_for("it is over", lambda: log.report().problem is None, clock)
    log.close()
    assert log.report().counts["write_failures"] >= 1
    assert sum(isinstance(one, Observation) for one in read(folder)) == 2


RULES = (
    lane_rule(dwell_s=5, min_cover=0.01, any_object=True),
    {"hazard": "crowd", "raise_at_count": 3, "clear_at_count": 1, "dwell_s": 2},
    {"hazard": "camera_fault", "fault": "offline", "offline_after_s": 5, "clear_after_s": 3},
)


def lively(count: int) -> list[Observation]:
    """A street with offline and unknown stretches, seen through two detectors now and then."""
    made = []
    for number, one in enumerate(looks(Street(parked=3, passing=6, weak=3, refresh_every=2), count, seed=5)):
        if number % 90 > 70:
            view = ViewState.OFFLINE if number % 180 > 90 else ViewState.UNKNOWN
            one = seen(0.0, view=view)
        moment = {"observed_mono_s": 1000.0 + number * 0.997, "observed_at": START + timedelta(seconds=number)}
        made.append(replace(one, **moment))  # type: ignore[arg-type]
    return made


def live(folder: Path, clock: Clock, observations: list[Observation]) -> list[Judged]:
    """As the pipeline does it: record, then judge what the log encodes; the judge goes on after a restart."""
    earlier = CameraJudge(camera(*RULES))
    earlier.look(seen(-30.0, [CAR]))
    judge, _ = CameraJudge.restore(
        camera(*RULES), earlier.snapshot(), mono_s=observations[0].observed_mono_s - 0.3, at=START
    )
    log = open_log(folder, clock)
    log.start()
    said = []
    for one in observations:
        said += judge.look(log.record(one, judge.snapshot))
        clock.now_s += GROUP_S / 150
    log.close()
    return said


def test_the_same_rules_over_the_log_say_exactly_what_was_said_live(tmp_path: Path, clock: Clock) -> None:
    observations = lively(400)
    said = live(tmp_path, clock, observations)
    assert len({(one.rule.rule_id, one.decision.phase) for one in said}) >= 5
    assert list(replayed(read_history(tmp_path, "lane"), camera(*RULES))) == said


def test_going_through_the_log_may_begin_in_the_middle(tmp_path: Path, clock: Clock) -> None:
    observations = lively(400)
    said = live(tmp_path, clock, observations)
    begins = [part.first_at for part in read_history(tmp_path, "lane").looks if part.snapshot is not None]
    assert len(begins) == 3
    history = read_history(tmp_path, "lane", begins[1])
    later = [one for one in said if one.decision.observed.at >= begins[1]]
    assert list(replayed(history, camera(*RULES))) == later


def test_after_a_gap_the_rules_go_on_from_what_they_remembered(tmp_path: Path, clock: Clock) -> None:
    observations = lively(400)
    said = live(tmp_path, clock, observations)
    second = log_files(tmp_path)[1]
    gone = [part for part in read_history(tmp_path, "lane").looks if part.snapshot is not None][2]
    second.path.unlink()
    replay = list(replayed(read_history(tmp_path, "lane"), camera(*RULES)))
    (at,) = [index for index, one in enumerate(replay) if isinstance(one, Gap)]
    later = [one for one in said if one.decision.observed.at >= gone.first_at]
    assert replay[at + 1 :] == later


def test_over_a_change_of_rules_each_stretch_says_what_was_said_live(tmp_path: Path, clock: Clock) -> None:
    """The log begins anew with what the rules remember, within the group: replays of either side are the live ones."""
    observations = lively(400)
    changed = camera(lane_rule(dwell_s=9, min_cover=0.01, any_object=True), *RULES[1:])
    at = 240  # in the middle of a group, while alerts of the lane and of the crowd are open
    judge = CameraJudge(camera(*RULES))
    log = open_log(tmp_path, clock)
    log.start()
    before: list[Judged] = []
    after: list[Judged] = []
    for number, one in enumerate(observations):
        if number == at:
            ends = judge.change(changed)
            log.begin_anew("lane")
        (before if number < at else after).extend(judge.look(log.record(one, judge.snapshot)))
        clock.now_s += GROUP_S / 150
    log.close()
    assert [(one.rule.rule_id, one.decision.end_reason) for one in ends] == [("r0", EndReason.RULE_CHANGED)]
    change_at = observations[at].observed_at
    whole = read_history(tmp_path, "lane")
    assert whole.gaps == ()
    assert change_at in [part.first_at for part in whole.looks if part.snapshot is not None]
    old = read_history(tmp_path, "lane", None, change_at - timedelta(milliseconds=1))
    new = read_history(tmp_path, "lane", change_at)
    assert [one for one in replayed(old, camera(*RULES)) if isinstance(one, Judged)] == before
    assert [one for one in replayed(new, changed) if isinstance(one, Judged)] == after
    assert {one.rule.rule_id for one in before} == {"r0", "r1", "r2"}
    assert [one.decision.phase for one in after if one.rule.rule_id == "r1"] == [Phase.UPDATED, Phase.UPDATED]
    # A replay with the new rules all through says what the change ended, and from there on the same as live.
    assert [one for one in replayed(whole, changed) if isinstance(one, Judged)][-len(after) :] == after


def test_a_log_that_was_never_started_closes(tmp_path: Path, clock: Clock) -> None:
    open_log(tmp_path, clock).close()


def test_a_stop_on_a_disk_that_hangs_takes_two_seconds_in_all_and_counts_looks_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_released, hangs = threading.Event(), threading.Event()

    def hang(self: object, now_mono_s: float) -> None:
        hangs.set()
        is_released.wait(30)

    monkeypatch.setattr(writing._Writer, "flush", hang)
    log = ObservationLog(tmp_path, "run-1", wall=Clock().wall, mono=time.monotonic, days=7, max_bytes=1 << 20)
    log.start()
    write(log, [seen(0.0)])
    assert hangs.wait(15)
    write(log, [seen(1.0), seen(2.0)])
    began_s = time.monotonic()
    log.close()
    assert time.monotonic() - began_s < STOP_S + 0.5
    assert log.report().counts["lost_at_stop"] == 3
    is_released.set()


def test_a_stop_with_a_full_queue_waits_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_released, hangs = threading.Event(), threading.Event()

    def hang(self: object, now_mono_s: float) -> None:
        hangs.set()
        is_released.wait(30)

    monkeypatch.setattr(writing, "QUEUED_AT_MOST", 2)
    monkeypatch.setattr(writing._Writer, "flush", hang)
    log = ObservationLog(tmp_path, "run-1", wall=Clock().wall, mono=time.monotonic, days=7, max_bytes=1 << 20)
    log.start()
    assert hangs.wait(15)
    write(log, [seen(1.0), seen(2.0)])
    began_s = time.monotonic()
    log.close()
    assert time.monotonic() - began_s < STOP_S + 0.5
    assert log.report().counts["lost_at_stop"] == 2
    is_released.set()


def journal(folder: Path, serial: int, head: bytes, second: float) -> Path:
    group = group_of([seen(second)], run_id=f"run-{serial}")
    path = path_of(folder, serial, "journal")
    path.write_bytes(head + group.news())
    return path


def test_a_journal_that_fails_does_not_keep_the_next_from_becoming_a_segment(tmp_path: Path, clock: Clock) -> None:
    path_of(tmp_path, 1, "journal").mkdir()  # cannot be read
    journal(tmp_path, 2, header("run-2"), 2.0)
    log = open_log(tmp_path, clock)
    log.start()
    log.close()
    assert path_of(tmp_path, 2, "segment").exists()
    assert (log.report().counts["recovered"], log.report().counts["write_failures"]) == (1, 1)


@pytest.mark.parametrize(
    "head", [framed(FrameKind.HEADER, b'{"format": 2, "run_id": "run-1"}'), b""], ids=["other version", "not ours"]
)
def test_a_journal_that_cannot_be_read_is_kept(tmp_path: Path, clock: Clock, head: bytes) -> None:
    kept = journal(tmp_path, 1, head, 1.0)
    if not head:
        kept.write_bytes(b"written by something else")
    before = kept.read_bytes()
    journal(tmp_path, 2, header("run-2"), 2.0)
    log = open_log(tmp_path, clock)
    log.start()
    log.close()
    assert kept.read_bytes() == before
    assert not path_of(tmp_path, 1, "segment").exists()
    assert (log.report().counts["recovered"], log.report().counts["not_recovered"]) == (1, 1)
