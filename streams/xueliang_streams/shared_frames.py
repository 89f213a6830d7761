"""Pictures in memory that several processes share: slots of one size, each with a generation.

Invariants
    - The whole region is reserved when it is made, or it is refused: nobody is ever killed by SIGBUS for a page that
      /dev/shm could not give.
    - The file has no name. When the last process that holds it ends, however it ends, the memory is free again.
    - A generation is even when the slot is whole and odd while it is written; a writer that dies in the middle leaves
      it odd. It lives in the slot itself, so it goes on when the writer is begun anew: an old handle never fits a new
      picture.
    - One writer a slot at a time. Who may write when is settled by messages (`looks.py`); generations only prove it.

A handle reaches its reader through a socket, which orders memory between processors: what was written before the handle
was sent is seen by whoever received it.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from xueliang_streams.errors import SharedMemoryTooSmall
from xueliang_streams.frame import Planes

HEADER_BYTES: Final = 64  # a cache line: two slots never share one; the generation is its first eight bytes
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the file made there has no name
_ALIGN_BYTES: Final = 64
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.ENOMEM, errno.EFBIG, errno.EDQUOT})
_ZEROS: Final = bytes(1 << 20)


class SharedFrames:
    """`slots` places of `slot_bytes` each. One process makes it, others `attach` to its `fd`."""

    def __init__(self, fd: int, slots: int, slot_bytes: int, *, is_writer: bool) -> None:
        """Takes over `fd`. Use `create` or `attach`."""
        self.fd = fd
        self.slots, self.slot_bytes, self.is_writer = slots, slot_bytes, is_writer
        self._stride = _stride(slot_bytes)
        self._map = mmap.mmap(fd, slots * self._stride, access=mmap.ACCESS_WRITE if is_writer else mmap.ACCESS_READ)
        self._view = memoryview(self._map)
        self._generations: NDArray[np.uint64] = np.frombuffer(self._view, np.uint64).reshape(slots, -1)[:, 0]

    @classmethod
    def create(cls, slots: int, slot_bytes: int, *, folder: Path = SHARED_MEMORY) -> Self:
        """A new region, all slots of generation 0: nothing was ever written there.

        `folder` is where its memory comes from; when it does not exist (macOS), the system's folder for temporary
        files serves.

        Raises:
            SharedMemoryTooSmall: the message names the bytes needed and free, and what to try.
            ValueError: no slot, or slots of no size.
        """
        if slots < 1 or slot_bytes < 1:
            raise ValueError(f"expected at least one slot of at least one byte, got {slots} of {slot_bytes}")
        folder = _usable(folder)
        needed_bytes = slots * _stride(slot_bytes)
        what = f"{slots} pictures of {slot_bytes} bytes"
        require_room([(slots, slot_bytes)], folder=folder)
        with tempfile.TemporaryFile(dir=folder, prefix="xueliang-") as file:
            try:
                _reserve(file.fileno(), needed_bytes)
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                raise SharedMemoryTooSmall(_too_small(folder, what, needed_bytes, _free_bytes(folder))) from error
            return cls(os.dup(file.fileno()), slots, slot_bytes, is_writer=True)

    @classmethod
    def attach(cls, fd: int, slots: int, slot_bytes: int, *, is_writer: bool = False) -> Self:
        """Another process's region, through a descriptor that was handed over (it is taken over).

        A reader maps it read only: not even a fault in its code can change a picture.

        Raises:
            ValueError: the region has another size.
        """
        expected, actual = slots * _stride(slot_bytes), os.fstat(fd).st_size
        if actual != expected:
            raise ValueError(f"expected {expected} bytes for {slots} slots of {slot_bytes}, the region has {actual}")
        return cls(fd, slots, slot_bytes, is_writer=is_writer)

    @contextlib.contextmanager
    def writing(self, slot: int) -> Iterator[memoryview]:
        """The payload of a slot, to be filled; the slot is whole again when the block ends without an error."""
        before = self.generation(slot)
        unfinished = before + (1 if before % 2 == 0 else 2)
        self._generations[slot] = unfinished
        yield self.payload(slot)
        self._generations[slot] = unfinished + 1

    def write(self, slot: int, planes: Planes) -> int:
        """Copy a picture into a slot; returns its generation.

        Raises:
            ValueError: the picture is larger than a slot; the slot is as it was.
        """
        if planes.nbytes > self.slot_bytes:
            raise ValueError(f"picture of {planes.nbytes} bytes does not fit into a slot of {self.slot_bytes}")
        with self.writing(slot) as payload:
            planes.copy_into(payload)
        return self.generation(slot)

    def read(self, slot: int, generation: int, size_wh: tuple[int, int], is_full_range: bool) -> Planes | None:
        """The picture as views of the slot; None when it was replaced, is being replaced, or never was there.

        Whoever used the views asks `is_still` afterwards: what was made of a picture that changed meanwhile is
        worthless.
        """
        if not self.is_still(slot, generation):
            return None
        try:
            return Planes.from_buffer(self.payload(slot), size_wh, is_full_range=is_full_range)
        except ValueError:  # a size that does not fit into the slot: no such picture was ever written
            return None

    def is_still(self, slot: int, generation: int) -> bool:
        """True while the slot holds this very writing, whole."""
        return 0 <= slot < self.slots and generation > 0 and generation % 2 == 0 and self.generation(slot) == generation

    def generation(self, slot: int) -> int:
        """Even: whole (0: nothing yet); odd: being written, or its writer died."""
        return int(self._generations[slot])

    def payload(self, slot: int) -> memoryview:
        """The bytes of a slot; read only for whoever attached as a reader."""
        start = slot * self._stride + HEADER_BYTES
        return self._view[start : start + self.slot_bytes]

    def close(self) -> None:
        """Give up the descriptor at once, and the memory as soon as no picture read from here is held any more."""
        if self.fd < 0:
            return
        os.close(self.fd)
        self.fd = -1
        self._generations = np.zeros(self.slots, np.uint64)  # whoever still asks is told: nothing there
        with contextlib.suppress(BufferError):
            self._view.release()
            self._map.close()


def require_room(regions: Sequence[tuple[int, int]], *, folder: Path = SHARED_MEMORY) -> None:
    """There is room for all of these regions of (slots, bytes of a slot) together.

    Raises:
        SharedMemoryTooSmall: the message names the bytes that all need and those free, and what to try.
    """
    folder = _usable(folder)
    needed_bytes = sum(slots * _stride(slot_bytes) for slots, slot_bytes in regions)
    free_bytes = _free_bytes(folder)
    if needed_bytes > free_bytes:
        counts: Counter[int] = Counter()
        for slots, slot_bytes in regions:
            counts[slot_bytes] += slots
        what = " and ".join(f"{count} pictures of {slot_bytes} bytes" for slot_bytes, count in sorted(counts.items()))
        raise SharedMemoryTooSmall(_too_small(folder, what, needed_bytes, free_bytes))


def _usable(folder: Path) -> Path:
    return folder if folder.is_dir() and os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def _stride(slot_bytes: int) -> int:
    return HEADER_BYTES + -(-slot_bytes // _ALIGN_BYTES) * _ALIGN_BYTES


def _free_bytes(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def _reserve(fd: int, needed_bytes: int) -> None:
    """Give the file every page it will ever have. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, needed_bytes)
        return
    written = 0
    while written < needed_bytes:  # macOS has no call for it: writing does the same
        written += os.write(fd, _ZEROS[: needed_bytes - written])


def _too_small(folder: Path, what: str, needed_bytes: int, free_bytes: int) -> str:
    mib = -(-needed_bytes // (1 << 20)) + 16
    return (
        f"{folder}: shared memory for {what} needs {needed_bytes} bytes, {free_bytes} bytes are free; "
        f"enlarge it (Docker: --shm-size={mib}m; Kubernetes: an emptyDir of medium Memory mounted at {SHARED_MEMORY}; "
        f"else: mount -o remount,size={mib}m {folder}), or give this node fewer cameras"
    )
