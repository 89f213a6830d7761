"""The server's side of RTSP without a socket: bytes in, answers out (RFC 2326, TCP interleaved, channel 0)."""

from __future__ import annotations

import random
from collections.abc import Mapping

from xueliang_streams.rtsp_requests import Reply, Request, describe, mount_name
from xueliang_streams.segments import Segment

_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"


class Conversation:
    """One client's requests.

    Attributes:
        playing: the name of the camera, once PLAY was answered.
        is_over: it said TEARDOWN, or something that is no RTSP.
    """

    def __init__(self, descriptions: Mapping[str, Segment]) -> None:
        self._descriptions = descriptions
        self._received = bytearray()
        self._session = f"{random.getrandbits(64):016x};timeout=60"
        self._set_up: str | None = None
        self.playing: str | None = None
        self.is_over = False

    def receive(self, data: bytes) -> list[bytes]:
        """Answers to every request that is complete; the client's own interleaved frames (RTCP) are skipped."""
        self._received += data
        replies = []
        while not self.is_over and (request := self._take()) is not None:
            replies.append(self._answer(request).encoded(request.header("cseq")))
        return replies

    def _take(self) -> Request | None:
        received = self._received
        while received[:1] == b"$":
            if len(received) < 4 or len(received) < 4 + int.from_bytes(received[2:4], "big"):
                return None
            del received[: 4 + int.from_bytes(received[2:4], "big")]
        head, end, _ = bytes(received).partition(b"\r\n\r\n")
        if not end:
            self.is_over = len(received) > 16384
            return None
        start, *lines = head.decode("utf-8", "replace").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body_bytes = int(headers.get("content-length", "0"))
        if len(received) < len(head) + 4 + body_bytes:
            return None
        del received[: len(head) + 4 + body_bytes]
        method, url, *_ = [*start.split(" "), "", ""]
        return Request(method.upper(), url, headers)

    def _answer(self, request: Request) -> Reply:
        method = request.method
        if method == "OPTIONS":
            return Reply(200, {"Public": _METHODS})
        if method in ("GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"):
            self.is_over = method == "TEARDOWN"
            return Reply(200, {"Session": self._session})
        name = mount_name(request.url)
        if method == "PLAY":
            if self._set_up is None:
                return Reply(455)
            self.playing = self._set_up
            return Reply(200, {"Session": self._session, "Range": "npt=now-"})
        if name not in self._descriptions:
            return Reply(404)
        if method == "DESCRIBE":
            return describe(request.url, self._descriptions[name])
        if method != "SETUP":
            return Reply(405)
        if "RTP/AVP/TCP" not in request.header("transport"):
            return Reply(461)
        self._set_up = name
        return Reply(200, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1", "Session": self._session})
