"""What waits for a slow viewer: bounded, and always playable."""

from __future__ import annotations

from xueliang_central.live_views.marks import mark_box, marks_in
from xueliang_central.live_views.waiting import Waiting


def test_nothing_waits_before_a_key_picture() -> None:
    waiting = Waiting(100)
    waiting.put(b"half", is_key=False)
    assert (waiting.take(), waiting.dropped) == (b"", 1)
    waiting.put(b"key", is_key=True)
    waiting.put(b"next", is_key=False)
    assert (waiting.take(), waiting.take()) == (b"keynext", b"")


def test_too_much_goes_up_to_the_next_key_picture() -> None:
    waiting = Waiting(10)
    waiting.put(b"k" * 6, is_key=True)
    waiting.put(b"n" * 6, is_key=False)
    waiting.put(b"m", is_key=False)
    assert (waiting.take(), waiting.dropped) == (b"", 3)
    waiting.put(b"K" * 20, is_key=True)  # larger than all that may wait, and alone
    assert (waiting.take(), waiting.dropped) == (b"K" * 20, 3)


def test_a_newer_key_picture_takes_the_place_of_what_waits() -> None:
    waiting = Waiting(10)
    waiting.put(b"k" * 8, is_key=True)
    waiting.put(b"K" * 8, is_key=True)
    assert (waiting.take(), waiting.dropped) == (b"K" * 8, 1)


def test_marks_are_read_out_of_a_saved_stream_that_was_cut_off() -> None:
    box = mark_box({"view": "v", "viewer": "王"})
    assert marks_in(b"moof" + box + b"mdat" + box[:-3]) == [{"view": "v", "viewer": "王"}]
