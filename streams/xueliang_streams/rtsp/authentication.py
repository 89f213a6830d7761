"""Logins over RTSP: Basic (RFC 7617) and Digest with MD5 or SHA-256 (RFC 2617, RFC 7616). Pure.

Invariants:
- The strongest scheme that the camera offers and we speak is answered: SHA-256, then MD5, then Basic.
- A password is never tried twice in a row: a refusal is answered once more only when the camera says that its nonce is
  stale, or when it accepted this login before on the same connection. Cameras lock accounts after a few wrong tries.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_HASHES: Final = {"md5": hashlib.md5, "sha-256": hashlib.sha256}
"""MD5 is what nearly every camera in the field speaks; it protects the password better than Basic does, no more."""
_STRENGTH: Final = ("basic", "digest md5", "digest sha-256")

# A field (name = value) or the name of a scheme; commas between them mean nothing to us.
_PART = re.compile(r'([!#$%&*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s",]*))?')


@dataclass(frozen=True, slots=True)
class Login:
    """User and password as they are, not as the URL writes them."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks for.

    Attributes:
        scheme: in lower case.
        fields: by lower-case name, quotes taken off.
    """

    scheme: str
    fields: Mapping[str, str]

    @property
    def algorithm(self) -> str:
        """The hash, in lower case; "md5" when the server names none (RFC 2617 3.2.1)."""
        return (self.fields.get("algorithm") or "md5").lower()

    @property
    def strength(self) -> int:
        """Above 0: we can answer it; the more the better."""
        if self.scheme == "basic":
            return 1
        qop = _listed(self.fields.get("qop", ""))
        is_whole = "nonce" in self.fields and "realm" in self.fields and (not qop or "auth" in qop)
        name = f"{self.scheme} {self.algorithm.removesuffix('-sess')}"
        return _STRENGTH.index(name) + 1 if is_whole and name in _STRENGTH else 0


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """From the values of WWW-Authenticate; one value may hold several challenges. Nonsense gives none."""
    challenges: list[Challenge] = []
    fields: dict[str, str] = {}
    for value in values:
        for part in _PART.finditer(value):
            if part[2] is None:
                fields = {}
                challenges.append(Challenge(part[1].lower(), fields))
            elif challenges:
                fields.setdefault(part[1].lower(), _unquoted(part[2]))
    return challenges


class Authenticator:
    """The login of one connection: which challenge is answered, and how often. Without a login it answers nothing."""

    def __init__(self, login: Login | None, *, make_cnonce: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._login = login
        self._make_cnonce = make_cnonce
        self._challenge: Challenge | None = None
        self._uses = 0
        self._was_accepted = False
        self._has_repeated = False

    @property
    def is_answering(self) -> bool:
        """Whether requests bring a login."""
        return self._challenge is not None

    def accepted(self) -> None:
        """An answer other than "unauthorised" came for a request with this login."""
        self._was_accepted, self._has_repeated = self.is_answering, False

    def refused(self, values: Iterable[str]) -> bool:
        """The server says 401 with these challenges: whether the same request may be sent again (with `header`)."""
        offered = max(parse_challenges(values), key=lambda challenge: challenge.strength, default=None)
        if self._login is None or offered is None or not offered.strength:
            return False
        before = self._challenge
        if before is not None:
            is_stale = offered.fields.get("stale", "").lower() == "true"
            if self._has_repeated or offered.scheme == "basic" or not (is_stale or self._was_accepted):
                return False
            self._has_repeated = True
        if before is None or before.fields.get("nonce") != offered.fields.get("nonce"):
            self._uses = 0
        self._challenge, self._was_accepted = offered, False
        return True

    def header(self, method: str, url: str) -> dict[str, str]:
        """The Authorization header of a request; empty until a server asked."""
        if self._login is None or self._challenge is None:
            return {}
        if self._challenge.scheme == "basic":
            return {"Authorization": basic(self._login)}
        self._uses += 1
        return {"Authorization": digest(self._login, self._challenge, method, url, self._make_cnonce(), self._uses)}


def basic(login: Login) -> str:
    """The value of Authorization for Basic."""
    return "Basic " + base64.b64encode(f"{login.user}:{login.password}".encode()).decode()


def digest(login: Login, challenge: Challenge, method: str, url: str, cnonce: str, uses: int) -> str:
    """The value of Authorization for Digest; `uses` counts from 1 with the same nonce."""
    asked, qop = challenge.fields, "auth" if challenge.fields.get("qop") else ""
    nonce, count = asked["nonce"], f"{uses:08x}"

    def hashed(text: str) -> str:
        return _HASHES[challenge.algorithm.removesuffix("-sess")](text.encode()).hexdigest()

    secret = hashed(f"{login.user}:{asked['realm']}:{login.password}")
    if challenge.algorithm.endswith("-sess"):
        secret = hashed(f"{secret}:{nonce}:{cnonce}")
    middle = f"{nonce}:{count}:{cnonce}:{qop}" if qop else nonce
    answer = hashed(f"{secret}:{middle}:{hashed(f'{method}:{url}')}")
    parts = [
        f"username={_quoted(login.user)}",
        f"realm={_quoted(asked['realm'])}",
        f"nonce={_quoted(nonce)}",
        f"uri={_quoted(url)}",
        f'response="{answer}"',
    ]
    if "algorithm" in asked:  # older cameras refuse a field that they did not send
        parts.append(f"algorithm={asked['algorithm']}")
    if "opaque" in asked:
        parts.append(f"opaque={_quoted(asked['opaque'])}")
    if qop:
        parts.append(f"qop={qop}, nc={count}")
    if qop or challenge.algorithm.endswith("-sess"):
        parts.append(f"cnonce={_quoted(cnonce)}")
    return "Digest " + ", ".join(parts)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(letter for letter in escaped if letter >= " ") + '"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _listed(text: str) -> set[str]:
    return {part.strip().lower() for part in text.split(",") if part.strip()}
