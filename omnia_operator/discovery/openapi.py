"""Reads the operations of an OpenAPI document as tools."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

from omnia_core.connection_failures import shown_address
from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText
from omnia_core.openapi import Api, decode_document, read_api
from omnia_operator.api.toolconfig import OpenApiConfig
from omnia_operator.discovery.egress import Egress
from omnia_operator.discovery.http import fetch_bytes
from omnia_operator.discovery.port import FoundTool

LARGEST = 5 * 1024 * 1024
# Only the operations that the filter names are kept of such a document.
LARGEST_FILTERED = 24 * 1024 * 1024
_MAX_REDIRECTS = 3


class Documents:
    """Fetches documents. One of those that are larger than 1 MiB is in memory at a time."""

    def __init__(self, egress: Egress) -> None:
        """`egress` says how servers are reached."""
        self._egress = egress
        self._large = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def fetched(
        self,
        config: OpenApiConfig,
        headers: dict[str, str],
        limit: float,
        authority: ConfigText | None = None,
    ) -> AsyncIterator[str]:
        """Fetch a document, whose text is in memory until the end of the block.

        Raises:
            HttpStatus: the server answered with a failure.
            ConfigurationError: the document is too large, or not text.
            Exception: of the connection.
        """
        largest = LARGEST_FILTERED if config.operation_filter else LARGEST
        accepting = {"accept": "application/json, application/yaml, */*"}
        async with contextlib.AsyncExitStack() as stack:
            content = await fetch_bytes(
                config.spec_url or "",
                {**accepting, **config.headers, **headers},
                limit,
                largest=largest,
                max_redirects=_MAX_REDIRECTS,
                egress=self._egress,
                before_large=lambda: stack.enter_async_context(self._large),
                authority=authority,
            )
            text = decode_document(content)
            del content
            yield text


def digest(text: str, config: OpenApiConfig) -> str:
    """Return the hash of everything that the tools of a document depend on."""
    settings = config.model_dump_json(include={"spec_url", "operation_filter", "base_url"})
    return hashlib.sha256(f"{settings}\n{text}".encode()).hexdigest()


def read(text: str, config: OpenApiConfig) -> tuple[tuple[FoundTool, ...], tuple[str, ...]]:
    """Return the tools of a document, and the operations that cannot be tools with the reason.

    Raises:
        ConfigurationError: the document is invalid, or no operation of it can be a tool.
    """
    address = shown_address(config.spec_url or "")
    api = read_api(text, address, only=config.operation_filter, base=config.base_url)
    remarks = tuple(f"{omitted.operation}: {omitted.reason}" for omitted in api.omitted)
    if not api.operations:
        raise ConfigurationError("; ".join(remarks) or "the document has no operations: add some")
    return _tools(api), remarks


def _tools(api: Api) -> tuple[FoundTool, ...]:
    return tuple(
        FoundTool(operation.name, operation.description, operation.url, operation.input_schema)
        for operation in api.operations
    )
