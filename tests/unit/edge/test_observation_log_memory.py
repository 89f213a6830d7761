"""What the log holds of the half hour it is in: little a look, and the same on the disk as if it held every row."""

from __future__ import annotations

import gc
import tracemalloc

from tests.support.street_life import BUSY, CALM, Street, looks
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observation_log.groups import FOLD_ROWS, Group, header
from xueliang_edge.observations import Observation

LOOKS = 10 * FOLD_ROWS
CAMERAS = ("lane", "gate")


def logged(street: Street, count: int) -> list[Observation]:
    return [as_logged(look) for camera_id in CAMERAS for look in looks(street, count, camera_id=camera_id)]


def filled(seen: list[Observation], flush_every: int) -> tuple[Group, bytes]:
    """A group of these looks, and its journal, written after every so many of them."""
    group, journal, sequences = Group("run-1"), [header("run-1")], dict.fromkeys(CAMERAS, 0)
    for number, one in enumerate(seen, start=1):
        sequences[one.camera_id] += 1
        group.add(one, sequences[one.camera_id], {"n": 0} if sequences[one.camera_id] == 1 else None)
        if number % flush_every == 0:
            journal.append(group.news())
    journal.append(group.news())
    return group, b"".join(journal)


def held_a_look(street: Street) -> float:
    """Bytes, of a group whose journal is written as it comes."""
    seen = logged(street, LOOKS)
    gc.collect()
    tracemalloc.start()
    try:
        group = filled(seen, flush_every=4)[0]
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(group)
    finally:
        tracemalloc.stop()


def test_a_calm_camera_holds_few_bytes_a_look_and_a_busy_one_little_more_than_its_noise() -> None:
    # As rows: 86 and 489. 64 calm cameras at a look a second would grow by 10 MB in half an hour.
    assert held_a_look(CALM) < 45
    assert held_a_look(BUSY) < 340


def test_segment_and_journal_are_the_same_whether_rows_were_folded_or_not() -> None:
    seen = logged(BUSY, 3 * FOLD_ROWS + 7)
    folded, journal = filled(seen, flush_every=3)
    whole, _ = filled(seen, flush_every=10**6)
    assert [len(block.latest) for block in folded.blocks] == [7, 7]
    assert [block.rows for block in folded.blocks] == [block.rows for block in whole.blocks]
    assert b"".join(folded.segment()) == b"".join(whole.segment())
    again = Group.from_journal(journal)
    assert not again.is_torn
    assert b"".join(again.segment()) == b"".join(whole.segment())


def test_nothing_is_packed_away_before_the_journal_was_offered_it() -> None:
    seen = logged(CALM, 4 * FOLD_ROWS)
    group = Group("run-1")
    for sequence, one in enumerate(seen[: 4 * FOLD_ROWS], start=1):
        group.add(one, sequence, None)
    [block] = group.blocks
    assert len(block.latest) == len(block) == 4 * FOLD_ROWS
    before = list(block.latest)
    group.news()
    assert not block.latest
    assert block.rows == before
