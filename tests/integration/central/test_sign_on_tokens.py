"""Tokens of an identity provider: what is not for us, not in time or not signed by it opens nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest

from tests.integration.central.test_single_sign_on import _sign_on, _why, provider, street
from tests.support import city
from tests.support.centres import TestCentre
from tests.support.identity_provider import (
    CLIENT_ID,
    DISCOVERY,
    IdentityProvider,
    Key,
)
from xueliang_central.rights.scope import Role

__all__ = ["provider", "street"]  # fixtures

OTHER = "another program"


WRONG_CLAIMS: list[tuple[str, dict[str, Any], str]] = [
    ("issuer", {"iss": "https://evil.example"}, "is of 'https://evil.example'"),
    ("no issuer", {"iss": None}, "is of nothing"),
    ("audience", {"aud": OTHER}, "is for another program"),
    ("no audience", {"aud": None}, "is for another program"),
    ("two audiences", {"aud": [CLIENT_ID, OTHER]}, "is for another program"),
    ("given to another", {"azp": OTHER}, "was given to another program"),
    ("two audiences, given to another", {"aud": [CLIENT_ID, OTHER], "azp": OTHER}, "is for another program"),
    ("no end", {"exp": None}, "has expired"),
    ("end is text", {"exp": "tomorrow"}, "has expired"),
    ("no beginning", {"iat": None}, "is of the future"),
    ("nonce", {"nonce": "x" * 43}, "is of another sign-in"),
    ("no nonce", {"nonce": None}, "is of another sign-in"),
    ("no claim", {"sub": None}, "holds no claim 'sub'"),
    ("claim is a number", {"sub": 17}, "holds no claim 'sub'"),
    ("claim is blank", {"sub": "  "}, "holds no claim 'sub'"),
]


@pytest.mark.parametrize(("claims", "why"), [case[1:] for case in WRONG_CLAIMS], ids=[case[0] for case in WRONG_CLAIMS])
async def test_a_token_that_is_not_for_us_opens_nothing(
    street: TestCentre, provider: IdentityProvider, claims: dict[str, Any], why: str
) -> None:
    provider.claims = claims
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=nonsense"
        assert "xl_session" not in client.cookies
    assert why in await _why(street)


@pytest.mark.parametrize(
    ("seconds", "taken"), [(-61, False), (-59, True), (59, True), (61, False)], ids=lambda value: str(value)
)
async def test_clocks_may_differ_by_a_minute(
    street: TestCentre, provider: IdentityProvider, seconds: int, taken: bool
) -> None:
    now = int(street.clock.at.timestamp())
    provider.claims = {"exp": now + seconds} if seconds < 0 else {"iat": now + seconds, "exp": now + 600}
    async with street.client() as client:
        assert await _sign_on(client) == ("/login?sso=done" if taken else "/login?sso=nonsense")


async def test_two_audiences_are_taken_when_it_was_given_to_us(street: TestCentre, provider: IdentityProvider) -> None:
    provider.claims = {"aud": [CLIENT_ID, OTHER], "azp": CLIENT_ID}
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=done"


def _text(part: dict[str, Any] | bytes) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@contextmanager
def _signing(provider: IdentityProvider, kind: str) -> Iterator[None]:
    key = provider.keys[0]
    pem = json.dumps(key.public).encode()

    def unsigned(claims: dict[str, Any]) -> str:
        return f"{_text({'alg': 'none', 'typ': 'JWT'})}.{_text(claims)}."

    def by_public_key(claims: dict[str, Any]) -> str:
        """The trick of old libraries: HMAC with the public key, which everybody has."""
        signed = f"{_text({'alg': 'HS256', 'kid': key.key_id})}.{_text(claims)}"
        return f"{signed}.{_text(hmac.digest(pem, signed.encode(), hashlib.sha256))}"

    def by_stranger(claims: dict[str, Any]) -> str:
        return jwt.encode(claims, Key("x").private, "RS256", headers={"kid": key.key_id})

    def own_key_inside(claims: dict[str, Any]) -> str:
        stranger = Key("mine")
        return jwt.encode(claims, stranger.private, "RS256", headers={"kid": "mine", "jwk": stranger.public})

    def changed(claims: dict[str, Any]) -> str:
        head, _, tail = jwt.encode(claims, key.private, "RS256", headers={"kid": key.key_id}).split(".")
        return f"{head}.{_text({**claims, 'sub': 'no-boss'})}.{tail}"

    makers = {
        "unsigned": unsigned,
        "by public key": by_public_key,
        "by stranger": by_stranger,
        "own key inside": own_key_inside,
        "changed": changed,
        "no token": lambda _claims: "not a token",
        "number": lambda _claims: 17,
        "halves": lambda _claims: "a.b.c",
        "list as claims": lambda _claims: jwt.api_jws.encode(b"[1]", key.private, "RS256", headers={"kid": key.key_id}),
    }
    provider.sign = makers[kind]
    yield


@pytest.mark.parametrize(
    "kind",
    [
        "unsigned",
        "by public key",
        "by stranger",
        "own key inside",
        "changed",
        "no token",
        "number",
        "halves",
        "list as claims",
    ],
)
async def test_a_token_that_the_provider_has_not_signed_opens_nothing(
    street: TestCentre, provider: IdentityProvider, kind: str
) -> None:
    await street.add_user("boss", Role.ADMIN, city.CITY)
    with _signing(provider, kind):
        async with street.client() as client:
            assert await _sign_on(client) == "/login?sso=nonsense"
            assert "xl_session" not in client.cookies


async def test_changed_keys_are_looked_for_once(street: TestCentre, provider: IdentityProvider) -> None:
    async with street.client() as client:
        assert await _sign_on(client) == "/login?sso=done"
        assert await _sign_on(client) == "/login?sso=done"
        assert provider.asked["/keys"] == 1, "known keys are not asked for again"
        provider.keys = [Key("second", "ES256"), provider.keys[0]]
        assert await _sign_on(client) == "/login?sso=done"
        assert provider.asked["/keys"] == 2
        provider.keys = [Key("second", "ES256")]  # another key by the same name
        assert await _sign_on(client) == "/login?sso=done"
        assert provider.asked["/keys"] == 3
        shown = provider.keys
        provider.sign = lambda claims: jwt.encode(claims, Key("x").private, "RS256", headers={"kid": "hidden"})
        assert await _sign_on(client) == "/login?sso=nonsense"
        assert provider.asked["/keys"] == 4, "once, not over and over"
        provider.sign, provider.keys = None, shown
        street.clock.advance(3600)
        provider.keys = [Key("third")]
        assert await _sign_on(client) == "/login?sso=done"
        assert provider.asked[DISCOVERY] == 2, "its addresses are read again after an hour"
