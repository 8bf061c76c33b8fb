"""Which addresses tools may be at. Where private ones are refused, the address that is really
connected to is looked at, so that a name that changes its address between two looks does not pass.
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
    """The address is not one that tools may be at."""

    def __init__(self) -> None:
        # one text for all addresses: a client that tried several shows this one
        super().__init__("the address is private, and tools may not be at such an address here")


def is_private(text: str) -> bool:
    """Whether an IP address is not one of the public internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return True
    return any(not each.is_global or each.is_multicast for each in _meant(address))


def _meant(address: _Address) -> list[_Address]:
    """Return an address and those IPv4 addresses that it leads to."""
    found: list[_Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return [address.ipv4_mapped]
        found += [each for each in (address.sixtofour, *(address.teredo or ())) if each is not None]
        if address in _NAT64:
            found.append(ipaddress.IPv4Address(address.packed[-4:]))
    return found


def public_socket(info: AddressInfo) -> socket.socket:
    """Make the socket of a connection to a public address.

    Raises:
        AddressRefused: the address is not public.
    """
    family, kind, protocol, _, address = info
    if is_private(str(address[0])):
        raise AddressRefused
    return socket.socket(family, kind, protocol)


def public_connector() -> "aiohttp.TCPConnector":
    """Return a connector that reaches public addresses only; call it on the event loop."""
    import aiohttp  # noqa: PLC0415 - loaded with the first call

    return aiohttp.TCPConnector(limit=0, socket_factory=public_socket)


def is_refused(error: BaseException | None) -> bool:
    """Whether an error of a client says that the address was refused."""
    while error is not None:
        if isinstance(error, AddressRefused) or isinstance(
            getattr(error, "os_error", None), AddressRefused
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
