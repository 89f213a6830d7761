"""A small OpenID Connect provider on real HTTP that checks what a provider must, and misbehaves when told to.

Beside it the tests use a provider that somebody else wrote (`oidc-provider-mock`); that one cannot hang, lie, or change
its keys.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT_ID: Final = "xueliang-centre"
CLIENT_SECRET: Final = "not:a/secret"
LETS_GO_AFTER_S: Final = 30.0  # who waits for "hang" longer gets no answer at all
DISCOVERY: Final = "/.well-known/openid-configuration"


@dataclass
class Key:
    key_id: str
    algorithm: str = "RS256"
    private: Any = None

    def __post_init__(self) -> None:
        if self.private is None:
            is_rsa = self.algorithm.startswith(("RS", "PS"))
            self.private = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        shown: dict[str, Any] = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**shown, "kid": self.key_id, "use": "sig", "alg": self.algorithm}


@dataclass
class IdentityProvider:
    """A context manager. Whoever comes to /authorize is `person` and agrees.

    Attributes:
        faults: path → "hang", "500", "html", "list", "redirect", "huge", "drip".
        claims: replaces or, with None, removes claims of the ID token.
        discovery: the same for the discovery document.
        keys: the first one signs; all are shown.
        sign: makes the token in place of the first key.
        code_bytes: the code's length before it is written as text.
        asked: how often each path was.
    """

    wall: Any
    person: str = "p-17"
    faults: dict[str, str] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=lambda: [Key("first")])
    sign: Any = None
    denies: bool = False
    code_bytes: int = 16
    asked: Counter[str] = field(default_factory=Counter)
    trips: dict[str, dict[str, str]] = field(default_factory=dict)

    def __enter__(self) -> IdentityProvider:
        self._let_go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="identity provider")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hang(self) -> None:
        self._let_go.wait(LETS_GO_AFTER_S)

    def described(self) -> dict[str, Any]:
        shown = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?realm=city",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.discovery,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def back_with_code(self, asked: dict[str, str]) -> str:
        if self.denies:
            return f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = secrets.token_urlsafe(self.code_bytes)
        self.trips[code] = asked
        came = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode(came)}"

    def tokens(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if pair != "xueliang-centre:not%3Aa%2Fsecret":
            return 401, {"error": "invalid_client"}
        asked = self.trips.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or form.get("redirect_uri") != asked["redirect_uri"]
            or (asked["code_challenge_method"], asked["code_challenge"]) != ("S256", challenge.rstrip(b"=").decode())
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}

    def id_token(self, nonce: str) -> str:
        now: datetime = self.wall()
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": self.person,
            "iat": int(now.timestamp()),
            "exp": int(now.timestamp()) + 300,
            "nonce": nonce,
            **self.claims,
        }
        told = {name: value for name, value in claims.items() if value is not None}
        if self.sign is not None:
            made: str = self.sign(told)
            return made
        key = self.keys[0]
        return jwt.encode(told, key.private, key.algorithm, headers={"kid": key.key_id})


def _handler(provider: IdentityProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            address = urlsplit(self.path)
            provider.asked[address.path] += 1
            asked = {name: values[0] for name, values in parse_qs(address.query).items()}
            length = int(self.headers.get("content-length") or 0)
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            fault = provider.faults.get(address.path)
            if fault is not None:
                self._misbehave(fault)
            elif address.path == DISCOVERY:
                self._json(200, provider.described())
            elif address.path == "/keys":
                self._json(200, {"keys": [key.public for key in provider.keys]})
            elif address.path == "/authorize":
                self._send(302, b"", {"location": provider.back_with_code(asked)})
            elif address.path == "/token":
                self._json(*provider.tokens(form, self.headers.get("authorization", "")))
            else:
                self._json(404, {"error": "not_found"})

        do_GET = do_POST = answer  # noqa: N815 - the base class's names

        def _misbehave(self, fault: str) -> None:
            if fault == "hang":
                provider.hang()
            elif fault == "500":
                self._send(500, b"down for repairs", {})
            elif fault == "html":
                self._send(200, b"<html>Sign in to the wireless network</html>", {"content-type": "text/html"})
            elif fault == "list":
                self._json(200, [1, 2, 3])
            elif fault == "redirect":
                self._send(302, b"", {"location": f"{provider.issuer}/elsewhere"})
            elif fault == "huge":
                self._send(200, b'{"x": "' + b"x" * 1_000_000 + b'"}', {"content-type": "application/json"})
            elif fault == "drip":
                self.send_response(200)
                self.end_headers()
                for _ in range(200):  # a byte now and then: no single wait is long
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.05)
            else:
                raise AssertionError(fault)

        def _json(self, status: int, body: Any) -> None:
            self._send(status, json.dumps(body).encode(), {"content-type": "application/json"})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    return Handler
