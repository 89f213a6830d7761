"""The text side of our RTSP server: requests in, replies and descriptions out (RFC 2326)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from xueliang_streams.rtp_packets import CLOCK_HZ, PAYLOAD_TYPE, sdp_format
from xueliang_streams.segments import Segment

TRACK = "track1"
MAX_BODY_BYTES = 64 * 1024  # GET_PARAMETER bodies are a few lines

_REASONS = {
    200: "OK",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One RTSP request; header names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]

    def header(self, name: str) -> str:
        """The header's value, empty when it is not there."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Reply:
    """One RTSP reply."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def encoded(self, cseq: str) -> bytes:
        """As bytes for the wire."""
        lines = [f"RTSP/1.0 {self.status} {_REASONS.get(self.status, 'Refused')}", f"CSeq: {cseq or '0'}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body.encode())}")
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; binary frames between requests (receiver reports) are skipped. None: the client left.

    Raises:
        ValueError, EOFError, asyncio.LimitOverrunError: not RTSP, cut off, or a head beyond the reader's limit.
    """
    while (first := await reader.read(1)) == b"$":
        head = await reader.readexactly(3)
        await reader.readexactly(int.from_bytes(head[1:], "big"))
    if not first:
        return None
    text = (first + await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
    start, *lines = text.strip().split("\r\n")
    method, url, _ = start.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body_bytes = int(headers.get("content-length", "0"))
    if not 0 <= body_bytes <= MAX_BODY_BYTES:
        raise ValueError(f"body of {body_bytes} bytes")
    await reader.readexactly(body_bytes)
    return Request(method.upper(), url, headers)


def mount_name(url: str) -> str:
    """The mount a request is about: the path without the track."""
    path = unquote(urlsplit(url).path).strip("/")
    return path.removesuffix(TRACK).rstrip("/")


def describe(url: str, segment: Segment) -> Reply:
    """The answer to DESCRIBE. The base ends with a slash: clients join it with the track's relative name."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=clip",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} {segment.parameters.kinds.rtp_name}/{CLOCK_HZ}",
        f"a=fmtp:{sdp_format(segment.parameters)}",
        f"a=control:{TRACK}",
    ]
    headers = {"Content-Base": url.rstrip("/") + "/", "Content-Type": "application/sdp"}
    return Reply(200, headers, "\r\n".join(lines) + "\r\n")
