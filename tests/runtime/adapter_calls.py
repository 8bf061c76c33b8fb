"""Calls of an adapter for the tests."""

import asyncio
from collections.abc import Callable

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatModel, ChatRequest, ModelEvent

LIMIT = 100.0
Adapter = Callable[[ProviderConfig, SecretStr | None, str, HTTPClient], ChatModel]


async def stream(
    adapter: Adapter, configured: ProviderConfig, request: ChatRequest, key: str | None
) -> list[ModelEvent]:
    """Return the events of one answer."""
    client = HTTPClient()
    secret = SecretStr(key) if key else None
    try:
        async with asyncio.timeout(LIMIT):
            model = adapter(configured, secret, "THE_KEY_VARIABLE", client)
            return [event async for event in model.stream(request)]
    finally:
        await client.close()
