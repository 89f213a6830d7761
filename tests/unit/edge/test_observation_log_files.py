"""What was written is read; what is torn, lost or removed is a gap, never "nothing there"."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.edge.logged import assert_all_same, group_of, keep
from tests.unit.edge.observing import CAR, START, seen
from xueliang_edge.observation_log import reading
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observation_log.files import LogFile, contents, is_clock_doubtful, log_files, path_of, to_remove
from xueliang_edge.observation_log.framing import FrameKind, framed, frames
from xueliang_edge.observation_log.groups import Group, header
from xueliang_edge.observation_log.reading import Gap, GapReason, History, read_history
from xueliang_edge.observations import Observation


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def street(count: int, first_s: int = 0) -> list[Observation]:
    return [seen(float(second), [CAR], track_ids=[3]) for second in range(first_s, first_s + count)]


def in_order(history: History) -> list[tuple[str, object]]:
    """Looks in a row by their count, gaps by reason and number."""
    return [
        (part.reason.value, part.looks) if isinstance(part, Gap) else ("looks", len(part)) for part in history.parts
    ]


def journal_of(looks: list[Observation], *, a_frame: int = 1) -> list[bytes]:
    """The header, and a frame for every `a_frame` looks."""
    group = Group("run-1")
    parts = [header("run-1")]
    for sequence, one in enumerate(looks, 1):
        group.add(as_logged(one), sequence, {} if sequence == 1 else None)
        if sequence % a_frame == 0:
            parts.append(group.news())
    return parts


def test_several_segments_of_a_run_are_one_stretch(tmp_path: Path) -> None:
    keep(tmp_path, 1, group_of(street(5)))
    keep(tmp_path, 2, group_of(street(5, 5), first=6))
    history = read_history(tmp_path, "lane")
    assert in_order(history) == [("looks", 5), ("looks", 5)]
    assert_all_same([one for one in history.observations() if isinstance(one, Observation)], map(as_logged, street(10)))


def test_only_the_stretch_asked_for_is_read(tmp_path: Path) -> None:
    for serial in range(1, 7):
        keep(tmp_path, serial, group_of(street(10, 10 * serial), first=10 * serial))
    history = read_history(tmp_path, "lane", at(25), at(44))
    assert in_order(history) == [("looks", 5), ("looks", 10), ("looks", 5)]
    assert (history.looks[0].first_at, history.looks[-1].last_at) == (at(25), at(44))


def test_other_cameras_are_left_alone(tmp_path: Path) -> None:
    group = group_of(street(3))
    for sequence, one in enumerate(street(4), 1):
        group.add(replace(one, camera_id="plaza"), sequence, None)
    keep(tmp_path, 1, group)
    assert in_order(read_history(tmp_path, "lane")) == [("looks", 3)]
    assert in_order(read_history(tmp_path, "plaza")) == [("looks", 4)]
    assert in_order(read_history(tmp_path, "gate")) == [("outside", None)]


def test_beyond_the_log_nothing_is_known(tmp_path: Path) -> None:
    keep(tmp_path, 1, group_of(street(5)))
    history = read_history(tmp_path, "lane", at(-60), at(60))
    before, looks, behind = history.parts
    assert before == Gap(GapReason.OUTSIDE, at(-60), at(0))
    assert not isinstance(looks, Gap)
    assert behind == Gap(GapReason.OUTSIDE, at(4), at(60))
    assert read_history(tmp_path / "none", "lane").gaps == (Gap(GapReason.OUTSIDE, None, None),)


def test_between_two_runs_the_node_was_stopped(tmp_path: Path) -> None:
    keep(tmp_path, 1, group_of(street(5)))
    keep(tmp_path, 2, group_of(street(5, 100), run_id="run-2"))
    history = read_history(tmp_path, "lane")
    assert history.gaps == (Gap(GapReason.NODE_STOPPED, at(4), at(100)),)


def test_numbers_that_are_missing_are_a_gap(tmp_path: Path) -> None:
    group = group_of(street(5))
    for sequence, one in enumerate(street(5, 8), 9):
        group.add(as_logged(one), sequence, None)
    keep(tmp_path, 1, group)
    keep(tmp_path, 2, group_of(street(5, 20), first=20))
    history = read_history(tmp_path, "lane")
    assert in_order(history) == [("looks", 5), ("lost", 3), ("looks", 5), ("lost", 6), ("looks", 5)]
    assert history.gaps[0] == Gap(GapReason.LOST, at(4), at(8), 3)


def test_a_removed_file_is_a_gap(tmp_path: Path) -> None:
    for serial in (1, 2, 3):
        keep(tmp_path, serial, group_of(street(5, 5 * serial), first=5 * serial))
    path_of(tmp_path, 2, "segment").unlink()
    assert in_order(read_history(tmp_path, "lane")) == [("looks", 5), ("lost", 5), ("looks", 5)]


def test_an_empty_segment_is_skipped_and_counted_as_what_it_held(tmp_path: Path) -> None:
    for serial in (1, 2, 3):
        keep(tmp_path, serial, group_of(street(5, 5 * serial), first=5 * serial))
    path_of(tmp_path, 2, "segment").write_bytes(b"")
    history = read_history(tmp_path, "lane")
    assert in_order(history) == [("looks", 5), ("damaged", 5), ("looks", 5)]
    assert history.damaged == 1


@pytest.mark.parametrize("where", ["start", "head", "block", "end"])
def test_a_damaged_segment_costs_its_block_and_nothing_else(tmp_path: Path, where: str) -> None:
    for serial in (1, 2, 3):
        path = keep(tmp_path, serial, group_of(street(50, 50 * serial), first=50 * serial))
        if serial == 2:
            data = bytearray(path.read_bytes())
            kinds = {frame.kind: frame for frame in frames(bytes(data)) if frame is not None}
            middle = {
                "start": 2,
                "head": kinds[FrameKind.BLOCK_HEAD].start + 5,
                "block": kinds[FrameKind.BLOCK].start + 50,
                "end": len(data) - 3,
            }[where]
            data[middle] ^= 0x40
            path.write_bytes(bytes(data))
    history = read_history(tmp_path, "lane")
    if where == "end":  # what is in it, is in it
        assert in_order(history) == [("looks", 50)] * 3
        return
    assert in_order(history) == [("looks", 50), ("damaged", 50), ("looks", 50)]
    assert history.damaged >= 1


def test_a_journal_torn_at_any_byte_gives_all_that_came_before_it(tmp_path: Path) -> None:
    parts = journal_of(street(4))
    whole, ends = b"".join(parts), [sum(map(len, parts[: count + 1])) for count in range(len(parts))]
    for size in range(1, len(whole)):
        path_of(tmp_path, 1, "journal").write_bytes(whole[:size])
        kept = sum(end <= size for end in ends) - 1
        history = read_history(tmp_path, "lane", at(0), at(3))
        read = [one for one in history.observations() if isinstance(one, Observation)]
        assert len(read) == max(0, kept)
        assert_all_same(read, map(as_logged, street(max(0, kept))))
        assert isinstance(history.parts[-1], Gap), size
        assert history.parts[-1].after_at == at(max(0, kept - 1))


def test_a_segment_torn_at_any_byte_never_reads_as_whole(tmp_path: Path) -> None:
    group = group_of(street(6))
    for sequence, one in enumerate(street(6), 1):
        group.add(replace(one, camera_id="plaza"), sequence, None)
    whole = keep(tmp_path, 1, group).read_bytes()
    plaza = [frame for frame in frames(whole) if frame is not None and frame.kind is FrameKind.BLOCK][1]
    for size in range(1, plaza.end):
        path_of(tmp_path, 1, "segment").write_bytes(whole[:size])
        assert in_order(read_history(tmp_path, "plaza", at(0), at(5)))[-1][0] != "looks"


def test_a_lost_frame_costs_what_builds_on_it(tmp_path: Path) -> None:
    """Until the camera's next block, which begins anew."""
    group = Group("run-1")
    parts = [header("run-1")]
    for sequence, one in enumerate(street(9), 1):
        group.add(as_logged(one), sequence, {} if sequence in (1, 7) else None)
        parts.append(group.news())
    del parts[3]
    path_of(tmp_path, 1, "journal").write_bytes(b"".join(parts))
    history = read_history(tmp_path, "lane")
    assert in_order(history)[:3] == [("looks", 2), ("lost", 4), ("looks", 3)]


def test_a_segment_beside_its_journal_is_read_once(tmp_path: Path) -> None:
    path_of(tmp_path, 1, "journal").write_bytes(b"".join(journal_of(street(6))))
    keep(tmp_path, 1, group_of(street(6)))
    assert in_order(read_history(tmp_path, "lane")) == [("looks", 6)]


def test_a_journal_that_becomes_a_segment_while_it_is_read_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path_of(tmp_path, 1, "journal").write_bytes(b"".join(journal_of(street(6))))
    listed = log_files(tmp_path)
    keep(tmp_path, 1, group_of(street(6)))
    listed[0].path.unlink()
    monkeypatch.setattr(reading, "log_files", lambda _: listed)
    assert in_order(read_history(tmp_path, "lane")) == [("looks", 6)]


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    assert keep(tmp_path, 1, group_of(street(1))).stat().st_mode & 0o077 == 0


def test_a_file_says_from_when_to_when_it_is(tmp_path: Path) -> None:
    keep(tmp_path, 4, group_of(street(6)))
    (one,) = log_files(tmp_path)
    assert (one.serial, one.is_journal, one.last_at_ms) == (4, False, round(at(5).timestamp() * 1000))


def test_a_damaged_file_does_not_keep_older_ones_alive() -> None:
    ages = (None, 50, None, 60, 150)
    files = [LogFile(n, Path(str(n)), False, 1, None, last) for n, last in enumerate(ages)]
    gone = to_remove(files, max_bytes=100, oldest_ms=100, now_ms=1000)
    assert [(one.file.serial, one.is_too_old) for one in gone] == [(n, True) for n in range(4)]


def test_a_damaged_file_that_goes_for_its_size_is_not_called_old() -> None:
    files = [LogFile(n, Path(str(n)), False, 50, None, last) for n, last in enumerate((None, 150, 160))]
    (gone,) = to_remove(files, max_bytes=100, oldest_ms=100, now_ms=1000)
    assert (gone.file, gone.is_too_old) == (files[0], False)


def test_a_file_from_the_future_does_not_keep_older_and_later_ones_alive() -> None:
    files = [LogFile(n, Path(str(n)), False, 1, None, last) for n, last in enumerate((50, 9000, 60, 9000, 150))]
    gone = to_remove(files, max_bytes=100, oldest_ms=100, now_ms=200)
    assert [one.file for one in gone] == files[:3]


def test_age_is_no_reason_when_it_is_not_known() -> None:
    files = [LogFile(n, Path(str(n)), False, 1, None, 50) for n in range(3)]
    assert to_remove(files, max_bytes=100, oldest_ms=None, now_ms=200) == []


HOUR = 3_600_000


@pytest.mark.parametrize(
    ("ends_h", "now_h", "is_doubtful"),
    [
        ((), 5000, False),
        ((1, 10, 20), 30, False),
        ((1, 10, 20), 45, True),
        ((1, 10, 20, 9000, 9010), 9020, True),
        ((1, 10, 20, 9000, 9010, 9020), 9025, False),
        ((1, 10, 9000, 20), 21, False),
        ((1, 10, None, 20), 21, False),
    ],
    ids=["empty", "on time", "far ahead", "far ahead since hours", "since a day", "was ahead once", "damaged"],
)
def test_a_clock_is_doubted_for_a_day(ends_h: tuple[int | None, ...], now_h: int, is_doubtful: bool) -> None:
    ends = [None if end is None else end * HOUR for end in ends_h]
    files = [LogFile(n, Path(str(n)), False, 1, end, end) for n, end in enumerate(ends)]
    assert is_clock_doubtful(files, now_h * HOUR) is is_doubtful


def test_a_journal_that_is_cut_while_it_is_read_stays_readable(tmp_path: Path) -> None:
    """Not mapped: what its node writes over or cuts off is not seen, and kills nobody."""
    path = path_of(tmp_path, 1, "journal")
    path.write_bytes(b"".join(journal_of(street(3))))
    before, read = path.read_bytes(), contents(path)
    with path.open("r+b") as file:
        file.write(bytes(8))
    assert bytes(read) == before


def test_nothing_is_taken_from_a_journal_of_another_version() -> None:
    other = framed(FrameKind.HEADER, b'{"format": 2, "run_id": "run-1"}')
    group = Group.from_journal(other + b"".join(journal_of(street(3))[1:]))
    assert (len(group), group.is_torn) == (0, True)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.one_of(st.none(), st.integers(0, 100))), max_size=12),
    st.integers(0, 200),
    st.integers(0, 100),
)
@settings(deadline=None)
def test_never_a_newer_file_before_an_older_one(
    described: list[tuple[int, int | None]], max_bytes: int, oldest_ms: int
) -> None:
    files = [LogFile(n, Path(str(n)), False, size, 0, last) for n, (size, last) in enumerate(described)]
    gone = [one.file for one in to_remove(files, max_bytes=max_bytes, oldest_ms=oldest_ms, now_ms=100)]
    assert gone == files[: len(gone)]
    kept = files[len(gone) :]
    assert len(kept) <= 1 or sum(one.size_bytes for one in kept) <= max_bytes
    assert len(kept) <= 1 or kept[0].last_at_ms is None or kept[0].last_at_ms >= oldest_ms
    if gone and sum(one.size_bytes for one in files) <= max_bytes:
        assert all(one.last_at_ms is None or one.last_at_ms < oldest_ms for one in gone)
