"""Time codes against the test vectors of RFC 6238, and what a phone's clock may be wrong by."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from xueliang_central.rights.totp import as_text, code_of, new_secret, step_of, step_that_fits, uri_of

SECRET = b"12345678901234567890"  # of the RFC's appendix B, SHA-1
NOW = datetime(2026, 11, 26, 8, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(second: int, code: str) -> None:
    step = step_of(datetime.fromtimestamp(second, UTC))
    assert code_of(SECRET, step, digits=8) == code
    assert code_of(SECRET, step) == code[2:]


@pytest.mark.parametrize(("steps_off", "fits"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_fits_one_step_around_now(steps_off: int, fits: bool) -> None:
    secret = new_secret()
    code = code_of(secret, step_of(NOW) + steps_off)
    found = step_that_fits(secret, code, NOW)
    assert found == (step_of(NOW) + steps_off if fits else None)


def test_another_persons_code_does_not_fit() -> None:
    assert step_that_fits(SECRET, code_of(b"09876543210987654321", step_of(NOW)), NOW) is None
    assert step_that_fits(SECRET, "", NOW) is None


def test_the_uri_is_what_an_app_scans() -> None:
    secret = new_secret()
    uri = urlsplit(uri_of(secret, username="wang.li", issuer="Xue liang"))
    asked = {name: values[0] for name, values in parse_qs(uri.query).items()}
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Xue%20liang:wang.li")
    assert asked == {
        "secret": as_text(secret),
        "issuer": "Xue liang",
        "algorithm": "SHA1",
        "digits": "6",
        "period": "30",
    }
    assert base64.b32decode(as_text(secret)) == secret


def test_secrets_are_new_each_time() -> None:
    assert len({new_secret() for _ in range(50)}) == 50


def test_steps_are_half_minutes() -> None:
    assert step_of(NOW + timedelta(seconds=19)) == step_of(NOW)
    assert step_of(NOW + timedelta(seconds=20)) == step_of(NOW) + 1
