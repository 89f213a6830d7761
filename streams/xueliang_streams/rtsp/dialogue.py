"""The talk with a camera: OPTIONS, DESCRIBE, SETUP, PLAY, keep-alives, TEARDOWN (RFC 2326). No socket, no clock.

Invariants:
- One request at a time until PLAY is answered; an answer to anything else is refused.
- The talk stays on the connection it began on: redirects are refused in words, addresses the camera gives are only
  ever used as text in requests.
- Messages do not name the camera (its owner does), and nothing a server sends is repeated in them, except a status
  number and names checked letter by letter: a camera that echoes a password cannot bring it into a log.
- After PLAY no answer ends the connection: pictures that stop coming do (`reader.py`).
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from enum import Enum, auto
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from xueliang_streams.errors import (
    CameraRefusedLogin,
    CameraUnreachable,
    MalformedRtsp,
    NotAVideo,
    NotSpoken,
    StreamError,
    UnsupportedUrl,
)
from xueliang_streams.redaction import redact_url
from xueliang_streams.rtsp.authentication import Authenticator, Login
from xueliang_streams.rtsp.description import Media, read_description
from xueliang_streams.rtsp.messages import Response, ServerRequest, encode_answer, encode_request, is_one_word

USER_AGENT: Final = "xueliang-edge"
DEFAULT_SESSION_TIMEOUT_S = 60  # RFC 2326 12.37
LONGEST_KEEP_ALIVE_S = 60.0
"""Some cameras promise an hour and mean a minute."""
SHORTEST_KEEP_ALIVE_S = 1.0

_OWN_REASONS: Final = {
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    456: "Header Field Not Valid",
    457: "Invalid Range",
    459: "Aggregate Operation Not Allowed",
    460: "Only Aggregate Operation Allowed",
    461: "Unsupported Transport",
    551: "Option Not Supported",
}


class _Step(Enum):
    OPTIONS = auto()
    DESCRIBE = auto()
    SETUP = auto()
    PLAY = auto()
    PLAYING = auto()


class Dialogue:
    """One connection's talk. The caller sends what the methods return, in order, and feeds every answer.

    Raises:
        UnsupportedUrl: from the constructor, when the address names no host.
    """

    def __init__(self, url: str, *, make_cnonce: Callable[[], str] | None = None) -> None:
        self._url, login = split_login(url)
        self._authenticator = (
            Authenticator(login) if make_cnonce is None else Authenticator(login, make_cnonce=make_cnonce)
        )
        self._has_login = login is not None
        self._step = _Step.OPTIONS
        self._cseq = 0
        self._pending: tuple[int, str, str, Mapping[str, str]] | None = None
        self._session = ""
        self._session_url = self._url
        self._session_timeout_s = DEFAULT_SESSION_TIMEOUT_S
        self._keep_alive_method = "OPTIONS"
        self._media: Media | None = None
        self._channel: int | None = None

    @property
    def is_playing(self) -> bool:
        """PLAY was answered."""
        return self._step is _Step.PLAYING

    @property
    def media(self) -> Media | None:
        """The video; None before it is described."""
        return self._media

    @property
    def channel(self) -> int | None:
        """The interleaved channel of its RTP packets (RTCP has the next one); None until SETUP was answered."""
        return self._channel

    @property
    def keep_alive_every_s(self) -> float:
        """Half the session's time-out, within bounds."""
        return min(max(self._session_timeout_s / 2, SHORTEST_KEEP_ALIVE_S), LONGEST_KEEP_ALIVE_S)

    def begin(self) -> bytes:
        """The first request."""
        return self._request("OPTIONS", self._url)

    def receive(self, response: Response) -> bytes | None:
        """The next request to send; None: nothing now.

        Raises:
            CameraRefusedLogin, CameraUnreachable, NotAVideo, NotSpoken: the talk is over.
            MalformedRtsp: the answer belongs to nothing we asked.
        """
        if 100 <= response.status < 200:
            return None  # "wait"
        if self._pending is None or not self._belongs(response, self._pending[0]):
            if self.is_playing:
                return None
            raise MalformedRtsp("an answer to what was not asked")
        _, method, url, headers = self._pending
        self._pending = None
        if response.status == HTTPStatus.UNAUTHORIZED:
            if self._authenticator.refused(response.headers.get("www-authenticate", ())):
                return self._request(method, url, headers)
            if self.is_playing:
                return None
            raise self._login_problem()
        self._authenticator.accepted()
        return self._next(response)

    def keep_alive(self) -> bytes:
        """A request that keeps the session."""
        return self._request(self._keep_alive_method, self._session_url, self._session_headers())

    def teardown(self) -> bytes:
        """The last request; empty when there is no session to end."""
        return self._request("TEARDOWN", self._session_url, self._session_headers()) if self._session else b""

    def answer(self, request: ServerRequest) -> bytes:
        """What to say to a request of the server.

        Raises:
            CameraUnreachable: the server wants to end this connection or sends us elsewhere.
        """
        if request.method == "REDIRECT":
            raise CameraUnreachable("the camera sends us to another address; that is not followed")
        if request.method == "TEARDOWN":
            raise CameraUnreachable("the camera ended the session")
        headers = {"CSeq": str(request.cseq or 0)} | ({"Session": self._session} if self._session else {})
        if request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "ANNOUNCE", "PLAY_NOTIFY"):
            return encode_answer(200, "OK", headers | {"Public": "OPTIONS, GET_PARAMETER, SET_PARAMETER, ANNOUNCE"})
        return encode_answer(501, "Not Implemented", headers)

    def _belongs(self, response: Response, cseq: int) -> bool:
        # Some cameras leave the number out when they refuse; what they say is worth more than the number.
        return response.cseq == cseq or ("cseq" not in response.headers and response.status >= 400)

    def _next(self, response: Response) -> bytes | None:
        if self._step is _Step.PLAYING:
            self._kept_alive(response)
            return None
        if self._step is _Step.OPTIONS and not 300 <= response.status < 400:
            # A camera that does not know OPTIONS may know the rest; DESCRIBE brings the better words.
            return self._after_options(response)
        self._refuse_failure(response)
        if self._step is _Step.DESCRIBE:
            return self._after_describe(response)
        if self._step is _Step.SETUP:
            return self._after_setup(response)
        self._step = _Step.PLAYING
        return None

    def _kept_alive(self, response: Response) -> None:
        if response.status >= 400 and response.status != 454:  # 454: no session of that name
            self._keep_alive_method = "OPTIONS"

    def _after_options(self, response: Response) -> bytes:
        offered = ",".join(response.headers.get("public", ())).upper() if response.status < 300 else ""
        if "GET_PARAMETER" in [method.strip() for method in offered.split(",")]:
            self._keep_alive_method = "GET_PARAMETER"
        self._step = _Step.DESCRIBE
        return self._request("DESCRIBE", self._url, {"Accept": "application/sdp"})

    def _after_describe(self, response: Response) -> bytes:
        if not response.body:
            raise NotAVideo("the camera describes no video")
        base_url = response.header("content-base") or response.header("content-location")
        if not re.match(r"rtsps?://", base_url, re.IGNORECASE) or not is_one_word(base_url):
            base_url = self._url
        description = read_description(response.body, base_url)
        self._media, self._session_url = description.media, description.session_url
        self._step = _Step.SETUP
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        return self._request("SETUP", self._media.control_url, transport)

    def _after_setup(self, response: Response) -> bytes:
        self._channel = self._accepted_channel(response.header("transport"))
        self._session, self._session_timeout_s = _session(response.header("session"))
        self._step = _Step.PLAY
        return self._request("PLAY", self._session_url, self._session_headers() | {"Range": "npt=0.000-"})

    def _accepted_channel(self, transport: str) -> int:
        protocol, *fields = [part.strip().lower() for part in transport.partition(",")[0].split(";")]
        if protocol and "tcp" not in protocol:
            raise self._udp_only()
        given = next((field.partition("=")[2] for field in fields if field.startswith("interleaved")), "0-1")
        first = given.partition("-")[0].strip()
        if not re.fullmatch(r"[0-9]{1,3}", first) or int(first) > 254:
            raise MalformedRtsp("a channel that is none")
        return int(first)

    def _refuse_failure(self, response: Response) -> None:
        problem = self._failure(response.status)
        if problem is not None:
            raise problem

    def _failure(self, status: int) -> StreamError | None:
        if status < 300:
            return None
        if status < 400:
            return CameraUnreachable(
                f"the camera sends us to another address ({status}); that is not followed, "
                "give the address it really has"
            )
        if status == HTTPStatus.FORBIDDEN:
            return self._login_problem()
        if status == HTTPStatus.NOT_FOUND:
            return NotAVideo("the camera has no stream at this path (404); check the path")
        if status == 461 and self._step is _Step.SETUP:
            return self._udp_only()
        return CameraUnreachable(f"the camera answers with an error ({_status_words(status)})")

    def _udp_only(self) -> NotSpoken:
        reason = "the camera offers UDP only"
        return NotSpoken(reason, reason=reason, is_udp_only=True)

    def _login_problem(self) -> CameraRefusedLogin:
        if not self._has_login:
            return CameraRefusedLogin("the camera wants a login, and the address brings none")
        if not self._authenticator.is_answering:
            return CameraRefusedLogin("the camera wants a login of a kind that is not spoken here")
        return CameraRefusedLogin("the camera refuses this user and password; check both")

    def _session_headers(self) -> dict[str, str]:
        return {"Session": self._session} if self._session else {}

    def _request(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        self._cseq += 1
        self._pending = (self._cseq, method, url, headers or {})
        login = self._authenticator.header(method, url)
        return encode_request(method, url, self._cseq, {"User-Agent": USER_AGENT, **(headers or {}), **login})


def split_login(url: str) -> tuple[str, Login | None]:
    """The address without its login, and the login, percent signs resolved.

    Raises:
        UnsupportedUrl: the address names no host.
    """
    parts = urlsplit(url)
    login_text, at, place = parts.netloc.rpartition("@")
    user, _, password = login_text.partition(":")
    login = Login(unquote(user), unquote(password)) if at else None
    query = f"?{parts.query}" if parts.query else ""
    if not place:
        raise UnsupportedUrl(f"{redact_url(url)}: names no host; expected rtsp://host/path")
    return quote(f"{parts.scheme}://{place}{parts.path}{query}", safe=string.punctuation), login


def _session(header: str) -> tuple[str, int]:
    """Its name and time-out in seconds."""
    name, *fields = [part.strip() for part in header.split(";")]
    if name and (not is_one_word(name) or len(name) > 256):
        raise MalformedRtsp("a session name that is none")
    timeout_s = DEFAULT_SESSION_TIMEOUT_S
    for part in fields:
        key, _, value = part.partition("=")
        if key.strip().lower() == "timeout" and re.fullmatch(r"[0-9]{1,9}", value.strip()) and int(value):
            timeout_s = int(value)
    return name, timeout_s


def _status_words(status: int) -> str:
    known = {one.value: one.phrase for one in HTTPStatus} | _OWN_REASONS
    return f"{status} {known[status]}" if status in known else str(status)
