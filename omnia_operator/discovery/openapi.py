"""Reads the operations of an OpenAPI document as tools."""

import asyncio

from omnia_core.addresses import Refuses
from omnia_core.connection_failures import shown_address
from omnia_core.errors import ConfigurationError
from omnia_core.openapi import Api, decode_document, read_api
from omnia_operator.api.toolconfig import OpenApiConfig
from omnia_operator.discovery.http import fetch_bytes
from omnia_operator.discovery.port import FoundTool

LARGEST = 5 * 1024 * 1024
# Only the operations that the filter names are kept of such a document.
LARGEST_FILTERED = 24 * 1024 * 1024
_MAX_REDIRECTS = 3


async def ask(
    config: OpenApiConfig, headers: dict[str, str], limit: float, refuses: Refuses
) -> tuple[tuple[FoundTool, ...], tuple[str, ...]]:
    """Return the tools of a document, and the operations that cannot be tools with the reason.

    Raises:
        ConfigurationError: the document is invalid, or no operation of it can be a tool.
        HttpStatus: the server answered with a failure.
        Exception: of the connection.
    """
    url = config.spec_url or ""
    largest = LARGEST_FILTERED if config.operation_filter else LARGEST
    text = await _fetch_text(url, {**config.headers, **headers}, limit, largest, refuses)
    api = await asyncio.to_thread(
        read_api, text, shown_address(url), only=config.operation_filter, base=config.base_url
    )
    remarks = tuple(f"{omitted.operation}: {omitted.reason}" for omitted in api.omitted)
    if not api.operations:
        raise ConfigurationError("; ".join(remarks) or "the document has no operations: add some")
    return _tools(api), remarks


def _tools(api: Api) -> tuple[FoundTool, ...]:
    return tuple(
        FoundTool(operation.name, operation.description, operation.url, operation.input_schema)
        for operation in api.operations
    )


async def _fetch_text(
    url: str, headers: dict[str, str], limit: float, largest: int, refuses: Refuses
) -> str:
    accepting = {"accept": "application/json, application/yaml, */*", **headers}
    content = await fetch_bytes(
        url, accepting, limit, largest=largest, max_redirects=_MAX_REDIRECTS, refuses=refuses
    )
    return decode_document(content)
