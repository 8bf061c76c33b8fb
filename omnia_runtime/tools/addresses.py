"""The refusal of private addresses for tool servers.

The address of the connection itself is checked, so that a name cannot change its address between
the check and the connection (DNS rebinding).
"""

import ipaddress
import socket
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import aiohttp

# As `socket.getaddrinfo` returns it: family, type, protocol, name, address.
AddressInfo: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple]  # type: ignore[type-arg]

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 6052: the last four bytes are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(OSError):
    """The address of a tool server is private, which is not allowed here."""

    def __init__(self) -> None:
        # The same text for all addresses: a client that tries several of them shows this one.
        super().__init__("the address is private, where tools are not allowed here")


def is_private(text: str) -> bool:
    """Whether an IP address is not one of the public internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return True
    return any(not target.is_global or target.is_multicast for target in _targets(address))


def _targets(address: _Address) -> list[_Address]:
    """Return an address and the IPv4 addresses that it embeds."""
    found: list[_Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return [address.ipv4_mapped]
        embedded = (address.sixtofour, *(address.teredo or ()))
        found += [target for target in embedded if target is not None]
        if address in _NAT64:
            found.append(ipaddress.IPv4Address(address.packed[-4:]))
    return found


def public_socket(info: AddressInfo) -> socket.socket:
    """Return the socket for a connection to a public address.

    Raises:
        AddressRefused: the address is not public.
    """
    family, kind, protocol, _, address = info
    if is_private(str(address[0])):
        raise AddressRefused
    return socket.socket(family, kind, protocol)


def public_connector() -> "aiohttp.TCPConnector":
    """Return a connector to public addresses only; to be called on the event loop."""
    import aiohttp  # noqa: PLC0415 - loaded with the first call

    return aiohttp.TCPConnector(limit=0, socket_factory=public_socket)


def is_refused(error: BaseException | None) -> bool:
    """Whether an error of a client was caused by a refused address."""
    while error is not None:
        if isinstance(error, AddressRefused) or isinstance(
            getattr(error, "os_error", None), AddressRefused
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
