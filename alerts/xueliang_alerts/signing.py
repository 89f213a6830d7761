"""Signatures of the centre over what it wants of a node: Ed25519, by libsodium (PyNaCl). The only module that sees it.

A public key is written "ed25519:" and 32 bytes in base64; a signing key "ed25519-secret:" and its seed. What is signed
begins with the name of its kind (`purpose`): a signature over one kind of thing never passes for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Final, Self

import nacl.exceptions
import nacl.signing

PUBLIC_PREFIX: Final = "ed25519:"
SECRET_PREFIX: Final = "ed25519-secret:"  # noqa: S105 -- not a secret: lets a scanner recognise one
KEY_BYTES: Final = 32


class NotAKey(ValueError):
    """Text that is no key of this kind. Never says what it was."""


def _decoded(text: str, prefix: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip().removeprefix(prefix).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise NotAKey(f"expected {prefix} and {KEY_BYTES} bytes in base64") from error
    if not text.strip().startswith(prefix) or len(raw) != KEY_BYTES:
        raise NotAKey(f"expected {prefix} and {KEY_BYTES} bytes in base64")
    return raw


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What a node believes. `raw`: 32 bytes."""

    raw: bytes

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises NotAKey."""
        return cls(_decoded(text, PUBLIC_PREFIX))

    @property
    def text(self) -> str:
        return PUBLIC_PREFIX + base64.b64encode(self.raw).decode()

    @property
    def key_id(self) -> str:
        """By which a message names the key it was signed with."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def holds(self, purpose: str, content: bytes, signature: bytes) -> bool:
        """True when the owner of this key signed it for this purpose."""
        try:
            nacl.signing.VerifyKey(self.raw).verify(_bound(purpose, content), signature)
        except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What only the centre has. The seed shows in no repr and no error."""

    seed: bytes = field(repr=False)

    @classmethod
    def make(cls) -> Self:
        return cls(bytes(nacl.signing.SigningKey.generate()))

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises NotAKey."""
        return cls(_decoded(text, SECRET_PREFIX))

    @property
    def text(self) -> str:
        """For its file, which only its owner may read."""
        return SECRET_PREFIX + base64.b64encode(self.seed).decode()

    @property
    def public(self) -> PublicKey:
        return PublicKey(bytes(nacl.signing.SigningKey(self.seed).verify_key))

    def sign(self, purpose: str, content: bytes) -> bytes:
        """64 bytes."""
        return bytes(nacl.signing.SigningKey(self.seed).sign(_bound(purpose, content)).signature)


def _bound(purpose: str, content: bytes) -> bytes:
    return purpose.encode() + b"\n" + content
