"""Bring a model file here: once, verified, then from the cache with no network.

The file lands under its hash, so two cards never fight over a name, and only after its hash is right.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from xueliang_models.cards import ModelCard
from xueliang_models.errors import FetchError
from xueliang_models.onnx_file import MAX_MODEL_BYTES

_TIMEOUT_S: Final = 30.0
_CHUNK_BYTES: Final = 1 << 16


def cached_path(card: ModelCard, cache: Path) -> Path:
    """Where the model of this card lies once it has been fetched."""
    return cache / f"{card.sha256}.onnx"


def fetch(card: ModelCard, cache: Path, *, client: httpx.Client | None = None) -> Path:
    """The model's file: from the cache when it is there and whole, else downloaded from `card.url`.

    Raises:
        FetchError: no url, no network, too large, or another hash than the card says.
    """
    target = cached_path(card, cache)
    if target.is_file() and _digest_of(target) == card.sha256:
        return target
    if card.url is None:
        raise FetchError(f"card {card.model_id} names no url; put the file with sha256 {card.sha256} at {target}")
    if urlsplit(card.url).scheme not in ("http", "https"):
        raise FetchError(f"card {card.model_id}: url must be http or https, got {card.url.split(':')[0]!r}")
    cache.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=cache, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as part:
            digest = _download(card, part.write, client)
            part.flush()
            os.fsync(part.fileno())
        if digest != card.sha256:
            raise FetchError(
                f"{_shown(card)}: what came has sha256 {digest}, the card says {card.sha256}; nothing was kept"
            )
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return target


def _download(card: ModelCard, write: Callable[[bytes], int], client: httpx.Client | None) -> str:
    digest, total = hashlib.sha256(), 0
    http = client or httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False)
    try:
        with http.stream("GET", str(card.url)) as answer:
            if answer.status_code != 200:
                raise FetchError(f"{_shown(card)}: answered {answer.status_code}; expected 200 and the file itself")
            for chunk in answer.iter_bytes(_CHUNK_BYTES):
                total += len(chunk)
                if total > MAX_MODEL_BYTES:
                    raise FetchError(f"{_shown(card)}: more than {MAX_MODEL_BYTES} bytes; is this a model?")
                digest.update(chunk)
                write(chunk)
    except httpx.HTTPError as error:
        raise FetchError(
            f"{_shown(card)}: {type(error).__name__}; try again, or put the file into the cache"
        ) from error
    finally:
        if client is None:
            http.close()
    return digest.hexdigest()


def _shown(card: ModelCard) -> str:
    """The address as it may be printed: no login, no query."""
    parts = urlsplit(str(card.url))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
