"""Tools that are the operations of an OpenAPI document."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import structlog
from msgspec import structs

from omnia_core.conversation.tools import ToolResult
from omnia_core.errors import ConfigurationError
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolFailed, ToolRetry
from omnia_runtime.tools.credentials import Credential, CredentialUnusable
from omnia_runtime.tools.http.client import HTTPToolClient
from omnia_runtime.tools.http.request import HTTPToolRequest, with_headers, without
from omnia_runtime.tools.http.response import ResponseReader
from omnia_runtime.tools.openapi.document import DocumentUnavailable, fetch_document
from omnia_runtime.tools.polling import PolledSource, PollResult
from omnia_runtime.tools.retry import RECONNECT, Backoff

if TYPE_CHECKING:
    from omnia_core.openapi import Api, Operation

POLL_SECONDS = 300.0
# Some documents have a thousand operations that cannot be tools.
_MOST_REMARKS = 50

_log = structlog.get_logger()


class OpenAPISource(PolledSource):
    """One document. It is fetched at intervals; the last valid one stays in use."""

    def __init__(
        self,
        handler: ToolHandler,
        credential: Credential,
        client: HTTPClient,
        interval: float = POLL_SECONDS,
        away: Backoff = RECONNECT,
    ) -> None:
        """Read the configuration; nothing is fetched yet.

        Args:
            handler: a handler of type openapi.
            credential: for the document and for the calls.
            client: for both.
            interval: seconds between two fetches.
            away: the waits instead, while the document is not available.

        Raises:
            ValueError: the handler is invalid; the message says why.
        """
        config = handler.openapi_config
        if config is None:
            raise ValueError("a handler of type openapi needs openAPIConfig")
        own = config.document
        if own is not None and not own.text.strip():
            raise ValueError(f"{own.origin} is missing or empty: add it")
        needed = [config.spec_url] if own is None else []
        for url in (*needed, *filter(None, (config.base_url,))):
            if urlsplit(url).scheme not in ("http", "https"):
                raise ValueError("openAPIConfig needs http or https URLs")
        super().__init__(handler, interval, away)
        self._config = config
        self._credential = credential
        self._client = client
        self._calls = HTTPToolClient(
            handler.name, client, config.retry_policy, self.timeout, handler.authority
        )
        self._reader = ResponseReader(handler.name)
        self._digest = b""
        self._remarks = ""
        self._operations: dict[str, Operation] = {}

    async def call(
        self,
        tool: str,
        arguments: JsonObject,
        context: CallContext,  # noqa: ARG002 - nothing of the turn is forwarded
    ) -> ToolResult:
        operation = self._operations.get(tool)
        if operation is None:
            raise ToolFailed(f'handler "{self.name}" no longer has an operation "{tool}"')
        request = _request(operation, arguments, self._config.headers, self._credential)
        return self._reader.result(await self._calls.send(request))

    async def _poll(self) -> PollResult:
        try:
            async with asyncio.timeout(self.timeout):
                text = await self._text()
            # A document has megabytes: its digest is kept instead.
            digest = hashlib.sha256(text.encode()).digest()
            specs = await self._read(text, digest) if digest != self._digest else None
        except TimeoutError:
            return _failed(f"the document did not arrive in {self.timeout:g} s")
        except (DocumentUnavailable, CredentialUnusable) as error:
            return _failed(str(error))
        except ConfigurationError as error:
            return _failed(error.message)
        except Exception:  # noqa: BLE001 - a bug in reading must not end the polling
            _log.exception("reading the OpenAPI document failed", handler=self.name)
            return _failed("the document cannot be read")
        return PollResult(specs, self._remarks)

    async def _text(self) -> str:
        if self._config.document is not None:
            return self._config.document.text
        return await fetch_document(self._config, self._client, self._credential, self._calls.tls)

    async def _read(self, text: str, digest: bytes) -> list[ToolSpec]:
        # 15 MB that an agent without OpenAPI documents does not need.
        from omnia_core.openapi import read_api  # noqa: PLC0415 - as above

        config = self._config
        api = await asyncio.to_thread(
            read_api, text, config.spec_url, only=config.operation_filter, base=config.base_url
        )
        self._digest = digest
        return self._use(api)

    def _use(self, api: "Api") -> list[ToolSpec]:
        operations = {
            operation.name: operation
            for operation in api.operations
            if urlsplit(operation.base_url).scheme in ("http", "https")
        }
        remarks = [f"{omitted.operation}: {omitted.reason}" for omitted in api.omitted]
        remarks += [
            f"{operation.operation_id or operation.name}: its server is not an http or https URL:"
            " set baseURL"
            for operation in api.operations
            if operation.name not in operations
        ]
        if not api.operations and not remarks:
            remarks = ["the document has no operations: add some"]
        left = len(remarks) - _MOST_REMARKS
        more = [f"and {left} more"] if left > 0 else []
        self._remarks = "; ".join([*remarks[:_MOST_REMARKS], *more])
        self._operations = operations
        return [
            ToolSpec(operation.name, operation.description, operation.input_schema)
            for operation in operations.values()
        ]


def _failed(problem: str) -> PollResult:
    return PollResult(problem=problem, answered=False)


def _request(
    operation: "Operation",
    arguments: JsonObject,
    fixed: Mapping[str, str],
    credential: Credential,
) -> HTTPToolRequest:
    """Build the request. No argument can change a fixed header or the credential.

    Raises:
        ToolRetry: an argument does not fit its place in the request.
        CredentialUnusable: the key that the operation needs is missing.
    """
    from omnia_core.openapi import (  # noqa: PLC0415 - loaded with the first document
        ArgumentUnusable,
        ParameterLocation,
        build_request,
    )

    try:
        request = build_request(operation, arguments)
    except ArgumentUnusable as error:
        raise ToolRetry(str(error)) from error
    headers = {**without(request.headers, fixed), **fixed}
    call = HTTPToolRequest(request.method, request.url, headers, request.body)
    key, value = operation.key, credential.value()
    if key is None or not value:
        return with_headers(call, credential.headers())
    if key.place is ParameterLocation.HEADER:
        return with_headers(call, {key.name: value})
    if key.place is ParameterLocation.COOKIE:
        return with_headers(call, {"Cookie": _with_cookie(call.headers, key.name, value)})
    return structs.replace(call, url=_with_key(call.url, quote(key.name, safe=""), value))


def _with_cookie(headers: Mapping[str, str], name: str, value: str) -> str:
    """Return the `Cookie` header with the credential in place of a cookie of the same name."""
    given = next((text for key, text in headers.items() if key.lower() == "cookie"), "")
    cookies = [cookie.strip() for cookie in given.split(";")]
    others = [cookie for cookie in cookies if cookie and cookie.partition("=")[0] != name]
    return "; ".join([*others, f"{name}={value}"])


def _with_key(url: str, name: str, value: str) -> str:
    path, _, query = url.partition("?")
    pairs = [pair for pair in query.split("&") if pair and pair.partition("=")[0] != name]
    key = quote(value, safe="")
    return f"{path}?{'&'.join([*pairs, f'{name}={key}'])}"
