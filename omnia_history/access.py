"""Admits ServiceAccounts of the cluster with tokens for `omnia://<namespace>/history`."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from msgspec import Struct

from omnia_core.errors import OmniaError
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import AUDIENCE_SCHEME
from omnia_core.tokens.jwt import Unauthorized, public_keys
from omnia_core.tokens.service_accounts import ServiceAccountTokens

REFRESH_SECONDS = 60.0
RETRY_SECONDS = 5.0
_FETCH_TIMEOUT_SECONDS = 5.0

_log = structlog.get_logger()


class ClusterKeys(Struct, frozen=True):
    """The issuer of the cluster's tokens and its public keys, as JSON Web Keys (RFC 7517)."""

    issuer: str
    keys: tuple[JsonObject, ...]


class Access:
    """Checks tokens with the cluster's keys, which are fetched once a minute.

    When a fetch fails, the previous keys stay in use. Without keys every request is refused.
    """

    def __init__(
        self,
        namespace: str,
        other_namespaces: Collection[str],
        fetch: Callable[[], Awaitable[ClusterKeys]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.audience = f"{AUDIENCE_SCHEME}{namespace}/history"
        self._namespaces = {namespace, *other_namespaces}
        self._fetch = fetch
        self._clock = clock
        self._cluster_keys: ClusterKeys | None = None
        self._verifier: ServiceAccountTokens | None = None
        self._refresh_at = 0.0
        self._refresh_lock = asyncio.Lock()

    async def check(self, headers: Mapping[str, str]) -> str:
        """Return the subject of the request's token. The names of `headers` are in lower case.

        Raises:
            Unauthorized: the token is missing, invalid, or of another namespace.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized(f"the request has no bearer token; {self._expected}")
        account = await (await self._current_verifier()).account(token.strip())
        if account is None:
            raise Unauthorized(
                "the token was not issued by this cluster for an omnia:// audience;"
                f" {self._expected}"
            )
        if account.namespace not in self._namespaces:
            raise Unauthorized(
                f'ServiceAccounts of the namespace "{account.namespace}" may not read this'
                " history: add the namespace to history.tokenNamespaces of the chart"
            )
        return account.subject

    @property
    def _expected(self) -> str:
        return f"expected a token of a ServiceAccount for the audience {self.audience}"

    async def _current_verifier(self) -> ServiceAccountTokens:
        async with self._refresh_lock:
            if self._clock() >= self._refresh_at:
                await self._refresh()
        if self._verifier is None:
            raise Unauthorized("the history cannot check credentials; see its log")
        return self._verifier

    async def _refresh(self) -> None:
        try:
            cluster_keys = await self._fetch()
        except (aiohttp.ClientError, OSError, OmniaError, ValueError, KeyError) as error:
            _log.error("cannot fetch the token keys of the cluster", reason=type(error).__name__)
            self._refresh_at = self._clock() + RETRY_SECONDS
            return
        self._refresh_at = self._clock() + REFRESH_SECONDS
        if cluster_keys != self._cluster_keys:
            self._cluster_keys = cluster_keys
            self._verifier = ServiceAccountTokens(
                cluster_keys.issuer, self.audience, cluster_keys.keys
            )


async def fetch_cluster_keys(api_server: str, account_path: Path) -> ClusterKeys:
    """Fetch the issuer and the public keys of the cluster's tokens from the API server.

    Every ServiceAccount may read both (OpenID Connect Discovery). `account_path` is the folder
    with the pod's `token` and the cluster's `ca.crt`.

    Raises:
        aiohttp.ClientError, OSError: the API server does not answer, or refuses the request.
        OmniaError, ValueError, KeyError: the answer is invalid.
    """
    secure = api_server.startswith("https://")
    context = ssl.create_default_context(cafile=str(account_path / "ca.crt")) if secure else None
    headers = {"authorization": f"Bearer {(account_path / 'token').read_text().strip()}"}
    timeout = aiohttp.ClientTimeout(total=_FETCH_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:

        async def fetch_json(path: str) -> Any:
            async with session.get(
                f"{api_server}{path}", ssl=context or True, allow_redirects=False
            ) as response:
                response.raise_for_status()
                return await response.json(content_type=None)

        configuration = await fetch_json("/.well-known/openid-configuration")
        jwks = await fetch_json("/openid/v1/jwks")
    return ClusterKeys(str(configuration["issuer"]), public_keys(jwks))
