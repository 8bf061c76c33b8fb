"""The keys of an OpenID provider (OpenID Connect Discovery 1.0)."""

from typing import Any

import orjson

from omnia_core.connection_failures import shown_address
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.tokens.jwt import public_keys
from omnia_operator.discovery.failure import HttpStatus, sentence
from omnia_operator.resolve.issuers import Answer, IssuerKeys, NoKeys

LIMIT_SECONDS = 10.0
LARGEST = 512 * 1024
WELL_KNOWN = "/.well-known/openid-configuration"
_SUCCESS = 200


async def discover(issuer: str) -> Answer:
    """Return the keys of a provider, or why there are none."""
    configuration = f"{issuer.rstrip('/')}{WELL_KNOWN}"
    try:
        document = await _fetched(configuration)
        address = _keys_address(document, issuer)
    except Exception as error:  # noqa: BLE001 - said of the agent, whatever it is
        said = sentence(error, shown_address(configuration), LIMIT_SECONDS)
        return NoKeys("DiscoveryFailed", said)
    try:
        return IssuerKeys(issuer, public_keys(await _fetched(address)))
    except Exception as error:  # noqa: BLE001 - likewise
        return NoKeys("JWKSFetchFailed", sentence(error, shown_address(address), LIMIT_SECONDS))


def _keys_address(document: JsonObject, issuer: str) -> str:
    named, address = document.get("issuer"), document.get("jwks_uri")
    if named != issuer:
        found = shown_address(named) if isinstance(named, str) else "nobody"
        raise ConfigurationError(
            f'it is the configuration of "{found}", not of "{issuer}": correct'
            " externalAuth.oidc.issuer, to the letter"
        )
    if not isinstance(address, str) or not address.startswith(("https://", "http://")):
        raise ConfigurationError("it names no jwks_uri")
    return address


async def _fetched(url: str) -> JsonObject:
    import aiohttp  # noqa: PLC0415 - paid for when an agent trusts an OpenID provider

    timeout = aiohttp.ClientTimeout(total=LIMIT_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, headers={"accept": "application/json"}, allow_redirects=False) as response,
    ):
        if response.status != _SUCCESS:
            raise HttpStatus(response.status)
        content = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            content += chunk
            if len(content) > LARGEST:
                raise ConfigurationError(f"its answer is larger than {LARGEST >> 10} KiB")
    return _object(bytes(content))


def _object(content: bytes) -> JsonObject:
    try:
        value: Any = orjson.loads(content)
    except ValueError as error:
        raise ConfigurationError("its answer is not JSON") from error
    if not isinstance(value, dict):
        raise ConfigurationError("its answer is no JSON object")
    return value
