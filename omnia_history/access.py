"""Who may read: ServiceAccounts of the cluster, with tokens for `omnia://<namespace>/history`."""

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

FRESH_SECONDS = 60.0
FAILED_SECONDS = 5.0
_FETCH_SECONDS = 5.0

_log = structlog.get_logger()


class ClusterKeys(Struct, frozen=True):
    """What the cluster signs its tokens with."""

    issuer: str
    keys: tuple[JsonObject, ...]


class Access:
    """Checks tokens with the cluster's keys, which are fetched again once a minute.

    While they cannot be fetched the last ones are used; without any, nobody is let in.
    """

    def __init__(
        self,
        namespace: str,
        more: Collection[str],
        fetch: Callable[[], Awaitable[ClusterKeys]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.audience = f"{AUDIENCE_SCHEME}{namespace}/history"
        self._namespaces = {namespace, *more}
        self._fetch = fetch
        self._clock = clock
        self._known: ClusterKeys | None = None
        self._tokens: ServiceAccountTokens | None = None
        self._until = 0.0
        self._fetching = asyncio.Lock()

    async def check(self, headers: Mapping[str, str]) -> str:
        """Return who is asking.

        Raises:
            Unauthorized: says why the request is not answered.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized(f"no credential; {self._expected}")
        account = await (await self._current()).account(token.strip())
        if account is None:
            raise Unauthorized(f"the token is of another kind; {self._expected}")
        if account.namespace not in self._namespaces:
            raise Unauthorized(
                f'ServiceAccounts of the namespace "{account.namespace}" may not read this'
                " history: add it to history.tokenNamespaces of the chart"
            )
        return account.subject

    @property
    def _expected(self) -> str:
        return f"expected a ServiceAccount's token for the audience {self.audience}"

    async def _current(self) -> ServiceAccountTokens:
        async with self._fetching:
            if self._clock() >= self._until:
                await self._refresh()
        if self._tokens is None:
            raise Unauthorized("credentials cannot be checked; the log says why")
        return self._tokens

    async def _refresh(self) -> None:
        try:
            found = await self._fetch()
        except (aiohttp.ClientError, OSError, OmniaError, ValueError, KeyError) as error:
            _log.error("the cluster's keys cannot be fetched", reason=type(error).__name__)
            self._until = self._clock() + FAILED_SECONDS
            return
        self._until = self._clock() + FRESH_SECONDS
        if found != self._known:
            self._known = found
            self._tokens = ServiceAccountTokens(found.issuer, self.audience, found.keys)


async def fetch_cluster_keys(api_server: str, account: Path) -> ClusterKeys:
    """Ask the API server for the issuer of its tokens; every ServiceAccount may.

    Raises:
        aiohttp.ClientError, OSError: it does not answer.
        OmniaError, ValueError, KeyError: its answer is none.
    """
    secure = api_server.startswith("https://")
    context = ssl.create_default_context(cafile=str(account / "ca.crt")) if secure else None
    headers = {"authorization": f"Bearer {(account / 'token').read_text().strip()}"}
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:

        async def fetched(path: str) -> Any:
            async with session.get(
                f"{api_server}{path}", ssl=context or True, allow_redirects=False
            ) as response:
                response.raise_for_status()
                return await response.json(content_type=None)

        configuration = await fetched("/.well-known/openid-configuration")
        jwks = await fetched("/openid/v1/jwks")
    return ClusterKeys(str(configuration["issuer"]), public_keys(jwks))
