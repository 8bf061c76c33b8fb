"""How requests leave the operator: refused addresses, proxies, trusted certificates."""

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from omnia_core.addresses import Refuses, allowed_address
from omnia_core.authorities import trust
from omnia_core.env.contract import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText

# A network in which only the proxy knows the names of other networks may leave a question open.
_LOOKUP_SECONDS = 2.0
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of the environment: HTTP_PROXY, HTTPS_PROXY and NO_PROXY.

    Attributes:
        http: URL of the proxy for http:// addresses; None for none.
        https: likewise for https:// addresses.
        bypassed: the entries of NO_PROXY, read as Go's net/http reads them: `*`, an IP address, a
            network such as 10.0.0.0/8, or a domain. `example.com` is the host and its subdomains,
            `.example.com` and `*.example.com` are the subdomains only. A port after a colon
            restricts an address or a domain.
    """

    http: SecretStr | None = None
    https: SecretStr | None = None
    bypassed: tuple[str, ...] = ()

    def of(self, url: str) -> str | None:
        """Return the proxy for a URL; None if its server is asked directly."""
        parts = urlsplit(url)
        proxy = {"http": self.http, "https": self.https}.get(parts.scheme)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or _PORTS.get(parts.scheme, 0)
        if proxy is None or _is_loopback(host):
            return None
        if any(_bypasses(entry.strip().lower(), host, port) for entry in self.bypassed):
            return None
        return proxy.reveal()


@dataclass
class Egress:
    """What every request of discovery has in common.

    Attributes:
        refuses: addresses that are not connected to.
        proxies: the proxies for everything else.
        ca_file: PEM file with certificates that are trusted beside the system's; "" for none.
    """

    refuses: Refuses
    proxies: Proxies = field(default_factory=Proxies)
    ca_file: str = ""
    _context: ssl.SSLContext | None = None
    _read: tuple[int, ...] = ()

    async def proxy(self, url: str) -> str | None:
        """Return the proxy for a URL; None if its server is asked directly.

        The addresses of a proxied server are checked as far as they are known here. In the end the
        proxy decides where it connects to.

        Raises:
            AddressRefused: the server is at an address that is refused.
        """
        proxy = self.proxies.of(url)
        if proxy is not None:
            parts = urlsplit(url)
            with contextlib.suppress(socket.gaierror, TimeoutError):
                async with asyncio.timeout(_LOOKUP_SECONDS):
                    await allowed_address(parts.hostname or "", parts.port or 0, self.refuses)
        return proxy

    def tls(self, authority: ConfigText | None = None) -> ssl.SSLContext:
        """Return the settings of TLS, with the present content of the file.

        The system's certificates are those that OpenSSL finds, also by SSL_CERT_FILE. With
        `authority`, its certificates are trusted too.

        Raises:
            ConfigurationError: the file or the authority cannot be read.
        """
        if authority is not None:
            context = self._new_context()
            trust(context, authority)
            return context
        found = self._version()
        if self._context is None or found != self._read:
            self._context, self._read = self._new_context(), found
        return self._context

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_file:
            try:
                context.load_verify_locations(cafile=self.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(
                    f"the operator's certificates in {self.ca_file} cannot be read: expected"
                    " certificates in PEM; correct discovery.caBundle of the chart"
                ) from error
        return context

    def roots(self) -> bytes | None:
        """Return the trusted certificates as PEM for a library with a TLS of its own.

        Returns:
            None if nothing but the library's own certificates is known.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        found = self.tls().get_ca_certs(binary_form=True)
        return "".join(map(ssl.DER_cert_to_PEM_cert, found)).encode() or None

    def _version(self) -> tuple[int, ...]:
        """Return what changes with the content of the file, which Kubernetes replaces as a link."""
        if not self.ca_file:
            return ()
        try:
            stat = os.stat(self.ca_file)  # noqa: PTH116 - as quick as it can be
        except OSError:
            return ()
        return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _bypasses(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY is for a host."""
    if entry in ("", "*"):
        return entry == "*"
    address = _address(host)
    if address is not None:
        with contextlib.suppress(ValueError):
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal():
        if int(number) != port:
            return False
        entry = name.strip("[]")
    if address is not None:
        return _address(entry) == address
    domain = entry.removeprefix("*").rstrip(".")
    return host == domain or host.endswith("." + domain.removeprefix("."))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
