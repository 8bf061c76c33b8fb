"""Connections to Redis: few, bounded in time, made again when the server was away."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff
from redis.exceptions import RedisError

from omnia_core.errors import ConfigurationError

TIMEOUT_SECONDS = 2.0
ATTEMPTS = 3
CONNECTIONS = 32  # of a program; more operations at once wait for one

# Of the URL's query: how many replicas have to have a write before it counts.
_REPLICAS = "replicas"
_NOT_USABLE = (
    "the URL of the session store is not usable: "
    "expected redis://[:password@]host:port[/database], or rediss:// for TLS"
)


def replicas_of(url: str) -> tuple[str, int]:
    """Return a URL without its `replicas=N`, and N, 0 without it.

    Raises:
        ConfigurationError: N is no small number, or the URL is none; the message does not show it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(_NOT_USABLE) from None
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = [value for name, value in query if name == _REPLICAS]
    if not given:
        return url, 0
    if not (given[-1].isascii() and given[-1].isdecimal() and len(given[-1]) == 1):
        raise ConfigurationError(
            f"replicas={given[-1][:16]} in the URL of the session store: expected a digit"
        )
    rest = urlencode([(name, value) for name, value in query if name != _REPLICAS])
    return urlunsplit(parts._replace(query=rest)), int(given[-1])


def redis_client(url: str) -> Redis:
    """Return a client that connects when it is first used.

    Raises:
        ConfigurationError: `url` is no Redis URL; the message does not show it.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            health_check_interval=30,
            retry=Retry(FullJitterBackoff(cap=0.5, base=0.05), ATTEMPTS),
        )
    except (ValueError, RedisError):
        raise ConfigurationError(_NOT_USABLE) from None
    # ours alone: closed with the client
    return Redis.from_pool(pool)
