"""Where a notice may go: the name is resolved once, every address it has is judged, and that address is connected to.

Invariants
    - Who connects uses the address given here and asks no resolver again, so a name that changes its mind between the
      judgement and the connection (DNS rebinding) gains nothing.
    - An address of a private network is allowed only when a network of `private_targets` holds it. Link-local (cloud
      metadata), multicast and unspecified addresses never are. An IPv4 address inside an IPv6 one is judged as itself.
    - One address that is not allowed refuses the name: a name that points inside and outside is not trusted.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL: Final = ipaddress.ip_network("64:ff9b:1::/48")


class ForbiddenTarget(Exception):
    """A name or address that no notice may reach. Retry: no, an administrator must allow it, or mend the channel."""


class UnknownTarget(Exception):
    """The name has no address now. Retry: yes."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address. `is_private`: it lies in one of `private_targets`."""

    host: str
    port: int
    address: str
    is_private: bool


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name, by the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def bare(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and (address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1)):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address if inner is None else inner


@dataclass(frozen=True, slots=True)
class Targets:
    """The one judge of addresses."""

    private: tuple[Network, ...] = ()
    resolve: Resolve = resolve

    async def checked(self, host: str, port: int) -> Target:
        """The address to connect to for this name. Raises ForbiddenTarget, UnknownTarget."""
        try:
            found = await self.resolve(host, port)
        except (OSError, UnicodeError) as error:  # a label that is too long or empty is a UnicodeError
            raise UnknownTarget from error
        if not found:
            raise UnknownTarget
        judged = [(text, self._is_private(text)) for text in found]
        text, is_private = judged[0]
        return Target(host, port, text, is_private)

    def _is_private(self, text: str) -> bool:
        """Raises ForbiddenTarget."""
        try:
            address = bare(ipaddress.ip_address(text))
        except ValueError as error:  # an address with a scope (fe80::1%eth0) among them
            raise ForbiddenTarget from error
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            raise ForbiddenTarget
        if any(address.version == network.version and address in network for network in self.private):
            return True
        if not address.is_global or (isinstance(address, ipaddress.IPv6Address) and address in _NAT64_LOCAL):
            raise ForbiddenTarget
        return False
