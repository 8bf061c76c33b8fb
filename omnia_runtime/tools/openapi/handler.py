"""Tools that are the operations of an OpenAPI document."""

import asyncio
import random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from omnia_core.conversation.tools import ToolResult
from omnia_core.errors import ConfigurationError
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_core.units import Duration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, Changed, ToolFailed
from omnia_runtime.tools.backoff import RECONNECT, Backoff
from omnia_runtime.tools.credentials import Credential, CredentialUnusable
from omnia_runtime.tools.http.exchange import Exchange
from omnia_runtime.tools.http.result import Reading
from omnia_runtime.tools.openapi.call import openapi_call
from omnia_runtime.tools.openapi.document import DocumentMissing, fetch_document

if TYPE_CHECKING:
    from omnia_core.openapi import Api, Operation

ASK_SECONDS = 300.0

_log = structlog.get_logger()


class OpenAPISource:
    """One document. It is fetched again and again; the last good one stays in use."""

    def __init__(
        self,
        handler: ToolHandler,
        credential: Credential,
        client: HTTPClient,
        interval: float = ASK_SECONDS,
        away: Backoff = RECONNECT,
    ) -> None:
        """Take the configuration; nothing is fetched yet.

        Args:
            handler: a handler of type openapi.
            credential: for the document and for the calls.
            client: for both.
            interval: seconds from one fetch to the next.
            away: the waits instead, while there is no document.

        Raises:
            ValueError: says what the handler lacks.
        """
        config = handler.openapi_config
        if config is None:
            raise ValueError("a handler of type openapi needs openAPIConfig")
        for url in (config.spec_url, config.base_url or config.spec_url):
            if urlsplit(url).scheme not in ("http", "https"):
                raise ValueError("openAPIConfig needs http or https URLs")
        self.name = handler.name
        self.timeout = Duration.parse(handler.timeout).seconds
        self.problem = ""
        self._config = config
        self._credential = credential
        self._client = client
        self._interval, self._away = interval, away
        self._exchange = Exchange(handler.name, client, config.retry_policy, self.timeout)
        self._reading = Reading(handler.name)
        self._text: str | None = None
        self._remarks = ""
        self._operations: dict[str, Operation] = {}
        self._specs: list[ToolSpec] = []
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def specs(self) -> list[ToolSpec]:
        return list(self._specs)

    def start(self, changed: Changed) -> None:
        self._task = asyncio.create_task(self._keep_asking(changed), name=f"tools of {self.name}")

    async def settled(self) -> None:
        await self._asked.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._asked.set()

    async def call(
        self,
        tool: str,
        arguments: JsonObject,
        context: CallContext,  # noqa: ARG002 - nothing of the turn is forwarded
    ) -> ToolResult:
        operation = self._operations.get(tool)
        if operation is None:
            raise ToolFailed(f'handler "{self.name}" has no operation "{tool}" any more')
        request = openapi_call(operation, arguments, self._config.headers, self._credential)
        return self._reading.result(await self._exchange.send(request))

    async def _keep_asking(self, changed: Changed) -> None:
        failures = 0
        while True:
            problem = await self._ask(changed)
            failures = failures + 1 if problem else 0
            self._tell(problem or self._remarks)
            self._asked.set()
            wait = self._away.wait(failures, random.random()) if failures else self._interval  # noqa: S311 - no secret
            await asyncio.sleep(wait)

    async def _ask(self, changed: Changed) -> str:
        """Fetch the document and use it; return why there is none."""
        try:
            async with asyncio.timeout(self.timeout):
                text = await fetch_document(self._config, self._client, self._credential)
            if text != self._text:
                await self._read(text, changed)
        except TimeoutError:
            return f"the document did not come in {self.timeout:g} s"
        except (DocumentMissing, CredentialUnusable) as error:
            return str(error)
        except ConfigurationError as error:
            return error.message
        except Exception:  # noqa: BLE001 - an error of ours must not end the asking
            _log.exception("OpenAPI document", handler=self.name)
            return "the document cannot be read"
        return ""

    async def _read(self, text: str, changed: Changed) -> None:
        # 15 MB that an agent without OpenAPI documents does not need
        from omnia_core.openapi import read_api  # noqa: PLC0415 - as above

        config = self._config
        api = await asyncio.to_thread(
            read_api, text, config.spec_url, only=config.operation_filter, base=config.base_url
        )
        self._text = text
        self._use(api, changed)

    def _use(self, api: "Api", changed: Changed) -> None:
        operations = {
            each.name: each
            for each in api.operations
            if urlsplit(each.base_url).scheme in ("http", "https")
        }
        said = [f"{each.operation}: {each.reason}" for each in api.omitted]
        said += [
            f"{each.operation_id or each.name}: its server is no http or https URL: set baseURL"
            for each in api.operations
            if each.name not in operations
        ]
        if not api.operations and not said:
            said = ["the document has no operations: add some"]
        self._remarks = "; ".join(said)
        specs = [ToolSpec(e.name, e.description, e.input_schema) for e in operations.values()]
        self._operations = operations
        if specs != self._specs:
            self._specs = specs
            changed()

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("OpenAPI document", handler=self.name, problem=problem)
        elif self.problem and not problem:
            _log.info("OpenAPI document is well again", handler=self.name)
        self.problem = problem
