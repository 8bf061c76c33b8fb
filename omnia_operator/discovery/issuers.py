"""The public keys of token issuers, fetched once for all agents that trust an issuer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import structlog

from omnia_core.connection_failures import shown_address
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject, parse_json
from omnia_core.tokens.jwt import public_keys
from omnia_operator.discovery.egress import Egress
from omnia_operator.discovery.failure import sentence
from omnia_operator.discovery.http import fetch_bytes
from omnia_operator.resolve import IssuerAnswer, IssuerKeys, NoKeys

# A provider may change its keys at any time; tokens of the old keys are then refused.
FRESH_SECONDS = 60.0
FAILED_SECONDS = 15.0
# A slow provider of one agent delays the reconciliation of others by this time at most.
PATIENCE_SECONDS = 1.0
LIMIT_SECONDS = 10.0
LARGEST = 512 * 1024
WELL_KNOWN = "/.well-known/openid-configuration"

_log = structlog.get_logger()

Fetch: TypeAlias = Callable[[], Awaitable[IssuerAnswer]]


@dataclass
class _Entry:
    answer: IssuerAnswer = field(
        default_factory=lambda: NoKeys("Pending", "the keys are being fetched")
    )
    until: float = 0.0
    fetching: "asyncio.Task[None] | None" = None


class Issuers:
    """Caches the keys of the issuers."""

    def __init__(
        self,
        discover: Callable[[str], Awaitable[IssuerAnswer]],
        *,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._discover = discover
        self._clock = clock
        self._patience = patience
        self._entries: dict[str, _Entry] = {}

    async def oidc(self, issuer: str) -> IssuerAnswer:
        """Return the keys of an OpenID provider."""
        return await self.get(issuer, lambda: self._discover(issuer))

    async def get(self, name: str, fetch: Fetch) -> IssuerAnswer:
        """Return the cached answer of an issuer, after fetching it again if it is too old.

        A slow answer is returned by a later call; until then the previous answer is.
        """
        entry = self._entries.setdefault(name, _Entry())
        if entry.fetching is None and self._clock() >= entry.until:
            entry.fetching = asyncio.create_task(self._fetch(entry, fetch))
        if entry.fetching is not None:
            await asyncio.wait({entry.fetching}, timeout=self._patience)
        return entry.answer

    async def _fetch(self, entry: _Entry, fetch: Fetch) -> None:
        try:
            entry.answer = await fetch()
        except Exception as error:  # noqa: BLE001 - a fault of one issuer must not stop an agent
            _log.exception("the keys of an issuer cannot be read")
            message = f"the keys cannot be read: {type(error).__name__}"
            entry.answer = NoKeys("Unreachable", message)
        finally:
            good = isinstance(entry.answer, IssuerKeys)
            entry.until = self._clock() + (FRESH_SECONDS if good else FAILED_SECONDS)
            entry.fetching = None


async def discover(issuer: str, egress: Egress) -> IssuerAnswer:
    """Return the keys of an OpenID provider (OpenID Connect Discovery 1.0), or why it has none."""
    configuration = f"{issuer.rstrip('/')}{WELL_KNOWN}"
    try:
        document = await _fetch_object(configuration, egress)
        address = _keys_address(document, issuer)
    except Exception as error:  # noqa: BLE001 - every failure becomes a condition of the agent
        message = sentence(error, shown_address(configuration), LIMIT_SECONDS)
        return NoKeys("DiscoveryFailed", message)
    try:
        return IssuerKeys(issuer, public_keys(await _fetch_object(address, egress)))
    except Exception as error:  # noqa: BLE001 - as above
        return NoKeys("JWKSFetchFailed", sentence(error, shown_address(address), LIMIT_SECONDS))


def _keys_address(document: JsonObject, issuer: str) -> str:
    named, address = document.get("issuer"), document.get("jwks_uri")
    if named != issuer:
        found = f'"{shown_address(named)}"' if isinstance(named, str) else "no issuer"
        raise ConfigurationError(
            f'its configuration names {found}, not "{issuer}": set externalAuth.oidc.issuer to'
            " exactly the name in the configuration"
        )
    if not isinstance(address, str) or not address.startswith(("https://", "http://")):
        raise ConfigurationError("its configuration has no jwks_uri: correct the provider")
    return address


async def _fetch_object(url: str, egress: Egress) -> JsonObject:
    headers = {"accept": "application/json"}
    content = await fetch_bytes(
        url, headers, LIMIT_SECONDS, largest=LARGEST, max_redirects=0, egress=egress
    )
    try:
        value: Any = parse_json(content)
    except ValueError as error:
        raise ConfigurationError(f"its answer is {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError("its answer is not a JSON object")
    return value
