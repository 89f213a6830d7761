"""What waits for a thin line: bounded, whole groups are given up, and each bundle begins where playing can."""

from __future__ import annotations

from xueliang_edge.live_view.outbox import Bundle, Outbox
from xueliang_streams.live_mp4 import Fragment

KEY, NEXT = Fragment(b"K" * 6, True), Fragment(b"n" * 3, False)


def test_a_bundle_ends_before_the_next_key_picture() -> None:
    outbox = Outbox(100)
    for fragment in (NEXT, KEY, NEXT, KEY, NEXT, NEXT):
        outbox.put(fragment)
    assert outbox.take() == Bundle(b"KKKKKKnnn", True, 1)  # the first had no key picture before it
    assert outbox.take() == Bundle(b"KKKKKKnnnnnn", True, 1)
    outbox.put(NEXT)
    assert outbox.take() == Bundle(b"nnn", False, 1)
    assert outbox.take() is None


def test_a_line_that_is_too_thin_loses_everything_up_to_a_key_picture() -> None:
    outbox = Outbox(10)
    for fragment in (KEY, NEXT, NEXT, NEXT):
        outbox.put(fragment)
    assert (outbox.take(), outbox.lost) == (None, 4)
    outbox.put(KEY)
    assert outbox.take() == Bundle(b"KKKKKK", True, 4)


def test_a_key_picture_larger_than_all_goes_out_alone() -> None:
    outbox = Outbox(4)
    outbox.put(KEY)
    assert outbox.take() == Bundle(b"KKKKKK", True, 0)
