"""What stands before every route: limits before parsing, foreign origins, headers on every answer, a correlation id.

Plain ASGI, outermost: it sees also what no route sees, and an answer cannot leave without its headers.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xueliang_central.evidence.pictures import LIMIT_BYTES, PictureKind
from xueliang_central.rights.policy import SAFE_METHODS
from xueliang_central.routes.problems import MEDIA_TYPE, REQUEST_ID_KEY, problem_bytes
from xueliang_central.routes.rates import Rates

log = logging.getLogger(__name__)

BODY_LIMIT_BYTES: Final = 64 * 1024
TARGET_LIMIT: Final = 2048  # path and query together
_JSON: Final = "application/json"
_BYTES: Final = "application/octet-stream"
_VOICES: Final = "/api/voices/"
_LIVE: Final = "/api/live-feeds/"
_UPLOADS: Final = {
    "/api/evidence/": LIMIT_BYTES[PictureKind.EVIDENCE],
    "/api/photos/": LIMIT_BYTES[PictureKind.PHOTO],
    _VOICES: LIMIT_BYTES[PictureKind.VOICE],
    _LIVE: 10 << 20,  # one key picture of the largest that nodes read, 8 MB, and what comes with it
}
_ALWAYS_ANSWERED: Final = frozenset({"/api/health"})  # also while the database is away

# 'unsafe-inline' for styles only: Element Plus and Leaflet place their pop-ups and tiles by style attributes. A style
# cannot run code; scripts come from this origin and from files alone.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(self), microphone=(self)",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer given before any route was asked."""

    status: int
    code: str
    title: str
    detail: str = ""
    retry_after_s: int | None = None


class Guard:
    """Wraps the application.

    Args:
        database_is_up: False: answer 503 at once instead of letting requests hang.
        public_origin: a proxy's origin whose requests are ours too.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        database_is_up: Callable[[], bool],
        rates: Rates,
        public_origin: str | None = None,
        hsts: bool = False,
    ) -> None:
        self._app = app
        self._database_is_up = database_is_up
        self._rates = rates
        self._public_origin = public_origin.lower().rstrip("/") if public_origin else None
        self._headers = dict(_HEADERS)
        if hsts:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no WebSockets here
        request_id = scope[REQUEST_ID_KEY] = secrets.token_hex(8)
        exchange = _Exchange(scope, send, request_id, self._headers)
        refusal = self._refusal(scope)
        if refusal is not None:
            await exchange.refuse(refusal)
            return
        try:
            await self._app(scope, _limited(receive, _limit_of(scope["path"])), exchange.send)
        except Exception:
            log.exception("request failed", extra={"request_id": request_id, "path": scope["path"][:200]})
            if not exchange.has_started:
                await exchange.refuse(Refusal(500, "internal", "Something went wrong here"))
            elif not exchange.is_complete:
                raise  # the server closes the connection: the client must not take half an answer for a whole one

    def _refusal(self, scope: Scope) -> Refusal | None:
        path, headers = scope["path"], Headers(scope=scope)
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > TARGET_LIMIT:
            return Refusal(414, "target_too_long", "The address is too long")
        if "\0" in path or b"%00" in (scope.get("query_string") or b""):
            return Refusal(400, "bad_address", "The address holds a character that nothing here is named by")
        if not path.startswith("/api/"):
            return None
        wait_s = self._rates.wait_s(_subject(scope, headers))
        if wait_s:
            return Refusal(429, "throttled", "Too many requests", retry_after_s=wait_s)
        if scope["method"] not in SAFE_METHODS:
            refusal = self._cross_site(headers) or _body_refusal(path, headers)
            if refusal is not None:
                return refusal
        if path not in _ALWAYS_ANSWERED and not self._database_is_up():
            return Refusal(503, "database_unavailable", "The centre waits for its database", "", 2)
        return None

    def _cross_site(self, headers: Headers) -> Refusal | None:
        """A browser says where a request comes from; a program that is no browser carries no one's cookie by
        accident."""
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site")
        ours = site in {None, "same-origin", "none"}
        if origin is not None:
            ours = origin.lower() == self._public_origin or _netloc(origin) == headers.get("host", "").lower()
        if ours:
            return None
        return Refusal(403, "cross_site", "The request does not come from this console", "origin")


def _netloc(origin: str) -> str | None:
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in {"http", "https"} and parts.netloc else None


def _subject(scope: Scope, headers: Headers) -> str:
    """Whose rate is counted: the bearer or session when there is one, else the address."""
    credential = headers.get("authorization") or headers.get("cookie")
    address = (scope.get("client") or ("?", 0))[0]
    return f"{address} {hash(credential)}" if credential else str(address)


def _limit_of(path: str) -> int:
    return next((limit for prefix, limit in _UPLOADS.items() if path.startswith(prefix)), BODY_LIMIT_BYTES)


def _wanted_type(path: str) -> tuple[str, str]:
    """How the media type of a body must begin, and how to say so. What it is is read from its bytes later."""
    if path.startswith(_VOICES):
        return "audio/", "audio/webm or audio/mp4"
    if path.startswith(_LIVE):
        return "video/", "video/mp4"
    if any(path.startswith(prefix) for prefix in _UPLOADS):
        return "image/", "image/jpeg, image/png or image/webp"
    return _JSON, _JSON


def _body_refusal(path: str, headers: Headers) -> Refusal | None:
    length = headers.get("content-length")
    has_body = headers.get("transfer-encoding") is not None or (length is not None and length != "0")
    if not has_body:
        return None
    if headers.get("content-encoding", "identity") != "identity":
        return Refusal(415, "media_type", "Compressed bodies are not taken")
    if length is not None and (not length.isdecimal() or len(length) > 15 or int(length) > _limit_of(path)):
        return Refusal(413, "too_large", "The body is too large", f"at most {_limit_of(path)} bytes")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted, said = _wanted_type(path)
    if media_type == wanted or (wanted.endswith("/") and (media_type.startswith(wanted) or media_type == _BYTES)):
        return None
    return Refusal(415, "media_type", "The body has the wrong type", f"expected {said}")


def _limited(receive: Receive, limit: int) -> Receive:
    """Count what really comes: a chunked body says no length before."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413)
        return message

    return counted


class _Exchange:
    """One request's answer on its way out."""

    def __init__(self, scope: Scope, send: Send, request_id: str, headers: dict[str, str]) -> None:
        self._send = send
        self._is_api = scope["path"].startswith("/api/")
        self._request_id = request_id
        self._headers = headers
        self.has_started = False
        self.is_complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers[name] = value
            headers["x-request-id"] = self._request_id
            if self._is_api or "cache-control" not in headers:
                headers["cache-control"] = "no-store"
        await self._send(message)
        self.is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)

    async def refuse(self, refusal: Refusal) -> None:
        body = problem_bytes(refusal.status, refusal.code, refusal.title, self._request_id, refusal.detail)
        headers: list[tuple[bytes, bytes]] = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        if refusal.retry_after_s is not None:
            headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
        if refusal.status == 413:
            headers.append((b"connection", b"close"))
        start: dict[str, Any] = {"type": "http.response.start", "status": refusal.status, "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})
