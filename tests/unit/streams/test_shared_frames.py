"""Pictures that processes share: never torn, never another than asked for, never more than there is room for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.support.holdings import Holdings
from xueliang_streams.errors import SharedMemoryTooSmall
from xueliang_streams.frame import Planes
from xueliang_streams.shared_frames import SHARED_MEMORY, SharedFrames

SIZE_WH = (62, 37)
SLOT_BYTES = 62 * 37 + 2 * 31 * 19

WRITER = """
import sys
import numpy as np
from xueliang_streams.frame import Planes
from xueliang_streams.shared_frames import SharedFrames

def plain(level):
    y, u, v = (np.full(shape, level, np.uint8) for shape in ((37, 62), (19, 31), (19, 31)))
    return Planes(y, u, v)

fd, slots, slot_bytes, how = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
frames = SharedFrames.attach(fd, slots, slot_bytes, is_writer=True)
if how == "once":
    print(frames.write(1, plain(77)), flush=True)
    sys.stdin.read()
elif how == "half":
    with frames.writing(1) as payload:
        payload[: slot_bytes // 2] = bytes(slot_bytes // 2)
        print("half way", flush=True)
        sys.stdin.read()
else:
    print("begun", flush=True)
    while True:
        for level in range(256):
            frames.write(1, plain(level))
"""


def plain(level: int) -> Planes:
    y, u, v = (np.full(shape, level, np.uint8) for shape in ((37, 62), (19, 31), (19, 31)))
    return Planes(y, u, v)


@contextmanager
def region(slots: int = 3) -> Iterator[SharedFrames]:
    frames = SharedFrames.create(slots, SLOT_BYTES)
    try:
        yield frames
    finally:
        frames.close()


@contextmanager
def writer(frames: SharedFrames, how: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that writes into slot 1, and the first line it says."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(frames.fd), str(frames.slots), str(frames.slot_bytes), how],
        pass_fds=[frames.fd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_a_picture_comes_out_as_it_went_in() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (37, 62, 3), dtype=np.uint8)
    planes = Planes.from_bgr(noise)
    with region() as frames:
        generation = frames.write(2, planes)
        read = frames.read(2, generation, SIZE_WH, is_full_range=True)
        assert read is not None
        assert read.is_full_range
        for name in ("y", "u", "v"):
            assert (getattr(read, name) == getattr(planes, name)).all()
        assert frames.is_still(2, generation)


def test_a_slot_never_written_and_a_slot_that_is_none_read_nothing() -> None:
    with region() as frames:
        for slot, generation in ((0, 0), (0, 2), (-1, 0), (3, 2), (99, 0)):
            assert frames.read(slot, generation, SIZE_WH, is_full_range=False) is None


def test_an_old_handle_never_reads_the_next_picture() -> None:
    with region() as frames:
        old = frames.write(0, plain(10))
        held = frames.read(0, old, SIZE_WH, is_full_range=False)
        new = frames.write(0, plain(20))
        assert new > old
        assert frames.read(0, old, SIZE_WH, is_full_range=False) is None
        assert not frames.is_still(0, old), "whoever still holds views must be told that they changed"
        assert held is not None
        assert held.y[0, 0] == 20


def test_a_size_that_does_not_fit_the_slot_reads_nothing_and_is_never_written() -> None:
    with region() as frames:
        generation = frames.write(0, plain(10))
        assert frames.read(0, generation, (4000, 3000), is_full_range=False) is None
        with pytest.raises(ValueError, match="does not fit"):
            frames.write(0, Planes.from_bgr(np.zeros((400, 400, 3), np.uint8)))
        assert frames.is_still(0, generation), "a refused picture must leave the one before"


def test_another_process_writes_and_this_one_reads() -> None:
    with region() as frames, writer(frames, "once") as (_, said):
        read = frames.read(1, int(said), SIZE_WH, is_full_range=False)
        assert read is not None
        assert (read.y == 77).all()
        assert (read.v == 77).all()


def test_a_writer_killed_in_the_middle_leaves_no_picture_and_the_next_one_goes_on() -> None:
    with region() as frames:
        whole = frames.write(1, plain(5))
        with writer(frames, "half") as (process, said):
            assert said == "half way"
            torn = frames.generation(1)
            for generation in (whole, torn, torn + 1):
                assert frames.read(1, generation, SIZE_WH, is_full_range=False) is None
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        assert frames.generation(1) == torn
        after = frames.write(1, plain(6))
        assert after > torn
        assert frames.read(1, after, SIZE_WH, is_full_range=False) is not None


def test_what_is_read_while_another_process_writes_is_whole_or_known_to_be_torn() -> None:
    with region() as frames, writer(frames, "for ever") as (_, said):
        assert said == "begun"
        whole = torn = 0
        give_up_at = time.monotonic() + 60
        while whole < 200 or torn < 20:
            if time.monotonic() > give_up_at:
                pytest.fail(f"{whole} whole and {torn} torn reads: this test proved nothing")
            generation = frames.generation(1)
            read = frames.read(1, generation, SIZE_WH, is_full_range=False)
            if read is None:
                continue
            copies = [read.y.copy()]
            if torn < 20:  # where the writer seldom gets its turn, no other read would be torn
                while frames.is_still(1, generation) and time.monotonic() < give_up_at:
                    time.sleep(0)
            copies += [read.u.copy(), read.v.copy()]
            if frames.is_still(1, generation):
                whole += 1
                assert len({int(level) for plane in copies for level in np.unique(plane)}) == 1
            else:
                torn += 1


def test_a_reader_cannot_change_a_picture() -> None:
    with region() as frames:
        generation = frames.write(0, plain(10))
        reader = SharedFrames.attach(os.dup(frames.fd), frames.slots, frames.slot_bytes)
        read = reader.read(0, generation, SIZE_WH, is_full_range=False)
        assert read is not None
        with pytest.raises(ValueError, match="read-only"):
            read.y[0, 0] = 1
        with pytest.raises(ValueError, match="read-only"):
            reader.write(0, plain(1))
        del read
        reader.close()


def test_a_region_of_another_size_is_refused() -> None:
    with region() as frames:
        fd = os.dup(frames.fd)
        with pytest.raises(ValueError, match=r"expected \d+ bytes"):
            SharedFrames.attach(fd, frames.slots + 1, frames.slot_bytes)
        os.close(fd)


def test_more_than_is_free_is_refused_with_the_bytes_and_what_to_do() -> None:
    state = os.statvfs(SHARED_MEMORY if SHARED_MEMORY.is_dir() else Path("/tmp"))
    slot_bytes = 1 << 20
    slots = state.f_bavail * state.f_frsize // slot_bytes + 1000  # whatever other tests free meanwhile
    with pytest.raises(SharedMemoryTooSmall) as refused:
        SharedFrames.create(slots, slot_bytes)
    needed, free = map(int, re.findall(r"(\d+) bytes(?: are free|,)", str(refused.value)))
    assert needed == slots * (slot_bytes + 64)
    assert 0 < free < needed
    assert "--shm-size" in str(refused.value)


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs /proc")
def test_nothing_is_left_open_mapped_or_named() -> None:
    before = Holdings.now()
    for _ in range(20):
        with region(slots=4) as frames:
            frames.write(0, plain(1))
            assert Holdings.now().shared_memory_maps == before.shared_memory_maps + 1
            assert not list(SHARED_MEMORY.glob("xueliang-*"))
        with pytest.raises(SharedMemoryTooSmall):
            SharedFrames.create(1 << 30, 1 << 30)
    assert Holdings.now() == before


def test_a_picture_still_held_keeps_its_memory_until_it_goes() -> None:
    frames = SharedFrames.create(2, SLOT_BYTES)
    held = frames.read(0, frames.write(0, plain(9)), SIZE_WH, is_full_range=False)
    frames.close()
    assert held is not None
    assert (held.y == 9).all(), "a picture in hand must outlive the closing"
    assert frames.read(0, 2, SIZE_WH, is_full_range=False) is None
