"""Tools behind a plain HTTP endpoint."""

from urllib.parse import urlsplit

from msgspec import structs

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.credentials import Credential
from omnia_runtime.tools.http.client import HTTPToolClient
from omnia_runtime.tools.http.expressions import check_expression
from omnia_runtime.tools.http.request import (
    WITHOUT_BODY,
    build_request,
    check_template,
    with_headers,
    without,
)
from omnia_runtime.tools.http.response import ResponseReader
from omnia_runtime.tools.identity import identity_headers


class HTTPSource:
    """One handler with one tool. The caller's token is not forwarded."""

    def __init__(self, handler: ToolHandler, credential: Credential, client: HTTPClient) -> None:
        """Read the configuration.

        Raises:
            ValueError: the handler is invalid; the message says why.
        """
        config, tool = handler.http_config, handler.tool
        if config is None or tool is None:
            raise ValueError("a handler of type http needs tool and httpConfig")
        if urlsplit(config.endpoint).scheme not in ("http", "https"):
            raise ValueError("httpConfig.endpoint must be an http or https URL")
        if config.body_mapping is not None and config.method.upper() in WITHOUT_BODY:
            raise ValueError("httpConfig.bodyMapping needs a method with a body, such as POST")
        if config.content_type.strip().lower().startswith("multipart/"):
            raise ValueError(
                "httpConfig.contentType cannot be multipart: tools send JSON, forms and text"
            )
        check_template(config.url_template)
        check_expression(config.body_mapping, "httpConfig.bodyMapping")
        check_expression(config.response_mapping, "httpConfig.responseMapping")
        self.name = handler.name
        self.timeout = Duration.parse(handler.timeout).seconds
        self._definition, self._registry = tool, handler.registry
        self._config = structs.replace(config, method=config.method.upper())
        self._reader = ResponseReader(
            handler.name, frozenset(config.redact), config.response_mapping
        )
        self._credential = credential
        self._calls = HTTPToolClient(
            handler.name, client, config.retry_policy, self.timeout, handler.authority
        )

    def specs(self) -> list[ToolSpec]:
        tool = self._definition
        return [ToolSpec(tool.name, tool.description, tool.input_schema)]

    async def call(
        self,
        tool: str,
        arguments: JsonObject,
        context: CallContext,
    ) -> ToolResult:
        request = build_request(self._config, arguments)
        if self._config.identity_headers:
            # What the handler or its arguments say about a header takes precedence.
            own = without(
                identity_headers(tool, self._registry, arguments, context), request.headers
            )
            request = with_headers(request, own)
        request = with_headers(request, self._credential.headers())
        return self._reader.result(await self._calls.send(request))
