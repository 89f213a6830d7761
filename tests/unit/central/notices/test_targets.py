"""No address inside is reached by any writing of it, unless an administrator has allowed its network."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest

from xueliang_central.notices.targets import ForbiddenTarget, Targets, UnknownTarget, resolve

INSIDE = (
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.0.1",
    "0.0.0.0",
    "192.0.0.1",
    "192.0.2.7",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.5",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
)


def _forms(address: str) -> list[str]:
    """The same IPv4 address as resolvers may give it back in IPv6."""
    number = int(ipaddress.IPv4Address(address))
    words = f"{number >> 16:x}:{number & 0xFFFF:x}"
    flipped = number ^ 0xFFFF_FFFF
    return [
        address,
        f"::ffff:{address}",
        f"::ffff:{words}",
        f"2002:{words}::1",
        f"64:ff9b::{words}",
        f"2001:0:4136:e378:8000:63bf:{flipped >> 16:x}:{flipped & 0xFFFF:x}",
    ]


FORMS = sorted({form for address in INSIDE for form in _forms(address)})
INSIDE_V6 = ("::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "64:ff9b:1::7f00:1", "2001:db8::1", "100::1")


def told(*answers: str) -> Targets:
    async def names(_host: str, _port: int) -> Sequence[str]:
        return answers

    return Targets((), names)


@pytest.mark.parametrize("address", [*FORMS, *INSIDE_V6])
async def test_an_inner_address_is_refused_in_every_form(address: str) -> None:
    with pytest.raises(ForbiddenTarget):
        await told(address).checked("name.example", 443)


@pytest.mark.parametrize("address", FORMS)
async def test_one_inner_address_among_outer_ones_refuses_the_name(address: str) -> None:
    with pytest.raises(ForbiddenTarget):
        await told("93.184.216.34", address).checked("name.example", 443)


@pytest.mark.parametrize("last", ["127.0.0.1", "10.1.2.3"])
@pytest.mark.parametrize("base", [8, 10, 16])
async def test_odd_writings_of_numbers_are_judged_by_what_they_mean(last: str, base: int) -> None:
    """By the system's own resolver, which reads octal, hexadecimal and whole numbers."""
    number = int(ipaddress.IPv4Address(last))
    written = {8: f"0{number:o}", 10: f"{number}", 16: f"{number:#x}"}[base]
    with pytest.raises((ForbiddenTarget, UnknownTarget)):
        await Targets((), resolve).checked(written, 80)


async def test_an_outer_address_is_given_as_it_was_judged() -> None:
    target = await told("93.184.216.34", "93.184.216.35").checked("name.example", 443)
    assert (target.address, target.host, target.is_private) == ("93.184.216.34", "name.example", False)


async def test_an_allowed_network_is_reached_and_its_neighbour_is_not() -> None:
    allowed = (ipaddress.ip_network("10.20.0.0/16"),)

    async def names(host: str, _port: int) -> Sequence[str]:
        return {"gateway": ["10.20.3.4"], "mapped": ["::ffff:10.20.3.4"], "beside": ["10.21.0.1"]}[host]

    judge = Targets(allowed, names)
    assert (await judge.checked("gateway", 80)).is_private
    assert (await judge.checked("mapped", 80)).is_private
    with pytest.raises(ForbiddenTarget):
        await judge.checked("beside", 80)


@pytest.mark.parametrize("host", ["", "a..b", "x" * 64, "no-such-name.invalid"])
async def test_a_name_that_is_none_is_unknown(host: str) -> None:
    with pytest.raises((UnknownTarget, ForbiddenTarget)):
        await Targets((), resolve).checked(host, 80)
