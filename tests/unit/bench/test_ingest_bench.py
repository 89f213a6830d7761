"""The bench of the ingest: what its nodes say is what the contract writes, and its story tells every end."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from tests.bench.ingest_bench.episodes import check_templates, episodes
from tests.bench.ingest_bench.phases import Story

NOW = datetime(2026, 11, 23, 4, 0, 0, 250_000, tzinfo=UTC)


def test_the_templates_give_the_bytes_of_the_contract() -> None:
    check_templates(NOW)


def test_a_story_is_a_third_of_each_phase_and_ends_every_episode() -> None:
    story = Story(episodes(random.Random(1), NOW), update_after_s=4.0, clear_after_s=8.0)
    told = [story.next(number / 200) for number in range(6_000)]
    late = [phase for _, phase in told[3_000:]]
    assert min(late.count(phase) for phase in ("raised", "updated", "cleared")) > 700  # it swings about a third
    told += story.rest()
    assert len(told) == 3 * sum(phase == "raised" for _, phase in told)
    seen: dict[object, list[str]] = {}
    for episode, phase in told:
        seen.setdefault(episode, []).append(phase)
    assert set(map(tuple, seen.values())) == {("raised", "updated", "cleared")}


def test_some_of_a_backlog_stay_when_they_shall() -> None:
    story = Story(episodes(random.Random(1), NOW), standing=0.1)
    told = [story.next(number / 200) for number in range(3_000)]
    told += story.rest()
    raised = sum(phase == "raised" for _, phase in told)
    cleared = sum(phase == "cleared" for _, phase in told)
    assert 0.05 < 1 - cleared / raised < 0.15
