"""Photos that come in pieces over a thin link: `pictures/pieces/<sender>-<hash>` holds what has come of one.

Invariants
    - A piece is added only where the bytes that are here end; the answer to any other says how many are here.
    - A connection that breaks leaves what has come: the sender goes on from there.
    - What lies here is no picture. Whole, it goes through `PictureStore.receive` like any other; wrong, it goes.
    - A sender has at most `MOST_HALVES` photos here, none for longer than `KEPT_S`.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xueliang_central.errors import Conflict, PictureDamaged, PictureRefused, TooLarge
from xueliang_central.evidence.pictures import LIMIT_BYTES, Picture, PictureKind, PictureStore, PictureStoreFull

MOST_HALVES: Final = 12  # as many photos as one move of a task names
KEPT_S: Final = 24 * 3600.0  # two shifts: nobody goes on with a photo of the day before yesterday
_RANGE: Final = re.compile(r"bytes (\d{1,9})-(\d{1,9})/(\d{1,9})")
_READ_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `stop` (without it) of `total`."""

    start: int
    stop: int
    total: int


def piece_of(content_range: str, kind: PictureKind) -> Piece:
    """Reads "bytes 0-65535/400000". Raises PictureRefused, TooLarge."""
    match = _RANGE.fullmatch(content_range.strip())
    if match is None:
        raise PictureRefused('expected a Content-Range like "bytes 0-65535/400000"')
    start, last, total = (int(text) for text in match.groups())
    if total > LIMIT_BYTES[kind]:
        raise TooLarge(f"a picture of this kind has at most {LIMIT_BYTES[kind]} bytes")
    if not start <= last < total:
        raise PictureRefused(f"Content-Range {start}-{last} does not lie in {total} bytes")
    return Piece(start, last + 1, total)


class Pieces:
    """What has come of photos, for the senders of one store."""

    def __init__(self, store: PictureStore) -> None:
        self._store = store

    async def received(self, kind: PictureKind, sha256: str, sender: str) -> int:
        """How many bytes are here; 0 when none."""
        return await asyncio.to_thread(_size, self._path(kind, sha256, sender))

    async def add(
        self, kind: PictureKind, sha256: str, sender: str, piece: Piece, chunks: AsyncIterator[bytes], *, now_s: float
    ) -> Picture | None:
        """Take a piece in; the picture once it is whole. `now_s`: seconds since 1970, as files are dated.

        Raises:
            Conflict: it does not begin where the bytes here end, another piece of it is just coming, or it is whole and
                was damaged on the way: nothing of it is here any more, and it may be sent from its beginning.
            TooLarge: more bytes than the piece said.
            PictureRefused: whole, but no picture.
            PictureStoreFull: the disk did not take it.
        """
        path = self._path(kind, sha256, sender)
        try:
            if piece.start == 0:
                await asyncio.to_thread(_make_room, path, now_s)
            with _alone(path) as handle:
                await _append(handle, piece, chunks)
                if os.fstat(handle).st_size < piece.total:
                    return None
                try:
                    return await self._store.receive(kind, sha256, _read(path))
                except PictureDamaged as error:
                    raise Conflict("this photo was damaged on the way: send it again", received=0) from error
                finally:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise PictureStoreFull from error

    def _path(self, kind: PictureKind, sha256: str, sender: str) -> Path:
        known = self._store.path_of(kind, sha256)  # raises NotFound for what is no hash
        who = hashlib.sha256(sender.encode()).hexdigest()[:32]
        return known.parents[2] / "pieces" / f"{who}-{sha256}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _make_room(path: Path, now_s: float) -> None:
    """Before a new one: what is too old goes, and the oldest of a sender who has too many."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sender = path.name.partition("-")[0]
    mine: list[tuple[float, Path]] = []
    for other in path.parent.iterdir():
        changed_s = other.stat().st_mtime
        if now_s - changed_s > KEPT_S:
            other.unlink(missing_ok=True)
        elif other.name.startswith(sender) and other != path:
            mine.append((changed_s, other))
    for _, oldest in sorted(mine)[: max(0, len(mine) - MOST_HALVES + 1)]:
        oldest.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """The file's descriptor, for appending, while nobody else adds to it. Raises Conflict."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict("another piece of this photo is just coming") from error
        yield handle
    finally:
        os.close(handle)


async def _append(handle: int, piece: Piece, chunks: AsyncIterator[bytes]) -> None:
    have = os.fstat(handle).st_size
    if piece.start != have:
        raise Conflict(f"{have} bytes of this photo are here", received=have)
    async for chunk in chunks:
        have += len(chunk)
        if have > piece.stop:
            raise TooLarge(f"the piece has more than the {piece.stop - piece.start} bytes it said")
        await asyncio.to_thread(_write_all, handle, chunk)


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


async def _read(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as handle:
        while chunk := await asyncio.to_thread(handle.read, _READ_BYTES):
            yield chunk
