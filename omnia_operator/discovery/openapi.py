"""The operations of an OpenAPI document."""

import asyncio

from omnia_core.connection_failures import shown_address
from omnia_core.errors import ConfigurationError
from omnia_core.openapi import Api, read_api
from omnia_operator.api.toolconfig import OpenApiConfig
from omnia_operator.discovery.failure import HttpStatus
from omnia_operator.discovery.port import FoundTool

LARGEST = 5 * 1024 * 1024
_MOST_REDIRECTS = 3
_SUCCESS = 200


async def ask(
    config: OpenApiConfig, headers: dict[str, str], limit: float
) -> tuple[tuple[FoundTool, ...], tuple[str, ...]]:
    """Return the tools of a document, and why which operations are none.

    Raises:
        ConfigurationError: the document is none, or has no operation that can be a tool.
        Exception: of the connection.
    """
    url = config.spec_url or ""
    text = await _fetched(url, {**config.headers, **headers}, limit)
    api = await asyncio.to_thread(
        read_api, text, shown_address(url), only=config.operation_filter, base=config.base_url
    )
    remarks = tuple(f"{each.operation}: {each.reason}" for each in api.omitted)
    if not api.operations:
        raise ConfigurationError("; ".join(remarks) or "the document has no operations: add some")
    return _tools(api), remarks


def _tools(api: Api) -> tuple[FoundTool, ...]:
    return tuple(
        FoundTool(each.name, each.description, each.url, each.input_schema)
        for each in api.operations
    )


async def _fetched(url: str, headers: dict[str, str], limit: float) -> str:
    import aiohttp  # noqa: PLC0415 - paid for when a registry has an OpenAPI document

    wanted = {"accept": "application/json, application/yaml, */*", **headers}
    timeout = aiohttp.ClientTimeout(total=limit)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, headers=wanted, max_redirects=_MOST_REDIRECTS) as response,
    ):
        if response.status != _SUCCESS:
            raise HttpStatus(response.status)
        content = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            content += chunk
            if len(content) > LARGEST:
                raise ConfigurationError(
                    f"the document is larger than {LARGEST >> 20} MiB: divide it"
                )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError("the document is not UTF-8 text: correct the address") from error
