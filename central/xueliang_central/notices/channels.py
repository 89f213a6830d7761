"""The channels: each sends one message to one person, within a deadline, and says what became of it.

Whatever a target does, `send` returns within its deadline and raises nothing that a target can cause. No proxy of the
environment is used: it would resolve names by itself.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol
from urllib.parse import urlsplit, urlunsplit

import httpx

from xueliang_alerts.clocks import Wall
from xueliang_central.notices import mail
from xueliang_central.notices.outcomes import Outcome, Refused, Taken, TryAgain
from xueliang_central.notices.requests import Post, http_post, read_gateway, read_robot, read_status, robot_post
from xueliang_central.notices.saying import Said
from xueliang_central.notices.targets import ForbiddenTarget, Target, Targets, UnknownTarget
from xueliang_configs.notices import EmailChannel, HttpChannel, NoticesConfig, RobotChannel

ANSWER_BYTES: Final = 64 * 1024  # of an answer are read; whether it was taken stands near its beginning
MAIL_THREADS: Final = 8  # as many as tries at once (`sending.PLACES`)
_OWN_HEADERS: Final = {"User-Agent": "xueliang-centre", "Accept-Encoding": "identity"}
_TALKATIVE: Final = ("httpx", "httpcore")  # at INFO and DEBUG they log whole URLs: a robot's key, a person's number
_PORTS: Final = {"http": 80, "https": 443}


class Channel(Protocol):
    """One way to reach people."""

    async def send(self, said: Said) -> Outcome: ...


class HttpDoor:
    """Posts to a checked address under the name's certificate; follows nobody."""

    def __init__(self, targets: Targets, context: ssl.SSLContext) -> None:
        self._targets = targets
        self._context = context

    async def post(self, post: Post) -> tuple[Outcome, bytes]:
        """What the status means, and the beginning of the answer."""
        parts = urlsplit(post.url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        target = await self._targets.checked(host, port)
        if parts.scheme == "http" and not target.is_private:
            raise ForbiddenTarget
        async with httpx.AsyncClient(verify=self._context, trust_env=False, timeout=None) as client:  # noqa: S113
            request = client.build_request(
                post.method,
                urlunsplit((parts.scheme, _literal(target), parts.path or "/", parts.query, "")),
                headers={**post.headers, "Host": parts.netloc, **_OWN_HEADERS},
                content=post.body,
                extensions={"sni_hostname": host},
            )
            answer = await client.send(request, stream=True, follow_redirects=False)
            try:
                outcome = read_status(answer.status_code, answer.headers.get("retry-after"))
                body = await _beginning(answer) if isinstance(outcome, Taken) else b""
                return outcome, body
            finally:
                await answer.aclose()


def _literal(target: Target) -> str:
    address = f"[{target.address}]" if ":" in target.address else target.address
    return f"{address}:{target.port}"


async def _beginning(answer: httpx.Response) -> bytes:
    read = bytearray()
    async for piece in answer.aiter_raw():
        read += piece
        if len(read) >= ANSWER_BYTES:
            break
    return bytes(read[:ANSWER_BYTES])


class Robot:
    """A group robot."""

    def __init__(self, settings: RobotChannel, door: HttpDoor, wall: Wall) -> None:
        self._settings, self._door, self._wall = settings, door, wall

    async def send(self, said: Said) -> Outcome:
        outcome, body = await self._door.post(robot_post(self._settings, said, self._wall()))
        return read_robot(body) if isinstance(outcome, Taken) else outcome


class Gateway:
    """A webhook, an SMS or a voice gateway."""

    def __init__(self, settings: HttpChannel, door: HttpDoor) -> None:
        self._settings, self._door = settings, door

    async def send(self, said: Said) -> Outcome:
        outcome, body = await self._door.post(http_post(self._settings, said))
        return read_gateway(body, self._settings.accepted_if) if isinstance(outcome, Taken) else outcome


class Mailbox:
    """E-mail by a relay."""

    def __init__(self, settings: EmailChannel, targets: Targets, context: ssl.SSLContext, wall: Wall) -> None:
        self._settings, self._targets, self._context, self._wall = settings, targets, context, wall
        self._threads = ThreadPoolExecutor(MAIL_THREADS, "mail")  # started when needed

    async def send(self, said: Said) -> Outcome:
        target = await self._targets.checked(self._settings.host, self._settings.port)
        if self._settings.tls == "none" and not target.is_private:
            raise ForbiddenTarget
        return await mail.send(self._settings, target, said, self._context, self._wall(), self._threads)


class WithinDeadline:
    """Holds a channel to its time, and turns what targets do into outcomes."""

    def __init__(self, channel: Channel, deadline_s: float) -> None:
        self._channel, self._deadline_s = channel, deadline_s

    async def send(self, said: Said) -> Outcome:
        return await outcome_of(self._channel.send(said), self._deadline_s)


async def outcome_of(sending: Awaitable[Outcome], deadline_s: float) -> Outcome:
    """What becomes of one try within its time; raises nothing that a target can cause."""
    try:
        async with asyncio.timeout(deadline_s):
            return await sending
    except TimeoutError:
        return TryAgain("timeout")
    except ForbiddenTarget:
        return Refused("forbidden_address")
    except UnknownTarget:
        return TryAgain("no_such_name")
    except ssl.SSLError:
        return TryAgain("tls")
    except (httpx.LocalProtocolError, httpx.InvalidURL):
        return Refused("request_unsendable")
    except httpx.HTTPError as error:
        return TryAgain(_named(error))
    except OSError as error:
        return TryAgain(type(error).__name__[:40])


def _named(error: httpx.HTTPError) -> str:
    """By its class; a certificate that does not hold lies deeper than a refused connection, under the same class."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__[:40]


def say_no_addresses() -> None:
    """What asks for us must not log whom it asks."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def open_channels(
    config: NoticesConfig, wall: Wall, *, targets: Targets | None = None, trusts: ssl.SSLContext | None = None
) -> Mapping[str, Channel]:
    """Every channel of the settings, by name. Connects to nothing yet. `trusts`: left out, the system's authorities."""
    if not config.channels:
        return {}
    judge = targets or Targets(config.private_targets)
    say_no_addresses()
    context = trusts or ssl.create_default_context()
    door = HttpDoor(judge, context)
    made: dict[str, Channel] = {}
    for name, settings in config.channels.items():
        match settings:
            case RobotChannel():
                made[name] = Robot(settings, door, wall)
            case HttpChannel():
                made[name] = Gateway(settings, door)
            case EmailChannel():
                made[name] = Mailbox(settings, judge, context, wall)
    return {name: WithinDeadline(channel, config.deadline_s) for name, channel in made.items()}
