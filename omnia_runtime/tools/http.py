"""Tools behind a plain HTTP endpoint."""

from typing import TYPE_CHECKING

import orjson
from msgspec import structs

from omnia_core.files.tools import HTTPConfig, ToolDefinition
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.providers.port import ToolSpec
from omnia_runtime.tools.http_request import HTTPCall, build_call
from omnia_runtime.tools.source import CallContext, ToolFailed, ToolResult

if TYPE_CHECKING:
    import aiohttp

MAX_RESPONSE_BYTES = 10 * 1024 * 1024
_MAX_ERROR_BYTES = 512


class HTTPSource:
    """One handler with one tool. Nothing of the caller, its token included, is forwarded."""

    def __init__(
        self,
        name: str,
        definition: ToolDefinition,
        config: HTTPConfig,
        timeout: float,
        client: HTTPClient,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self._definition = definition
        self._config = structs.replace(config, method=config.method.upper())
        self._client = client

    def specs(self) -> list[ToolSpec]:
        tool = self._definition
        return [ToolSpec(tool.name, tool.description, tool.input_schema)]

    async def call(
        self,
        tool: str,  # noqa: ARG002 - it has one
        arguments: JsonObject,
        context: CallContext,  # noqa: ARG002 - nothing of the turn is forwarded
    ) -> ToolResult:
        import aiohttp  # noqa: PLC0415 - loaded with the first call
        import yarl  # noqa: PLC0415 - likewise

        request = build_call(self._config, arguments)
        try:
            async with self._client.session().request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                # a redirect could lead the handler's headers to another server
                allow_redirects=False,
            ) as response:
                body = await self._read(response)
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolFailed(self._unreachable(request, error)) from error
        if not 200 <= status < 300:  # noqa: PLR2004 - HTTP statuses
            text = body[:_MAX_ERROR_BYTES].decode(errors="replace")
            raise ToolFailed(f'handler "{self.name}" answered HTTP {status}: {text}')
        return ToolResult(_as_json(body))

    async def _read(self, response: "aiohttp.ClientResponse") -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > MAX_RESPONSE_BYTES:
                response.close()
                raise ToolFailed(
                    f'handler "{self.name}" answered more than {MAX_RESPONSE_BYTES >> 20} MiB'
                )
            parts.append(part)
        return b"".join(parts)

    def _unreachable(self, request: HTTPCall, error: Exception) -> str:
        where = request.url.partition("?")[0]
        return f'handler "{self.name}" cannot be reached at {where}: {type(error).__name__}'


def _as_json(body: bytes) -> str:
    """Return a JSON body as it is, any other wrapped."""
    text = body.decode(errors="replace")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.dumps({"result": text}).decode()
    return text
