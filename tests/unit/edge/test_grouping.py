"""Shared memory of all groups: all of it or none, and a refusal that names what all of them need."""

from __future__ import annotations

import re

import pytest

from xueliang_edge.capture.grouping import reserve
from xueliang_edge.capture.orders import GroupSpec
from xueliang_streams.errors import SharedMemoryTooSmall
from xueliang_streams.shared_frames import HEADER_BYTES, SHARED_MEMORY, _free_bytes, _usable


def test_groups_that_fit_one_by_one_and_not_together_are_refused_with_what_all_need() -> None:
    """What is named is enough: a machine that was enlarged by it starts."""
    free_bytes = _free_bytes(_usable(SHARED_MEMORY))
    slot_bytes = free_bytes // 3 // 64 * 64
    groups = [GroupSpec(region, (), 1, slot_bytes, "background") for region in range(4)]
    with pytest.raises(SharedMemoryTooSmall, match=f"4 pictures of {slot_bytes} bytes") as refused:
        reserve(groups)
    needed, free = map(int, re.findall(r"(\d+) bytes(?: are free|,)", str(refused.value)))
    assert needed == 4 * (slot_bytes + HEADER_BYTES)
    assert free < needed
    named = re.search(r"--shm-size=(\d+)m", str(refused.value))
    assert named is not None
    assert int(named[1]) << 20 >= needed


def test_what_fits_together_is_reserved_for_each() -> None:
    groups, frames = reserve([GroupSpec(region, (), 2, 4096, "background") for region in range(2)])
    try:
        assert [group.fd for group in groups] == [one.fd for one in frames]
    finally:
        for one in frames:
            one.close()
