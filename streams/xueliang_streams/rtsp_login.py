"""The login of our RTSP server: Basic or Digest, one user for every mount."""

from __future__ import annotations

import hmac
import secrets
from typing import Literal

from xueliang_streams.rtsp.authentication import Challenge, Login, basic, digest, parse_challenges
from xueliang_streams.rtsp_requests import Request

LoginScheme = Literal["basic", "digest", "digest-sha-256"]
REALM = "camera"


class LoginCheck:
    """Who may in. Nonces are for the whole server and run out after `nonce_uses` requests (None: never)."""

    def __init__(self, login: tuple[str, str], scheme: LoginScheme, nonce_uses: int | None = None) -> None:
        self._login = Login(*login)
        self._scheme = scheme
        self._nonce_uses = nonce_uses
        self._nonce = secrets.token_hex(16)
        self._uses = 0

    def challenge(self, request: Request) -> str:
        """What to ask for after this request was refused (WWW-Authenticate)."""
        if self._scheme == "basic":
            return f'Basic realm="{REALM}"'
        algorithm = "SHA-256" if self._scheme == "digest-sha-256" else "MD5"
        brought = self._brought(request)
        is_stale = brought is not None and brought.fields.get("nonce", self._nonce) != self._nonce
        stale = ", stale=TRUE" if is_stale else ""
        return f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm={algorithm}, qop="auth"{stale}'

    def is_allowed(self, request: Request) -> bool:
        """Whether this request brings the right login."""
        sent = request.header("authorization")
        if self._scheme == "basic":
            return hmac.compare_digest(sent.encode(), basic(self._login).encode())
        brought = self._brought(request)
        if brought is None or not self._is_right(brought, request):
            return False
        self._uses += 1
        if self._nonce_uses is not None and self._uses >= self._nonce_uses:
            self._nonce, self._uses = secrets.token_hex(16), 0
        return True

    def _brought(self, request: Request) -> Challenge | None:
        """The fields of the login are written as those of a challenge are."""
        found = parse_challenges([request.header("authorization")])
        return found[0] if found and found[0].scheme == "digest" else None

    def _is_right(self, brought: Challenge, request: Request) -> bool:
        fields = brought.fields
        if (fields.get("nonce"), fields.get("uri")) != (self._nonce, request.url):
            return False
        asked = parse_challenges([self.challenge(request)])[0]
        uses = int(fields.get("nc", ""), 16) if fields.get("nc", "").isalnum() else 0
        expected = digest(self._login, asked, request.method, request.url, fields.get("cnonce", ""), uses)
        right = parse_challenges([expected])[0].fields["response"]
        return hmac.compare_digest(fields.get("response", "").encode(), right.encode())
