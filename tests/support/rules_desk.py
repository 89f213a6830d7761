"""A rule operator and a supervisor at a centre that ingests and sends, and what a node needs to be its: for whatever
sends rules from a click to a real node and back.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support import city
from tests.support.brokers import TestBroker
from tests.support.centres import TestCentre, camera
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.topics import shard_of
from xueliang_central.camera_rules.sending import RulesSender
from xueliang_central.incidents.change import Rulebook
from xueliang_central.ingest.batches import Ingest
from xueliang_central.ingest.links import ask_for
from xueliang_central.ingest.waiting import Waiting
from xueliang_central.rights.scope import Role

NODE_ID: Final = "edge-01"
CORNER: Final = [[0.9, 0.9], [1.0, 0.9], [1.0, 1.0]]
"""Nothing ever stands there."""
RULES: Final = "/api/cameras/lane-east/rules"


@dataclass
class Desk:
    """A rule operator and a supervisor at a centre that ingests and sends."""

    ruler: httpx.AsyncClient
    chief: httpx.AsyncClient
    took_s: list[float] = field(default_factory=list)
    pressed: float = 0.0  # when somebody last pressed *save* or *approve*, on the monotonic clock

    async def rules(self) -> dict[str, Any]:
        answer = await self.ruler.get(RULES)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until(self, condition: Callable[[dict[str, Any]], object], what: str, timeout_s: float = 60) -> Any:
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            body = await self.rules()
            if condition(body):
                return body
            await asyncio.sleep(0.05)
        raise AssertionError(
            f"waited {timeout_s:g} s in vain for: {what}; {json.dumps(body, ensure_ascii=False)[:1500]}"
        )

    async def propose(self, *rules: dict[str, Any]) -> dict[str, Any]:
        newest = (await self.rules())["newest_version"]
        value = {"settings": {"rules": list(rules)}, "why": "vans unload here", "based_on": newest}
        self.pressed = time.monotonic()
        answer = await self.ruler.post(f"{RULES}/versions", json=value)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def approve(self, version: int) -> None:
        self.pressed = time.monotonic()
        agreed = await self.chief.post(f"{RULES}/versions/{version}/moves", json={"move": "approve"})
        assert agreed.json()["state"] == "desired", agreed.text

    async def in_force(self, version: int) -> Any:
        """Waits for it; how long after the press is kept."""
        body = await self.until(
            lambda one: one["state"] == "in_force" and one["desired"]["version"] == version,
            f"version {version} is in force",
        )
        self.took_s.append(time.monotonic() - self.pressed)
        return body


@asynccontextmanager
async def desk(centre: TestCentre, broker: TestBroker, key_path: Path) -> AsyncIterator[Desk]:
    """The clock runs; ingest and sender work as in a running centre."""
    object.__setattr__(centre.centre, "wall", system_wall)
    object.__setattr__(centre.centre, "mono", time.monotonic)
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane-east", city.GRID, node_id=NODE_ID))
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    waiting = Waiting(wall=system_wall, mono=time.monotonic)
    link = broker.centre_link(inbox=waiting)
    rulebook = Rulebook.of(centre.centre.areas, centre.centre.policies)
    ingest = Ingest(link, waiting, centre.database, rulebook, wall=system_wall, mono=time.monotonic)
    ask_for(link, [shard_of(NODE_ID)])
    sender = RulesSender(
        link,
        centre.database,
        key_path,
        may_send=lambda: link.state.is_connected,
        wall=system_wall,
        mono=time.monotonic,
    )
    tasks = [asyncio.create_task(one) for one in (ingest.run(), sender.run())]
    try:
        async with centre.signed_in("ruler") as ruler, centre.signed_in("chief") as chief:
            yield Desk(ruler, chief)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
