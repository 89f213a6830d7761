"""Passwords: argon2id, hashed in a thread, a few at a time.

19 MiB, two passes, one lane: the floor of OWASP's password storage guidance; a hash costs about 0.1 s of one core.
Where there is no stored hash, one of nobody's is judged instead, so that an unknown name costs the same time.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import lru_cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from xueliang_central.errors import MoveRefused

MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 256  # hashing a novel would be a gift to an attacker
HASHES_AT_ONCE: Final = 2


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe(16))


@lru_cache(maxsize=4)
def _places(_loop: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    return asyncio.Semaphore(HASHES_AT_ONCE)


async def hash_password(password: str) -> str:
    """Raises MoveRefused when the password is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise MoveRefused(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    async with _places(asyncio.get_running_loop()):
        return await asyncio.to_thread(_hasher().hash, password)


async def password_fits(stored: str | None, password: str) -> bool:
    def fits() -> bool:
        try:
            return _hasher().verify(stored or _nobodys_hash(), password[: MAX_PASSWORD + 1]) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    async with _places(asyncio.get_running_loop()):
        return await asyncio.to_thread(fits)
