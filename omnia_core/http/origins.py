"""Whether a request comes from a page of the server that it is sent to (RFC 6454)."""

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_same_origin(origin: str, *, host: str, forwarded_scheme: str, local: bool) -> bool:
    """Whether a page of `origin` was loaded from the server that it connects to (RFC 6454).

    Scheme, host and port are compared. A proxy may have ended TLS: it says so in
    X-Forwarded-Proto, which no page can set. Without it both schemes are accepted in a pod, and
    http alone on a `local` port, which has no proxy in front of it.
    """
    schemes = ("http",) if local else ("http", "https")
    if forwarded_scheme:
        # Each proxy appends its own: the first is that of the page.
        schemes = (forwarded_scheme.partition(",")[0].strip().lower(),)
    try:
        page = urlsplit(origin)
        server = urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        return (
            page.scheme in schemes
            and default is not None
            and bool(page.hostname)
            and not (page.path or page.query or page.fragment or "@" in page.netloc + host)
            and page.hostname == server.hostname
            and (page.port or default) == (server.port or default)
        )
    except ValueError:
        return False
