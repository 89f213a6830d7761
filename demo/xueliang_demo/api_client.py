"""The centre's public HTTP door, as a person at a console or a phone uses it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx


class Person:
    """One logged-in user. Closes its connection with `close`."""

    def __init__(self, origin: str, username: str, password: str) -> None:
        """Raises httpx.HTTPStatusError when the log-in is refused."""
        self._http = httpx.Client(base_url=origin, timeout=10.0, trust_env=False)
        answer = self._http.post("/api/session", json={"username": username, "password": password})
        answer.raise_for_status()
        self.user: dict[str, Any] = answer.json()["user"]
        self._http.headers["X-CSRF-Token"] = answer.json()["csrf"]

    def incidents(self, state: str = "all") -> list[dict[str, Any]]:
        return list(self._get("/api/incidents", {"state": state, "limit": "200"})["items"])

    def incident(self, incident_id: str) -> dict[str, Any]:
        return self._get(f"/api/incidents/{incident_id}")

    def cameras(self) -> list[dict[str, Any]]:
        return list(self._get("/api/cameras")["cameras"])

    def tasks(self, state: str = "all") -> list[dict[str, Any]]:
        return list(self._get("/api/tasks", {"state": state})["items"])

    def sightings(self) -> list[dict[str, Any]]:
        return list(self._get("/api/sightings")["items"])

    def photo(self, sha256: str) -> bytes:
        answer = self._http.get(f"/api/photos/{sha256}")
        answer.raise_for_status()
        return answer.content

    def task(self, task_id: str) -> dict[str, Any]:
        return self._get(f"/api/tasks/{task_id}")

    def move_task(self, task_id: str, move: str, **more: object) -> dict[str, Any]:
        """Take, arrive, handled … on the task as it stands now. Raises httpx.HTTPStatusError."""
        version = self.task(task_id)["version"]
        answer = self._http.post(f"/api/tasks/{task_id}/moves", json={"move": move, "version": version, **more})
        answer.raise_for_status()
        return dict(answer.json())

    def move_incident(self, incident_id: str, move: str, **more: object) -> dict[str, Any]:
        """Confirm, false_alarm, close … on the incident as it stands now. Raises httpx.HTTPStatusError."""
        body = {"move": move, "version": self.incident(incident_id)["version"], **more}
        answer = self._http.post(f"/api/incidents/{incident_id}/moves", json=body)
        answer.raise_for_status()
        return dict(answer.json())

    def look(self, incident_id: str) -> dict[str, Any]:
        """Have the camera of an incident look now. Raises httpx.HTTPStatusError."""
        answer = self._http.post(f"/api/incidents/{incident_id}/look", json={}, timeout=30.0)
        answer.raise_for_status()
        return dict(answer.json())

    def put_photo(self, payload: bytes, media_type: str = "image/jpeg") -> str:
        """Upload a photo; gives its sha256."""
        digest = hashlib.sha256(payload).hexdigest()
        headers = {"Content-Type": media_type}
        self._http.put(f"/api/photos/{digest}", content=payload, headers=headers).raise_for_status()
        return digest

    def picture(self, sha256: str) -> bytes:
        answer = self._http.get(f"/api/evidence/{sha256}")
        answer.raise_for_status()
        return answer.content

    def events(self, timeout_s: float) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events as (event, data) until the connection has been silent for `timeout_s`."""
        with self._http.stream("GET", "/api/events", timeout=httpx.Timeout(10.0, read=timeout_s)) as answer:
            answer.raise_for_status()
            event = "message"
            for line in answer.iter_lines():
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:"):
                    yield event, json.loads(line[5:])

    def close(self) -> None:
        self._http.close()

    def _get(self, path: str, query: dict[str, str] | None = None) -> dict[str, Any]:
        answer = self._http.get(path, params=query)
        answer.raise_for_status()
        return dict(answer.json())
