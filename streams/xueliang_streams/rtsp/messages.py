"""RTSP texts to values and back (RFC 2326): whole messages out of a growing buffer.

Invariants:
- `take_message` is a pure function of the buffer; what it returns is whole, what is not whole yet is None.
- Nothing a server sends makes us hold more than MAX_HEAD_BYTES + MAX_BODY_BYTES: a length beyond the limit is refused
  when it is announced, not when it has arrived.
- No exception but MalformedRtsp, whatever the bytes.
- Line ends may be CR LF or LF, as cameras in the field have both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from xueliang_streams.errors import MalformedRtsp

MAX_HEAD_BYTES = 16 * 1024
"""Of start line and headers. Real ones stay below 2 KiB."""
MAX_BODY_BYTES = 64 * 1024
"""Of a description. Real ones stay below 8 KiB, Hikvision's with its media header included."""
MAX_HEADERS = 100

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(r"RTSP/1\.[0-9] ([0-9]{3})(?: (.*))?")
_REQUEST_LINE = re.compile(r"([A-Z_]{3,20}) (\S{1,2048}) RTSP/1\.[0-9]")

Headers = Mapping[str, tuple[str, ...]]
"""By lower-case name; a header that came twice has two values, in order."""


@dataclass(frozen=True, slots=True)
class _Message:
    headers: Headers = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first value of this header, empty when it did not come."""
        return self.headers.get(name, ("",))[0]

    @property
    def cseq(self) -> int | None:
        """The number that ties an answer to its request; None: missing or no number."""
        text = self.header("cseq")
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


@dataclass(frozen=True, slots=True)
class Response(_Message):
    """A server's answer."""

    status: int = 200
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ServerRequest(_Message):
    """A request the server makes of us."""

    method: str = ""
    url: str = ""


def take_message(buffer: bytes | bytearray) -> tuple[Response | ServerRequest, int] | None:
    """The message at the start of the buffer and how many bytes it took; None: it is not whole yet.

    Raises:
        MalformedRtsp: what stands there can never become a message within our limits.
    """
    start = _blank_bytes(buffer)
    _refuse_foreign_start(bytes(buffer[start : start + 8]))
    end = _HEAD_END.search(buffer, start, start + MAX_HEAD_BYTES)
    if end is None:
        if len(buffer) - start >= MAX_HEAD_BYTES:
            raise MalformedRtsp(f"a head of more than {MAX_HEAD_BYTES} bytes")
        return None
    first, *lines = re.split("\r?\n", bytes(buffer[start : end.start()]).decode("utf-8", "replace"))
    headers = _headers(lines)
    body_end = end.end() + _body_bytes(headers)
    if len(buffer) < body_end:
        _message(first, headers, b"")  # refuses what is no RTSP before its body is waited for
        return None
    return _message(first, headers, bytes(buffer[end.end() : body_end])), body_end


def encode_request(method: str, url: str, cseq: int, headers: Mapping[str, str]) -> bytes:
    """A request of ours as bytes for the wire."""
    return _encoded(f"{method} {url} RTSP/1.0", {"CSeq": str(cseq), **headers})


def encode_answer(status: int, reason: str, headers: Mapping[str, str]) -> bytes:
    """Our answer to a server's request as bytes for the wire."""
    return _encoded(f"RTSP/1.0 {status} {reason}", headers)


def is_one_word(text: str) -> bool:
    """Whether a text can go into a request without ending its line or its field."""
    return bool(text) and all("!" <= letter <= "~" for letter in text)


def _encoded(start_line: str, headers: Mapping[str, str]) -> bytes:
    lines = [start_line, *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _blank_bytes(buffer: bytes | bytearray) -> int:
    """Some cameras end a body with one line end too many; it belongs to nothing."""
    at = 0
    while at < len(buffer) and buffer[at] in b"\r\n":
        at += 1
        if at > 64:
            raise MalformedRtsp("line ends without a message")
    return at


def _refuse_foreign_start(start: bytes) -> None:
    """What begins with neither a version nor a method is told at once, not at the end of the limit."""
    expected = b"RTSP/1."
    if not (start[: len(expected)] == expected[: len(start)] or re.fullmatch(rb"[A-Z_]{1,8}|[A-Z_]{3,7} .*", start)):
        raise MalformedRtsp("what came does not begin like an RTSP message")


def _message(first: str, headers: Headers, body: bytes) -> Response | ServerRequest:
    status = _STATUS_LINE.fullmatch(first)
    if status is not None:
        return Response(headers, body, int(status[1]), status[2] or "")
    request = _REQUEST_LINE.fullmatch(first)
    if request is None:
        raise MalformedRtsp("a first line that is no RTSP")
    return ServerRequest(headers, body, request[1], request[2])


def _headers(lines: list[str]) -> Headers:
    if len(lines) > MAX_HEADERS:
        raise MalformedRtsp(f"more than {MAX_HEADERS} header lines")
    headers: dict[str, tuple[str, ...]] = {}
    latest = ""
    for line in lines:
        if line[:1] in (" ", "\t") and latest:  # a value that goes on in the next line
            *before, last = headers[latest]
            headers[latest] = (*before, f"{last} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon:
            continue  # a stray line costs nothing
        latest = name.strip().lower()
        headers[latest] = (*headers.get(latest, ()), value.strip())
    return headers


def _body_bytes(headers: Headers) -> int:
    announced = set(headers.get("content-length", ("0",)))
    if len(announced) > 1:
        raise MalformedRtsp("two lengths for one body")
    text = announced.pop() or "0"
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise MalformedRtsp("a body length that is no number")
    if int(text) > MAX_BODY_BYTES:
        raise MalformedRtsp(f"a body of more than {MAX_BODY_BYTES} bytes")
    return int(text)
