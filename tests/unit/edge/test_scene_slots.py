"""What a still needs beside its picture goes through a slot unchanged, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from xueliang_edge.background import Scene
from xueliang_edge.scene_slots import pack, slot_bytes, unpack
from xueliang_streams.frame import Planes
from xueliang_streams.shared_frames import SharedFrames

SIZE_WH = (101, 57)


def noise(seed: int, width: int = SIZE_WH[0], height: int = SIZE_WH[1]) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def scene(is_full_range: bool = False) -> Scene:
    planes = Planes(noise(1), noise(2, 51, 29), noise(3, 51, 29), is_full_range)
    return Scene(planes, noise(4) > 100)


@contextmanager
def region(payload_bytes: int = 20_000) -> Iterator[SharedFrames]:
    frames = SharedFrames.create(2, payload_bytes)
    try:
        yield frames
    finally:
        frames.close()


@pytest.mark.parametrize("is_full_range", [False, True])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_scene_and_earlier_brightness_come_out_as_they_went_in(is_full_range: bool, count: int) -> None:
    before = scene(is_full_range)
    earlier = [noise(10 + number, 50, 28) for number in range(count)]
    with region() as frames:
        handle = pack(frames, 7, 1, before, earlier)
        assert (handle.region, handle.slot, handle.scene_wh, handle.earlier_count) == (7, 1, SIZE_WH, count)
        unpacked = unpack(frames, handle)
        assert unpacked is not None
        after, lumas = unpacked
        assert after is not None
        for name in ("y", "u", "v", "is_full_range"):
            assert np.array_equal(getattr(after.planes, name), getattr(before.planes, name))
        assert np.array_equal(after.known, before.known)
        assert after.known.dtype == np.bool_
        assert len(lumas) == count
        for luma, sent in zip(lumas, earlier, strict=True):
            assert np.array_equal(luma, sent)


def test_no_scene_yet_is_none_and_the_brightness_is_still_there() -> None:
    with region() as frames:
        handle = pack(frames, 0, 0, None, [noise(1)])
        unpacked = unpack(frames, handle)
        assert unpacked is not None
        assert unpacked[0] is None
        assert np.array_equal(unpacked[1][0], noise(1))
        nothing = unpack(frames, pack(frames, 0, 0, None, []))
        assert nothing == (None, ())


def test_a_slot_written_anew_gives_nothing() -> None:
    with region() as frames:
        handle = pack(frames, 0, 0, scene(), [])
        pack(frames, 0, 0, scene(), [])
        assert unpack(frames, handle) is None
        assert unpack(frames, replace(handle, slot=9)) is None


def test_what_does_not_fit_is_refused_before_anything_is_written() -> None:
    needed = slot_bytes(SIZE_WH, (50, 28), 2)
    with region(needed) as frames:
        kept = pack(frames, 0, 0, scene(), [noise(1, 50, 28)] * 2)
        with pytest.raises(ValueError, match=f"of {needed + 50 * 28} bytes does not fit into a slot of {needed}"):
            pack(frames, 0, 0, scene(), [noise(1, 50, 28)] * 3)
        with pytest.raises(ValueError, match="of one size"):
            pack(frames, 0, 0, scene(), [noise(1, 50, 28), noise(1, 28, 50)])
        assert unpack(frames, kept) is not None


def test_a_handle_that_claims_more_than_a_slot_holds_gives_nothing() -> None:
    with region() as frames:
        handle = pack(frames, 0, 0, scene(), [noise(1, 50, 28)])
        for wrong in (
            replace(handle, scene_wh=(4000, 3000)),
            replace(handle, earlier_count=1000),
            replace(handle, scene_wh=(-101, 57)),
            replace(handle, earlier_wh=(-50, 28)),
        ):
            assert unpack(frames, wrong) is None
