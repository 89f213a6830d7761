"""The talk with a camera, without socket and clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rtsp_texts import GSTREAMER, MAKERS, URL, Maker
from tests.unit.streams.test_rtsp_messages import mutated
from xueliang_streams.errors import (
    CameraRefusedLogin,
    CameraUnreachable,
    MalformedRtsp,
    NotAVideo,
    NotSpoken,
    StreamError,
    UnsupportedUrl,
)
from xueliang_streams.rtsp.dialogue import Dialogue, split_login
from xueliang_streams.rtsp.messages import Response, ServerRequest, take_message

LOGIN_URL = "rtsp://admin:canary@cam.local:554"


def message(text: bytes) -> Response | ServerRequest:
    taken = take_message(text)
    assert taken is not None
    return taken[0]


def asked(request: bytes | None) -> ServerRequest:
    assert request is not None
    said = message(request)
    assert isinstance(said, ServerRequest)
    return said


def answer(request: bytes | None, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    return Response({"cseq": (str(asked(request).cseq),)} | named, status=status)


def answers(maker: Maker, request: bytes | None) -> Response:
    said = asked(request)
    response = message(maker.answer(said.method, said.cseq or 0))
    assert isinstance(response, Response)
    return response


def talk_until(method: str, maker: Maker = GSTREAMER, url: str = URL) -> tuple[Dialogue, bytes]:
    """Everything answered well until this request is the one to answer."""
    dialogue = Dialogue(url + maker.path)
    request: bytes | None = dialogue.begin()
    while asked(request).method != method:
        request = dialogue.receive(answers(maker, request))
    assert request is not None
    return dialogue, request


def playing(maker: Maker = GSTREAMER, url: str = URL) -> Dialogue:
    dialogue, request = talk_until("PLAY", maker, url)
    assert dialogue.receive(answers(maker, request)) is None
    assert dialogue.is_playing
    return dialogue


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_each_maker_is_played(maker: Maker) -> None:
    dialogue = Dialogue(URL + maker.path)
    request: bytes | None = dialogue.begin()
    sent = []
    while request is not None:
        assert not dialogue.is_playing
        sent.append(asked(request))
        request = dialogue.receive(answers(maker, request))
    assert dialogue.is_playing
    assert [(one.method, one.url) for one in sent] == [
        ("OPTIONS", URL + maker.path),
        ("DESCRIBE", URL + maker.path),
        ("SETUP", maker.setup_url),
        ("PLAY", maker.session_url),
    ]
    assert [one.cseq for one in sent] == [1, 2, 3, 4]
    assert sent[1].header("accept") == "application/sdp"
    assert sent[2].header("transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert sent[3].header("session") == maker.session
    assert dialogue.media is not None
    assert (dialogue.channel, dialogue.keep_alive_every_s) == (maker.channel, maker.keep_alive_every_s)
    alive, end = asked(dialogue.keep_alive()), asked(dialogue.teardown())
    assert (alive.method, alive.url, alive.header("session")) == (maker.keep_alive, maker.session_url, maker.session)
    assert (end.method, end.url, end.header("session")) == ("TEARDOWN", maker.session_url, maker.session)


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_login_is_asked_for_at_any_step_and_kept_from_then_on(method: str) -> None:
    dialogue, request = talk_until(method, url=LOGIN_URL)
    assert asked(request).header("authorization") == ""
    again = dialogue.receive(answer(request, 401, www_authenticate='Digest realm="r", nonce="n", qop="auth"'))
    said = asked(again)
    assert (said.method, said.url, said.cseq) == (method, asked(request).url, (asked(request).cseq or 0) + 1)
    assert {name: value for name, value in said.headers.items() if name not in ("cseq", "authorization")} == {
        name: value for name, value in asked(request).headers.items() if name != "cseq"
    }
    assert said.header("authorization").startswith('Digest username="admin", realm="r", nonce="n", uri="')
    assert f'uri="{said.url}"' in said.header("authorization")
    while again is not None:
        assert "nc=0000000" in asked(again).header("authorization")
        again = dialogue.receive(answers(GSTREAMER, again))
    assert "nc=0000000" in asked(dialogue.keep_alive()).header("authorization")


def test_wrong_password_is_tried_once() -> None:
    dialogue, request = talk_until("DESCRIBE", url=LOGIN_URL)
    again = dialogue.receive(answer(request, 401, www_authenticate='Digest realm="r", nonce="1"'))
    with pytest.raises(CameraRefusedLogin, match="refuses this user and password; check both") as refused:
        dialogue.receive(answer(again, 401, www_authenticate='Digest realm="r", nonce="2"'))
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "challenge", "words"),
    [
        (URL, 'Basic realm="r"', "the address brings none"),
        (LOGIN_URL, "NTLM", "of a kind that is not spoken"),
        (LOGIN_URL, "", "of a kind that is not spoken"),
    ],
)
def test_login_that_cannot_be_answered_is_said(url: str, challenge: str, words: str) -> None:
    dialogue, request = talk_until("DESCRIBE", url=url)
    with pytest.raises(CameraRefusedLogin, match=words):
        dialogue.receive(answer(request, 401, www_authenticate=challenge))


def test_nonce_that_runs_out_while_playing_is_answered_with_the_new_one_and_never_ends_the_talk() -> None:
    dialogue, request = talk_until("DESCRIBE", url=LOGIN_URL)
    request = dialogue.receive(answer(request, 401, www_authenticate='Digest realm="r", nonce="1"')) or b""
    again: bytes | None = request
    while again is not None:
        again = dialogue.receive(answers(GSTREAMER, again))
    alive = dialogue.keep_alive()
    second = dialogue.receive(answer(alive, 401, www_authenticate='Digest realm="r", nonce="2"'))
    assert 'nonce="2"' in asked(second).header("authorization")
    assert dialogue.receive(answer(second, 401, www_authenticate='Digest realm="r", nonce="3"')) is None
    assert dialogue.is_playing


@pytest.mark.parametrize("target", ["rtsp://10.9.9.9/x", "file:///etc/passwd", "http://127.0.0.1/", ""])
@pytest.mark.parametrize("status", [301, 302, 305])
@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_redirects_are_refused_in_words(method: str, status: int, target: str) -> None:
    dialogue, request = talk_until(method)
    with pytest.raises(CameraUnreachable, match=f"sends us to another address \\({status}\\); that is not followed"):
        dialogue.receive(answer(request, status, location=target))


@pytest.mark.parametrize(
    ("method", "status", "kind", "words"),
    [
        ("DESCRIBE", 404, NotAVideo, r"no stream at this path \(404\)"),
        ("DESCRIBE", 403, CameraRefusedLogin, "brings none"),
        ("DESCRIBE", 503, CameraUnreachable, r"answers with an error \(503 Service Unavailable\)"),
        ("DESCRIBE", 461, CameraUnreachable, r"answers with an error \(461 Unsupported Transport\)"),
        ("SETUP", 461, NotSpoken, "the camera offers UDP only"),
        ("SETUP", 453, CameraUnreachable, r"\(453 Not Enough Bandwidth\)"),
        ("PLAY", 455, CameraUnreachable, r"\(455 Method Not Valid in This State\)"),
        ("PLAY", 999, CameraUnreachable, r"\(999\)"),
    ],
)
def test_failures_are_said_in_words(method: str, status: int, kind: type[StreamError], words: str) -> None:
    dialogue, request = talk_until(method)
    with pytest.raises(kind, match=words):
        dialogue.receive(answer(request, status))


@pytest.mark.parametrize("status", [404, 405, 501, 403])
def test_camera_that_does_not_know_options_is_played_all_the_same(status: int) -> None:
    dialogue = Dialogue(URL)
    request = dialogue.receive(answer(dialogue.begin(), status))
    assert asked(request).method == "DESCRIBE"
    while request is not None:
        request = dialogue.receive(answers(GSTREAMER, request))
    assert asked(dialogue.keep_alive()).method == "OPTIONS"


def test_udp_in_the_answer_to_setup_is_not_spoken() -> None:
    dialogue, request = talk_until("SETUP")
    with pytest.raises(NotSpoken) as refused:
        dialogue.receive(answer(request, transport="RTP/AVP;unicast;client_port=5000-5001"))
    assert refused.value.is_udp_only
    assert refused.value.reason == "the camera offers UDP only"


@pytest.mark.parametrize("transport", ["RTP/AVP/TCP;interleaved=255-256", "RTP/AVP/TCP;interleaved=x"])
def test_channel_that_is_none_is_refused(transport: str) -> None:
    dialogue, request = talk_until("SETUP")
    with pytest.raises(MalformedRtsp, match="a channel"):
        dialogue.receive(answer(request, transport=transport))


def test_wrong_number_is_refused_in_the_talk_and_ignored_while_playing() -> None:
    for number in ("7", "x", "", "-1"):
        dialogue, _ = talk_until("DESCRIBE")
        with pytest.raises(MalformedRtsp, match="was not asked"):
            dialogue.receive(Response({"cseq": (number,)}))
    dialogue, _ = talk_until("DESCRIBE")
    with pytest.raises(MalformedRtsp, match="was not asked"):
        dialogue.receive(Response({}))
    dialogue = playing()
    assert dialogue.receive(Response({"cseq": ("77",)}, status=500)) is None
    assert dialogue.is_playing


def test_refusal_without_a_number_is_understood_and_a_wait_is_waited() -> None:
    dialogue, request = talk_until("DESCRIBE")
    assert dialogue.receive(answer(request, 100)) is None
    with pytest.raises(NotAVideo, match="404"):
        dialogue.receive(Response({}, status=404))


def test_keep_alive_changes_its_method_when_the_camera_refuses_it() -> None:
    dialogue = playing()
    assert dialogue.receive(answer(dialogue.keep_alive(), 454)) is None
    alive = dialogue.keep_alive()
    assert asked(alive).method == "GET_PARAMETER"
    assert dialogue.receive(answer(alive, 501)) is None
    assert asked(dialogue.keep_alive()).method == "OPTIONS"


@pytest.mark.parametrize(
    ("session", "every_s"),
    [
        ("a", 30), ("a;timeout=60", 30), ("a; timeout = 8", 4), ("a;timeout=0", 30), ("a;timeout=1", 1),
        ("a;timeout=x", 30), ("a;timeout=99999999", 60), ("a;other;timeout=30", 15), ("", 30),
    ],
)  # fmt: skip
def test_keep_alive_comes_at_half_the_session_timeout_within_bounds(session: str, every_s: float) -> None:
    dialogue, request = talk_until("SETUP")
    dialogue.receive(answer(request, session=session))
    assert dialogue.keep_alive_every_s == every_s


def test_servers_requests_are_answered() -> None:
    dialogue = playing()
    said = message(dialogue.answer(ServerRequest({"cseq": ("5",)}, b"", "GET_PARAMETER", "rtsp://cam/x")))
    assert isinstance(said, Response)
    assert (said.status, said.cseq, said.header("session")) == (200, 5, GSTREAMER.session)
    said = message(dialogue.answer(ServerRequest({}, b"", "RECORD", "x")))
    assert isinstance(said, Response)
    assert (said.status, said.cseq) == (501, 0)


@pytest.mark.parametrize("method", ["REDIRECT", "TEARDOWN"])
def test_server_that_ends_the_session_or_sends_us_away_is_left(method: str) -> None:
    with pytest.raises(CameraUnreachable, match=r"not followed|ended the session"):
        playing().answer(ServerRequest({"location": ("rtsp://10.9.9.9/",)}, b"", method, "x"))


@pytest.mark.parametrize(
    ("url", "bare", "user", "password"),
    [
        ("rtsp://h/x", "rtsp://h/x", None, None),
        ("rtsp://u:p%40%3A@h:8554/x?a=b&c", "rtsp://h:8554/x?a=b&c", "u", "p@:"),
        ("rtsp://u:p@q@h/x", "rtsp://h/x", "u", "p@q"),
        ("rtsp://u@h/x", "rtsp://h/x", "u", ""),
        ("rtsp://u:@[::1]:554/", "rtsp://[::1]:554/", "u", ""),
        ("rtsps://h/a b/门?名=1", "rtsps://h/a%20b/%E9%97%A8?%E5%90%8D=1", None, None),
        ("rtsp://h/%20", "rtsp://h/%20", None, None),
    ],
)
def test_login_is_taken_out_of_the_address(url: str, bare: str, user: str | None, password: str | None) -> None:
    seen, login = split_login(url)
    assert seen == bare
    assert (login and login.user, login and login.password) == (user, password)


def test_address_without_a_host_is_refused() -> None:
    with pytest.raises(UnsupportedUrl, match="names no host"):
        Dialogue("rtsp:///x")


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(list(MAKERS.values())),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 1500), st.binary(max_size=8)), min_size=1, max_size=5),
)
def test_mutated_talks_end_in_a_request_a_wait_or_an_error_of_this_room(
    maker: Maker, step: int, edits: list[tuple[int, bytes]]
) -> None:
    try:
        talk_with_one_wrong_answer(Dialogue(LOGIN_URL + maker.path), maker, step, edits)
    except StreamError as problem:
        said = str(problem)
    else:
        said = ""
    assert "canary" not in said


def talk_with_one_wrong_answer(dialogue: Dialogue, maker: Maker, step: int, edits: list[tuple[int, bytes]]) -> None:
    request: bytes | None = dialogue.begin()
    for number in range(8):
        if request is None:
            return
        said = asked(request)
        assert "canary" not in request.decode()
        text = maker.answer(said.method, said.cseq or 0)
        taken = take_message(mutated(text, edits) if number == step else text)
        if taken is None:
            return
        reply = taken[0]
        if isinstance(reply, ServerRequest):
            assert dialogue.answer(reply)
            return
        request = dialogue.receive(reply)
