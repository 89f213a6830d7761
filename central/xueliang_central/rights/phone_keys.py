"""The key of a bound phone: P-256, made on the phone and never out of it; what it signs, and whether it did.

ECDSA with SHA-256, 64 bytes r || s, as browsers sign and JWS writes it. What is signed says what for, so that a
signature for one purpose is none for another. No clock, no database.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.algorithms import ECAlgorithm

_SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class PhoneKey:
    """The public half, as a JWK writes it: base64url of 32 bytes each, without padding."""

    x: str
    y: str

    def has_signed(self, message: str, signature: str) -> bool:
        """`signature`: base64url."""
        key, given = self._loaded(), _bytes_of(signature)
        if key is None or given is None or len(given) != _SIGNATURE_BYTES:
            return False
        return ECAlgorithm(ECAlgorithm.SHA256).verify(message.encode(), key, given)

    def _loaded(self) -> Any:
        """None where it is no point of the curve: nothing else can be anybody's key."""
        try:
            return ECAlgorithm.from_jwk({"kty": "EC", "crv": "P-256", "x": self.x, "y": self.y})
        except (jwt.InvalidKeyError, ValueError):
            return None


def to_enrol(code: str) -> str:
    """What a phone signs with the code of a supervisor (as `enrolling.plain` writes it)."""
    return f"xueliang phone enrol\n{code}"


def to_renew(phone_id: str, challenge: str) -> str:
    """What a bound phone signs to go on."""
    return f"xueliang phone renew\n{phone_id}\n{challenge}"


def _bytes_of(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return None
