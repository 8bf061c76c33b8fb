"""Which hosts a port answers to that is reachable from its machine only."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

MISDIRECTED = "this server requires no credential, so it answers to localhost only"


def is_loopback(host: str) -> bool:
    """Whether a name or an address is always this machine (RFC 6761)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


class HostRule:
    """Decides by its Host header whether a request is for this port (421 if not).

    A page whose name was bound to this machine (DNS rebinding) is refused: a browser sends the
    name that it loaded the page by. A port that other machines can reach, such as that of a pod,
    answers to every name.
    """

    __slots__ = ("_any", "_last", "_local", "_other")

    def __init__(self, bind_address: str | None, allowed_origins: Iterable[str] = ()) -> None:
        """The port is bound to this address; the hosts of these origins are allowed as well."""
        origins = tuple(allowed_origins)
        self._local = is_loopback(bind_address or "")
        self._any = "*" in origins
        self._last = ""
        self._other = frozenset(urlsplit(origin).netloc.lower() for origin in origins)

    def allows(self, host: str) -> bool:
        """Whether a request with this Host header is served. Programs may omit it."""
        if not self._local or not host or host == self._last:
            return True
        if self._any or host.lower() in self._other or _names_this_machine(host):
            # Most requests have the same.
            self._last = host
            return True
        return False


def _names_this_machine(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


ANY_HOST = HostRule(None)
