"""The refusal of addresses that a request must not reach.

The address of the connection itself is checked, so that a name cannot change its address between
the check and the connection (DNS rebinding).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import TypeAlias

# As `socket.getaddrinfo` returns it: family, type, protocol, name, address.
AddressInfo: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple]  # type: ignore[type-arg]

Refuses: TypeAlias = Callable[[str], bool]
"""Whether an IP address, as text, must not be connected to."""

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# The registries of special-purpose addresses (IANA), as far as an older Python does not know them,
# and blocks that are deprecated but still routed by some networks.
_SPECIAL: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(block)
    for block in (
        "192.0.0.0/24",  # IETF protocol assignments; a cloud has its metadata here
        "192.88.99.0/24",  # RFC 7526: relays of 6to4
        "::/96",  # RFC 4291, 2.5.5.1: IPv4-compatible
        "64:ff9b:1::/48",  # RFC 8215: translation within a network
        "100:0:0:1::/64",  # RFC 9780: dummy prefix
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2002::/16",  # RFC 3056: 6to4
        "3fff::/20",  # RFC 9637: documentation
        "5f00::/16",  # RFC 9602: segment routing
        "fec0::/10",  # RFC 3879: site-local
    )
)
# Metadata services of clouds, which give credentials to whoever asks from inside.
_METADATA: frozenset[_Address] = frozenset(
    ipaddress.ip_address(address)
    for address in ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
# RFC 6052: the last four bytes are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
# RFC 5214: an interface identifier that ends with an IPv4 address.
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


class AddressRefused(OSError):
    """The address is one that must not be connected to."""

    def __init__(self) -> None:
        # The same text for all addresses: a client that tries several of them shows this one.
        super().__init__("the address is private, where tools are not allowed here")


def is_private(text: str) -> bool:
    """Whether an IP address is not one of the public internet."""
    address = _parsed(text)
    return address is None or any(
        not target.is_global
        or target.is_multicast
        or target in _METADATA
        or any(target in block for block in _SPECIAL)
        for target in _targets(address)
    )


def is_local(text: str) -> bool:
    """Whether an IP address is of this machine, of its link, or of a cloud's metadata service."""
    address = _parsed(text)
    return address is None or any(
        target.is_loopback
        or target.is_link_local
        or target.is_unspecified
        or target.is_multicast
        or target in _METADATA
        for target in _targets(address)
    )


def _parsed(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _targets(address: _Address) -> list[_Address]:
    """Return an address and the IPv4 addresses that it embeds."""
    found: list[_Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return [address.ipv4_mapped]
        packed = address.packed
        embedded = (address.sixtofour, *(address.teredo or ()))
        found += [target for target in embedded if target is not None]
        if address in _NAT64 or address in _IPV4_COMPATIBLE or packed[8:12] in _ISATAP:
            found.append(ipaddress.IPv4Address(packed[-4:]))
    return found


def checked_socket(refuses: Refuses) -> Callable[[AddressInfo], socket.socket]:
    """Return a function that makes the socket for a connection to an address.

    The function raises AddressRefused for an address that is refused.
    """

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if refuses(str(address[0])):
            raise AddressRefused
        return socket.socket(family, kind, protocol)

    return make


async def allowed_address(host: str, port: int, refuses: Refuses) -> str:
    """Look up a host, and return one of its addresses if all of them may be connected to.

    Raises:
        AddressRefused: one of its addresses is refused.
        OSError: the host is unknown.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    if any(refuses(address) for address in addresses):
        raise AddressRefused
    return addresses[0]


def is_refused(error: BaseException | None) -> bool:
    """Whether an error of a client was caused by a refused address."""
    while error is not None:
        if isinstance(error, AddressRefused) or isinstance(
            getattr(error, "os_error", None), AddressRefused
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
