"""A Redis client with a bounded connection pool, timeouts and retries."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff
from redis.exceptions import RedisError

from omnia_core.errors import ConfigurationError

TIMEOUT_SECONDS = 2.0
ATTEMPTS = 3
CONNECTIONS = 32  # per process; further operations wait for a free one

# Parameter of the URL: how many replicas have to confirm a write.
_REPLICAS = "replicas"
_INVALID_URL = (
    "the URL of the session store is invalid: "
    "expected redis://[:password@]host:port[/database], or rediss:// for TLS"
)


def split_replicas(url: str) -> tuple[str, int]:
    """Return a URL without its parameter `replicas=N`, and N; N is 0 without the parameter.

    Raises:
        ConfigurationError: N is not a digit, or the URL is invalid; the message does not contain
            the URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(_INVALID_URL) from None
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = [value for name, value in query if name == _REPLICAS]
    if not given:
        return url, 0
    replicas = given[-1]
    if not (replicas.isascii() and replicas.isdecimal() and len(replicas) == 1):
        raise ConfigurationError(
            f"replicas={replicas[:16]} in the URL of the session store: expected a digit"
        )
    rest = urlencode([(name, value) for name, value in query if name != _REPLICAS])
    return urlunsplit(parts._replace(query=rest)), int(replicas)


def redis_client(url: str) -> Redis:
    """Return a client that connects when it is first used.

    Raises:
        ConfigurationError: `url` is not a Redis URL; the message does not contain it.
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
        raise ConfigurationError(_INVALID_URL) from None
    # `from_pool` makes the client own the pool and close it.
    return Redis.from_pool(pool)
