"""Logins: answers from the standards' own examples, which challenge is chosen, how often a password is tried."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xueliang_streams.rtsp.authentication import Authenticator, Challenge, Login, basic, digest, parse_challenges

RFC_2617 = {
    "realm": "testrealm@host.com",
    "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "opaque": "5ccc069c403ebaf9f0171e9517f40e41",
}
RFC_7616 = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    "qop": "auth, auth-int",
}
CNONCE_7616 = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("fields", "password", "cnonce", "response"),
    [
        (RFC_2617, "CircleOfLife", "", "1949323746fe6a43ef61f9606e7febea"),
        (RFC_2617 | {"qop": "auth"}, "Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1"),
        (RFC_7616 | {"algorithm": "MD5"}, "Circle of Life", CNONCE_7616, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            RFC_7616 | {"algorithm": "SHA-256"},
            "Circle of Life",
            CNONCE_7616,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ],
    ids=["rfc2069", "rfc2617", "rfc7616-md5", "rfc7616-sha256"],
)
def test_digest_gives_the_standards_own_answers(
    fields: dict[str, str], password: str, cnonce: str, response: str
) -> None:
    value = digest(Login("Mufasa", password), Challenge("digest", fields), "GET", "/dir/index.html", cnonce, 1)
    assert f'response="{response}"' in value
    assert ("nc=00000001" in value) is ("qop" in fields)
    assert ("algorithm=" in value) is ("algorithm" in fields)
    assert f'opaque="{fields["opaque"]}"' in value


def test_basic_and_letters_beyond_ascii() -> None:
    assert basic(Login("Aladdin", "open sesame")) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic(Login("值班", "密:码")).startswith("Basic ")
    assert "密" not in repr(Login("值班", "密:码"))


def test_quotes_and_backslashes_are_escaped_and_nothing_ends_the_line() -> None:
    challenge = Challenge("digest", {"realm": 'a "b" \\', "nonce": "n\r\nX: y"})
    value = digest(Login('u"\\', "p"), challenge, "PLAY", "rtsp://h/x", "c", 1)
    assert value.startswith('Digest username="u\\"\\\\", realm="a \\"b\\" \\\\", nonce="nX: y", uri="rtsp://h/x", ')
    assert "\r" not in value
    assert "\n" not in value


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (['Basic realm="camera"'], [("basic", {"realm": "camera"})]),
        (
            ['Digest realm="IP Camera(C1)", nonce="ab\\"c", stale="FALSE"'],
            [("digest", {"realm": "IP Camera(C1)", "nonce": 'ab"c', "stale": "FALSE"})],
        ),
        (
            ['Digest realm="Login to x",nonce="1",algorithm=MD5,qop="auth", Basic realm="b"'],
            [
                ("digest", {"realm": "Login to x", "nonce": "1", "algorithm": "MD5", "qop": "auth"}),
                ("basic", {"realm": "b"}),
            ],
        ),
        (
            ['Digest realm="a", nonce="n"', "Basic realm=b"],
            [("digest", {"realm": "a", "nonce": "n"}), ("basic", {"realm": "b"})],
        ),
        (["Digest realm = a , nonce = n"], [("digest", {"realm": "a", "nonce": "n"})]),
        (['realm="nobody asked"', "", ",,=", '"'], []),
    ],
    ids=["basic", "hikvision", "dahua", "two headers", "loose", "nonsense"],
)
def test_challenges_are_read_in_all_their_shapes(values: list[str], expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(one.scheme, one.fields) for one in parse_challenges(values)] == expected


@pytest.mark.parametrize(
    ("values", "begins"),
    [
        (['Basic realm="x"', 'Digest realm="r", nonce="n"'], "Digest"),
        (['Digest realm="r", nonce="n"', 'Digest realm="r", nonce="m", algorithm=SHA-256, qop="auth"'], "SHA-256"),
        (['Digest realm="r", nonce="n", algorithm=SHA-512-256', 'Basic realm="x"'], "Basic"),
        (['Digest realm="r", nonce="n", qop="auth-int"'], None),
        (['Digest realm="r"'], None),
        (["NTLM"], None),
        ([], None),
    ],
)
def test_strongest_challenge_that_we_speak_is_answered(values: list[str], begins: str | None) -> None:
    authenticator = Authenticator(Login("u", "p"))
    assert authenticator.header("PLAY", "rtsp://h/x") == {}
    assert authenticator.refused(values) is (begins is not None)
    header = authenticator.header("PLAY", "rtsp://h/x").get("Authorization", "")
    assert (begins or "") in header
    assert authenticator.is_answering is bool(header)


def test_no_login_answers_nothing() -> None:
    assert not Authenticator(None).refused(['Basic realm="x"'])


def challenge(nonce: str, stale: str = "") -> list[str]:
    return [f'Digest realm="r", nonce="{nonce}", qop="auth"' + (f", stale={stale}" if stale else "")]


def test_refused_password_is_not_tried_again_even_with_a_new_nonce() -> None:
    authenticator = Authenticator(Login("u", "p"))
    assert authenticator.refused(challenge("1"))
    assert not authenticator.refused(challenge("2"))
    assert not authenticator.refused(['Basic realm="weaker"'])


def test_stale_nonce_is_replaced_once() -> None:
    authenticator = Authenticator(Login("u", "p"))
    assert authenticator.refused(challenge("1"))
    assert authenticator.refused(challenge("2", "TRUE"))
    assert not authenticator.refused(challenge("3", "true"))


def test_nonce_that_changes_after_it_was_accepted_is_replaced_once_and_counts_anew() -> None:
    authenticator = Authenticator(Login("u", "p"), make_cnonce=lambda: "c")
    assert authenticator.refused(challenge("1"))
    counts = []
    for _ in range(2):
        counts += re.findall(r"nc=(\d+)", authenticator.header("DESCRIBE", "rtsp://h/x")["Authorization"])
        authenticator.accepted()
    assert authenticator.refused(challenge("2"))
    counts += re.findall(r"nc=(\d+)", authenticator.header("SETUP", "rtsp://h/x")["Authorization"])
    assert counts == ["00000001", "00000002", "00000001"]
    assert not authenticator.refused(challenge("3"))
    authenticator.accepted()
    assert authenticator.refused(challenge("4"))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.text(max_size=80) | st.text('Dige st,="\\realmnonceqop', max_size=80), max_size=4))
def test_any_challenge_is_answered_on_one_line_or_not_at_all(values: list[str]) -> None:
    authenticator = Authenticator(Login("u", "p"))
    if authenticator.refused(values):
        header = authenticator.header("PLAY", "rtsp://h/x")["Authorization"]
        assert all(letter >= " " for letter in header)
