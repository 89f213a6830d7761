"""Secrets of second factors, sealed: whoever reads the database alone cannot make codes.

The key is a file beside the database and not in it, 0600, made when the first secret is sealed. Processes on several
machines need the same file (`accounts.key` in centre.yaml). Sealed by NaCl's secretbox, bound to the person.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import nacl.exceptions
import nacl.secret

from xueliang_central.errors import SecondFactorUnreadable


class Seal:
    """Seals with the key in `path`; reads it anew each time, so that a key put there later counts at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def close(self, secret: bytes, *, user_id: str, may_make_key: bool) -> str:
        """The sealed secret as text. Raises SecondFactorUnreadable when there is no key and none is made."""
        box = nacl.secret.SecretBox(self._key(may_make=may_make_key))
        return base64.b64encode(box.encrypt(user_id.encode() + secret)).decode()

    def open(self, sealed: str, *, user_id: str) -> bytes:
        """Raises SecondFactorUnreadable: another key, a damaged row, or another person's row."""
        bound = user_id.encode()
        try:
            found: bytes = nacl.secret.SecretBox(self._key(may_make=False)).decrypt(base64.b64decode(sealed))
        except (nacl.exceptions.CryptoError, nacl.exceptions.ValueError, ValueError) as error:
            raise SecondFactorUnreadable("sealed with another key than the one in accounts.key") from error
        if not found.startswith(bound):
            raise SecondFactorUnreadable("the secret of another person stands here")
        return found[len(bound) :]

    def _key(self, *, may_make: bool) -> bytes:
        try:
            if may_make and not self._path.exists():
                self._make()
            key = self._path.read_bytes()
        except OSError as error:
            raise SecondFactorUnreadable("the key file (accounts.key in centre.yaml) cannot be read") from error
        if len(key) != nacl.secret.SecretBox.KEY_SIZE:
            raise SecondFactorUnreadable("the key file (accounts.key in centre.yaml) does not hold a key")
        return key

    def _make(self) -> None:
        """Written whole beside it, then linked: two processes at once end with one key, and none is half."""
        beside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(nacl.secret.SecretBox.KEY_SIZE))
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, self._path)
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            beside.unlink()
