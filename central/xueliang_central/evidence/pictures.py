"""Pictures and voice notes on disk, by the sha256 of their bytes: `pictures/{evidence|photo|voice}/ab/cdef…`.

Invariants
    - A name is 64 hexadecimal digits and nothing else, so no text of a user or node ever becomes part of a path.
    - A file under its name is whole and has that hash: it is written beside, checked, synced, then renamed.
    - What lies here says nothing about who may see it: routes ask what names the hash (an incident's alert, a task).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import SHA256_PATTERN
from xueliang_central.errors import NotFound, PictureDamaged, PictureRefused, StoreError, TooLarge
from xueliang_central.evidence.sniffing import sniff
from xueliang_central.evidence.sounds import MP4, WEBM, sniff_sound
from xueliang_central.evidence.tables import leaving_pictures, pictures

_HEAD_BYTES: Final = 256 * 1024  # headers with long metadata before the size still fit
_INCOMING: Final = "incoming"
_LEFT_OVER_AFTER_S: Final = 3600  # no picture takes so long: whoever wrote it is gone


class PictureKind(StrEnum):
    EVIDENCE = "evidence"
    PHOTO = "photo"
    VOICE = "voice"  # a voice note to a task: no picture, kept and deleted as its photos are


LIMIT_BYTES: Final = {PictureKind.EVIDENCE: 8_000_000, PictureKind.PHOTO: 10_000_000, PictureKind.VOICE: 2_000_000}
_MEDIA_TYPES: Final = {
    PictureKind.EVIDENCE: frozenset({"image/jpeg"}),
    PictureKind.PHOTO: frozenset({"image/jpeg", "image/png", "image/webp"}),
    PictureKind.VOICE: frozenset({WEBM, MP4}),  # a minute of either is below 1 MB
}


class PictureStoreFull(StoreError):
    """The disk does not take it. Retry helps when there is room again; the node keeps the picture meanwhile."""

    status = 503
    code = "picture_store"
    title = "Pictures cannot be stored now"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that lies on disk."""

    sha256: str
    kind: PictureKind
    media_type: str
    bytes: int


class PictureStore:
    """The folder of pictures. Safe for several processes: a hash has one content."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self) -> None:
        """Make the folders and clear away what a killed process left half written; other processes may be writing."""
        incoming = self._root / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        for partial in incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process has kept or cleared it
                if time.time() - partial.stat().st_mtime > _LEFT_OVER_AFTER_S:
                    partial.unlink()

    def path_of(self, kind: PictureKind, sha256: str) -> Path:
        """Raises NotFound for anything that is not a sha256 in lower-case hexadecimal."""
        if not re.fullmatch(SHA256_PATTERN, sha256):
            raise NotFound("picture")
        return self._root / kind.value / sha256[:2] / sha256[2:]

    async def receive(self, kind: PictureKind, sha256: str, chunks: AsyncIterator[bytes]) -> Picture:
        """Take a picture in. Taking the same again is harmless.

        Raises:
            TooLarge: more bytes than this kind may have; reading stops there.
            PictureDamaged: the bytes have another hash.
            PictureRefused: they are no picture of an accepted type and size.
            PictureStoreFull: the disk did not take it.
        """
        target = self.path_of(kind, sha256)
        partial = self._root / _INCOMING / secrets.token_hex(16)
        try:
            with await asyncio.to_thread(_create, partial) as handle:
                size, digest, head = await _copy(handle, chunks, LIMIT_BYTES[kind])
                media_type = _accept(kind, sha256, digest, head)
                await asyncio.to_thread(_keep, handle, partial, target)
        except OSError as error:
            raise PictureStoreFull from error
        finally:
            await asyncio.to_thread(partial.unlink, True)
        return Picture(sha256, kind, media_type, size)


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


async def _copy(handle: BinaryIO, chunks: AsyncIterator[bytes], limit: int) -> tuple[int, str, bytes]:
    """Bytes written, their sha256, and the first of them."""
    digest = hashlib.sha256()
    size, head = 0, b""
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"a picture of this kind has at most {limit} bytes")
        digest.update(chunk)
        if len(head) < _HEAD_BYTES:
            head += chunk[: _HEAD_BYTES - len(head)]
        await asyncio.to_thread(handle.write, chunk)
    return size, digest.hexdigest(), head


def _accept(kind: PictureKind, promised: str, digest: str, head: bytes) -> str:
    if digest != promised:
        raise PictureDamaged("the bytes do not have the hash in the address", got=digest)
    if kind is PictureKind.VOICE:
        sound = sniff_sound(head)
        if sound is None:
            raise PictureRefused("expected a voice note: sound alone, as WebM or MP4")
        return sound
    header = sniff(head)
    if header is None or header.media_type not in _MEDIA_TYPES[kind]:
        raise PictureRefused(f"expected {' or '.join(sorted(_MEDIA_TYPES[kind]))}")
    if header.problem:
        raise PictureRefused(header.problem)
    return header.media_type


def _keep(handle: BinaryIO, partial: Path, target: Path) -> None:
    handle.flush()
    os.fsync(handle.fileno())
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the name, too, survives a power cut
    finally:
        os.close(folder)


async def note_received(
    conn: AsyncConnection, picture: Picture, store: PictureStore, *, source: str, at: datetime
) -> bool:
    """Remember that it is here. False: it was known already.

    Raises PictureStoreFull for one whose file was just removed, as one that had been kept long enough: send it again.
    """
    leaving = leaving_pictures.c
    await conn.execute(
        delete(leaving_pictures).where(leaving.sha256 == picture.sha256, leaving.kind == picture.kind.value)
    )
    if not await asyncio.to_thread(store.path_of(picture.kind, picture.sha256).is_file):
        raise PictureStoreFull("the picture was just removed, send it again")
    if await find(conn, picture.kind, picture.sha256) is not None:
        return False
    row = {
        "sha256": picture.sha256,
        "kind": picture.kind.value,
        "media_type": picture.media_type,
        "bytes": picture.bytes,
        "received_at": at,
        "received_from": source,
    }
    await conn.execute(insert(pictures), row)
    return True


async def find(conn: AsyncConnection, kind: PictureKind, sha256: str) -> Picture | None:
    """None when it has not been received."""
    found = await conn.execute(select(pictures).where(pictures.c.sha256 == sha256, pictures.c.kind == kind.value))
    row = found.one_or_none()
    return None if row is None else Picture(row.sha256, PictureKind(row.kind), row.media_type, row.bytes)
