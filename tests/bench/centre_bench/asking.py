"""How long the console waits for its three answers: the queue, the map, a case."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.bench.centre_bench.people import Viewer

QUEUE: Final = "/api/incidents?state=open&limit=100"
MAP: Final = "/api/cameras"


@dataclass(slots=True)
class Waits:
    """Milliseconds of each answer, in full, over one connection that stays."""

    queue: list[float] = field(default_factory=list)
    map: list[float] = field(default_factory=list)
    case: list[float] = field(default_factory=list)


def asked(port: int, people: Sequence[Viewer], times: int) -> Waits:
    """Each of these people asks for each so often, one after the other. Raises RuntimeError when one is refused."""
    waits = Waits()
    for one in people:
        cookies = {"xl_session": one.token}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies=cookies, timeout=30) as client:
            for _ in range(times):
                queue = _timed(client, QUEUE, waits.queue).json()["items"]
                _timed(client, MAP, waits.map)
                for incident in queue[:3]:
                    _timed(client, f"/api/incidents/{incident['incident_id']}", waits.case)
                    time.sleep(0.1)  # forty requests a second are allowed
    return waits


def _timed(client: httpx.Client, path: str, into: list[float]) -> httpx.Response:
    began = time.perf_counter()
    answer = client.get(path)
    into.append((time.perf_counter() - began) * 1000)
    if answer.status_code != httpx.codes.OK:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:200]}")
    return answer
