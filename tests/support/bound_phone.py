"""A worker's phone as the centre knows it: a P-256 key that signs, as a browser's does."""

from __future__ import annotations

import base64
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class BoundPhone:
    """One key; `phone_id` once it is enrolled."""

    def __init__(self, name: str = "Chrome · Android") -> None:
        self.name = name
        self.phone_id = ""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, message: str) -> str:
        r, s = decode_dss_signature(self._key.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
        return _text(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def enrolment(self, code: str, **changed: Any) -> dict[str, Any]:
        point = self._key.public_key().public_numbers()
        key = {"x": _text(point.x.to_bytes(32, "big")), "y": _text(point.y.to_bytes(32, "big"))}
        signature = self.sign(f"xueliang phone enrol\n{code}")
        return {"code": code, "key": key, "signature": signature, "name": self.name, **changed}

    async def enrol(self, client: httpx.AsyncClient, code: str, **changed: Any) -> httpx.Response:
        answer = await client.post("/api/session/phone/enrol", json=self.enrolment(code, **changed))
        if answer.status_code == 200:
            self.phone_id = answer.json()["phone_id"]
            client.headers["x-csrf-token"] = answer.json()["session"]["csrf"]
        return answer

    async def challenge(self, client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/api/session/phone/challenge", json={"phone_id": self.phone_id})

    def renewal(self, challenge: str) -> dict[str, str]:
        signature = self.sign(f"xueliang phone renew\n{self.phone_id}\n{challenge}")
        return {"phone_id": self.phone_id, "challenge": challenge, "signature": signature}

    async def renew(self, client: httpx.AsyncClient) -> httpx.Response:
        asked = await self.challenge(client)
        if asked.status_code != 200:
            return asked
        answer = await client.post("/api/session/phone/renew", json=self.renewal(asked.json()["challenge"]))
        if answer.status_code == 200:
            client.headers["x-csrf-token"] = answer.json()["csrf"]
        return answer
