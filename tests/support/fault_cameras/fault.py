"""One misbehaviour of a camera, and the places where it can take hold.

Invariants:
- A fault is started and stopped from the test's thread; its hooks run in the cameras' own thread and only while it is
  on. A hook that waits ends when the fault stops.
- All dice of a fault come from its seed: `describe()` says all that is needed to play it again.
- Faults compose: a camera asks all that are on, in the order they were given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Literal

from xueliang_streams.rtsp_requests import Reply, Request
from xueliang_streams.segments import Picture

if TYPE_CHECKING:
    from tests.support.fault_cameras.camera import FaultCamera
    from tests.support.fault_cameras.session import Session

log = logging.getLogger(__name__)

Step = Literal["accept", "OPTIONS", "DESCRIBE", "SETUP", "PLAY", "stream"]
"""Where in a connection a fault takes hold: before the first byte, at the answer to a request, or in the pictures."""
HANDSHAKE: tuple[Step, ...] = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY")

LOOK_EVERY_S = 0.02  # how often a waiting hook asks whether its fault is over


class Fault:
    """Off until `start`. Every hook of this class does nothing: a fault overrides what it spoils."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.dice = Random(seed)
        self.is_on = False

    def start(self) -> None:
        """Begin to misbehave. A second call does nothing."""
        if not self.is_on:
            self.is_on = True
            log.info("fault begins", extra={"fault": self.describe()})

    def stop(self) -> None:
        """Behave again."""
        if self.is_on:
            self.is_on = False
            log.info("fault ends", extra={"fault": self.describe()})

    def describe(self) -> str:
        """The fault with its settings and seed: enough to replay it."""
        settings = {name: value for name, value in vars(self).items() if is_setting(name, value)}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"

    async def while_on(self) -> None:
        """Wait until the fault is stopped."""
        while self.is_on:
            await asyncio.sleep(LOOK_EVERY_S)

    async def live(self, camera: FaultCamera) -> None:
        """Runs beside the camera from `start` to `stop`, once per start."""

    async def on_accept(self, session: Session) -> None:
        """Somebody connected."""

    async def on_request(self, session: Session, request: Request) -> None:
        """A request came and is not answered yet."""

    def on_reply(self, session: Session, request: Request, reply: Reply) -> Reply:
        """The answer about to be sent."""
        return reply

    def on_answer(self, session: Session, request: Request, answer: bytes) -> bytes:
        """The same as bytes. Nothing: no answer is sent."""
        return answer

    async def on_transmit(self, session: Session, step: Step, data: bytes) -> bytes:
        """Bytes about to leave. A fault that sends in its own way gives back what is left for the usual one."""
        return data

    def on_units(self, session: Session, picture: Picture, units: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The units of one picture before they become packets. None left: the picture is not sent."""
        return units

    def on_rtp_time(self, session: Session, rtp_time: int) -> int:
        """The RTP time of one picture."""
        return rtp_time

    def on_packets(self, session: Session, picture: Picture, packets: list[bytes]) -> list[bytes]:
        """The RTP packets of one picture."""
        return packets

    def on_framed(self, session: Session, data: bytes) -> bytes:
        """One picture's packets behind their interleaved headers: what the socket gets."""
        return data

    def on_clock_s(self, session: Session, unix_s: float) -> float:
        """The camera's wall clock, as its sender reports tell it."""
        return unix_s

    async def on_picture(self, session: Session, number: int) -> None:
        """Before picture `number` (from 0, per connection) is sent."""


def is_setting(name: str, value: object) -> bool:
    """Whether an attribute belongs into a fault's description."""
    return not name.startswith("_") and name != "is_on" and isinstance(value, (int, float, str, tuple, type(None)))


def with_header(reply: Reply, name: str, value: str | None) -> Reply:
    """The reply with one header replaced, or taken out (None)."""
    headers: Mapping[str, str] = {key: old for key, old in reply.headers.items() if key.lower() != name.lower()}
    return replace(reply, headers=headers if value is None else {**headers, name: value})
