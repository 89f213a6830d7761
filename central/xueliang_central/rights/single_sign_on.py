"""OpenID Connect: the provider proves who a person is, the centre's own register says what the person may do.

Authorization code flow with PKCE, state and nonce.

Invariants
    - Only what the provider's discovery document names is asked, over HTTPS (or loopback), without following redirects,
      each question with a deadline and a bound on its answer. Nothing in a request says where anything leads.
    - A trip is a row with the hash of its state, bound to the browser by a cookie, and is used up by the first answer.
    - An ID token counts when a key of the provider signed it by an asymmetric algorithm, and issuer, audience, times
      and nonce are as expected. A key that is not known, or does not fit any more, is looked for once more: providers
      change their keys.
    - The claim is compared with `users.holder`; nobody is made, moved or given a role by a token.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt
from jwt.types import Options
from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.clocks import Mono
from xueliang_central.errors import SignOnFailed
from xueliang_central.rights.tables import sign_on_trips

CALLBACK_PATH: Final = "/api/session/oidc/callback"
TRIP_COOKIE: Final = "xl_trip"
TRIP_LASTS: Final = timedelta(minutes=10)  # a person types a password and a code at the provider
LEEWAY: Final = timedelta(seconds=60)  # how far the provider's clock may be from ours
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_ASK_WITHIN_S: Final = 8.0  # below the console's own patience; local sign-in waits for none of it
_ANSWER_BYTES: Final = 256 * 1024
_DISCOVERY_LASTS_S: Final = 3600.0
_TEXT_LIMIT: Final = 200


@dataclass(frozen=True, slots=True)
class SignOnSettings:
    """What an operator chose. `redirect_uri` is where the provider sends people back."""

    issuer: str
    client_id: str
    client_secret: str | None
    claim: str
    scopes: str
    label: str
    redirect_uri: str
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Trip:
    """A browser's way to the provider. `browser` goes into a cookie and nowhere else."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class _Endpoints:
    authorization: str
    token: str
    keys: str
    by_post: bool  # the client secret goes into the body, not into a header
    read_mono_s: float


class Provider:
    """The identity provider. Remembers its addresses for an hour and its keys until one is missing."""

    def __init__(self, settings: SignOnSettings, mono: Mono, *, ask_within_s: float = _ASK_WITHIN_S) -> None:
        self.settings = settings
        self._trusted: ssl.SSLContext | None = None
        self._mono = mono
        self._ask_within_s = ask_within_s
        self._endpoints: _Endpoints | None = None
        self._keys: dict[str | None, jwt.PyJWK] = {}

    async def depart(self, conn: AsyncConnection, endpoint: str, at: datetime) -> Trip:
        """A new trip from this browser to `endpoint` (from `authorization_endpoint`)."""
        state, nonce, browser = (secrets.token_urlsafe(32) for _ in range(3))
        verifier = secrets.token_urlsafe(48)
        row = {
            "state_hash": _hash(state),
            "browser_hash": _hash(browser),
            "nonce": nonce,
            "verifier": verifier,
            "expires_at": at + TRIP_LASTS,
        }
        await conn.execute(insert(sign_on_trips), row)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_uri,
            "scope": self.settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(endpoint).query else "?"
        return Trip(f"{endpoint}{joint}{urlencode(asked, quote_via=quote)}", browser)

    async def authorization_endpoint(self) -> str:
        """Where browsers are sent. Raises SignOnFailed."""
        return (await self._discovered()).authorization

    async def holder_of(self, code: str, *, verifier: str, nonce: str, at: datetime) -> str:
        """Exchange the code, judge the ID token: the value of the claim. Raises SignOnFailed."""
        endpoints = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.redirect_uri,
            "code_verifier": verifier,
            "client_id": self.settings.client_id,
        }
        headers = {}
        secret = self.settings.client_secret
        if secret is not None and endpoints.by_post:
            form["client_secret"] = secret
        elif secret is not None:
            pair = f"{quote(self.settings.client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = await self._ask("POST", endpoints.token, form=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignOnFailed("nonsense", "the provider's answer holds no ID token")
        claims = await self._claims(token, endpoints.keys)
        judge_claims(claims, issuer=self.settings.issuer, client_id=self.settings.client_id, nonce=nonce, at=at)
        found = claims.get(self.settings.claim)
        if not isinstance(found, str) or not found.strip():
            raise SignOnFailed("nonsense", f"the ID token holds no claim {self.settings.claim!r} that is text")
        return found.strip()

    async def _discovered(self) -> _Endpoints:
        known = self._endpoints
        if known is not None and self._mono() - known.read_mono_s < _DISCOVERY_LASTS_S:
            return known
        issuer = self.settings.issuer
        found = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise SignOnFailed("nonsense", f"the provider calls itself {_shown(found.get('issuer'))}, not {issuer}")
        methods = found.get("token_endpoint_auth_methods_supported")
        by_post = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
        self._endpoints = _Endpoints(
            authorization=self._endpoint(found, "authorization_endpoint"),
            token=self._endpoint(found, "token_endpoint"),
            keys=self._endpoint(found, "jwks_uri"),
            by_post=by_post,
            read_mono_s=self._mono(),
        )
        self._keys = {}  # a key that the provider has withdrawn does not count for longer than this either
        return self._endpoints

    def _endpoint(self, found: Mapping[str, Any], name: str) -> str:
        """HTTPS; plain HTTP only where the issuer itself is on this machine, and on the issuer's own host."""
        url = found.get(name)
        parts = urlsplit(url) if isinstance(url, str) and url.isprintable() and " " not in url else None
        issuer = urlsplit(self.settings.issuer)
        is_ours = parts is not None and (
            (parts.scheme == "https" and bool(parts.hostname))
            or (issuer.scheme == "http" and (parts.scheme, parts.hostname) == ("http", issuer.hostname))
        )
        if parts is None or not is_ours or parts.username is not None or parts.fragment:
            raise SignOnFailed("nonsense", f"the provider's {name} is no https address: {_shown(url)}")
        return str(url)

    async def _claims(self, token: str, keys_url: str) -> Mapping[str, Any]:
        """What a key of the provider has signed; nothing of it is judged yet."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS:
                raise SignOnFailed("nonsense", f"the ID token is signed by {_shown(algorithm)}, which is not taken")
            key = self._key(key_id)
            if key is not None:
                with suppress(jwt.InvalidSignatureError):
                    return _verified(token, key, str(algorithm))
            self._keys = await self._read_keys(keys_url)
            key = self._key(key_id)
            if key is None:
                raise SignOnFailed("nonsense", "no key of the provider has signed the ID token")
            return _verified(token, key, str(algorithm))
        except jwt.InvalidSignatureError as error:
            raise SignOnFailed("nonsense", "the ID token's signature is wrong") from error
        except jwt.PyJWTError as error:
            raise SignOnFailed("nonsense", f"the ID token cannot be read: {type(error).__name__}") from error

    def _key(self, key_id: object) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))  # a provider with one key need not name it
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    async def _read_keys(self, url: str) -> dict[str | None, jwt.PyJWK]:
        found = await self._ask("GET", url)
        try:
            keys = jwt.PyJWKSet.from_dict(dict(found)).keys  # those that cannot be used are left out
        except (jwt.PyJWTError, TypeError, ValueError, AttributeError) as error:
            raise SignOnFailed("nonsense", "the provider's keys cannot be read") from error
        return {key.key_id: key for key in keys if key.public_key_use in {None, "sig"}}

    async def _ask(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """The JSON object that is answered. Raises SignOnFailed."""
        asked = {"accept": "application/json", **(headers or {})}
        if self._trusted is None:
            self._trusted = _trusted_by(self.settings.ca_file)
        try:
            async with (
                asyncio.timeout(self._ask_within_s),
                httpx.AsyncClient(
                    follow_redirects=False, timeout=self._ask_within_s, verify=self._trusted, trust_env=False
                ) as client,
                client.stream(method, url, data=form, headers=asked) as answer,
            ):
                body = b""
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > _ANSWER_BYTES:
                        raise SignOnFailed("nonsense", f"the provider's answer is over {_ANSWER_BYTES} bytes")
        except TimeoutError as error:
            raise SignOnFailed("unavailable", f"no answer within {self._ask_within_s:g} s") from error
        except httpx.TimeoutException as error:
            raise SignOnFailed("unavailable", f"no answer within {self._ask_within_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SignOnFailed("unavailable", f"the provider cannot be reached: {type(error).__name__}") from error
        return _object(answer.status_code, body)


def judge_claims(
    claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, at: datetime, leeway: timedelta = LEEWAY
) -> None:
    """Whether a signed ID token is for us, of now, and of this trip. Raises SignOnFailed with what is wrong."""

    def refuse(problem: str) -> None:
        raise SignOnFailed("nonsense", f"the ID token {problem}")

    if claims.get("iss") != issuer:
        refuse(f"is of {_shown(claims.get('iss'))}, not of {issuer}")
    audience = claims.get("aud")
    for_whom = audience if isinstance(audience, list) else [audience]
    if client_id not in for_whom or (len(for_whom) > 1 and claims.get("azp") != client_id):
        refuse("is for another program")
    if claims.get("azp") not in {None, client_id}:
        refuse("was given to another program")
    now_s, leeway_s = at.timestamp(), leeway.total_seconds()
    expires, issued, begins = (_seconds(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if expires is None or now_s >= expires + leeway_s:
        refuse("has expired, or says no end; are the clocks of centre and provider right?")
    if issued is None or issued > now_s + leeway_s or (begins is not None and begins > now_s + leeway_s):
        refuse("is of the future, or says no beginning; are the clocks of centre and provider right?")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        refuse("is of another sign-in")


async def arrive(conn: AsyncConnection, *, state: str, browser: str, at: datetime) -> tuple[str, str]:
    """The trip that this answer ends: its verifier and nonce. Raises SignOnFailed ("stale")."""
    ended = await conn.execute(
        delete(sign_on_trips)
        .where(
            sign_on_trips.c.state_hash == _hash(state),
            sign_on_trips.c.browser_hash == _hash(browser),
            sign_on_trips.c.expires_at > at,
        )
        .returning(sign_on_trips.c.verifier, sign_on_trips.c.nonce)
    )
    row = ended.one_or_none()
    if row is None:
        raise SignOnFailed("stale", "this browser began no such sign-in, or too long ago")
    return row.verifier, row.nonce


def _trusted_by(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # also what is no certificate: ssl.SSLError is one
        raise SignOnFailed("unavailable", "accounts.single_sign_on.ca_file cannot be read as certificates") from error


def _verified(token: str, key: jwt.PyJWK, algorithm: str) -> Mapping[str, Any]:
    """Signature alone; what the claims say is judged by our own clock in `judge_claims`."""
    unjudged: Options = {
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
        "verify_aud": False,
        "verify_iss": False,
        "verify_sub": False,
        "verify_jti": False,
    }
    claims: Mapping[str, Any] = jwt.decode(token, key, algorithms=[algorithm], options=unjudged)
    return claims


def _object(status: int, body: bytes) -> Mapping[str, Any]:
    if 300 <= status < 400:
        raise SignOnFailed("unavailable", f"the provider sends elsewhere (HTTP {status}), which is not followed")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if status >= 500:
        raise SignOnFailed("unavailable", f"the provider answers HTTP {status}")
    if status >= 400:
        told = found.get("error") if isinstance(found, dict) else None
        raise SignOnFailed("refused", f"the provider answers HTTP {status}: {_shown(told)}")
    if not isinstance(found, dict):
        raise SignOnFailed("nonsense", "the provider's answer is no JSON object")
    return found


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    """What somebody else wrote, for one line of a log."""
    return repr(value)[:_TEXT_LIMIT] if value is not None else "nothing"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
