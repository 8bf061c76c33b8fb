"""Tools behind a server that speaks `omnia.tools.v1`."""

import asyncio
import random
from collections.abc import Callable, Mapping

import grpc.aio
import orjson
import structlog

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import GRPCRetryPolicy, ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_core.telemetry.tracing import trace_headers
from omnia_core.units import Duration
from omnia_core.wire.tools.v1 import tools_pb2
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, Changed, ToolFailed
from omnia_runtime.tools.backoff import RECONNECT, Backoff
from omnia_runtime.tools.grpc import mapping
from omnia_runtime.tools.grpc.connection import Connection

ASK_SECONDS = 60.0

_log = structlog.get_logger()


def no_headers() -> Mapping[str, str]:
    """Return what a server without auth is shown."""
    return {}


class GRPCSource:
    """One server. With a `tool` the handler has that one tool, without it all that are listed."""

    def __init__(
        self,
        handler: ToolHandler,
        headers: Callable[[], Mapping[str, str]] = no_headers,
        interval: float = ASK_SECONDS,
        away: Backoff = RECONNECT,
    ) -> None:
        """Take the configuration; nothing is connected yet.

        Args:
            handler: a handler of type grpc.
            headers: makes the call metadata that prove who calls; asked for each call.
            interval: seconds from one question for the tools to the next.
            away: the waits instead, while the server does not answer.

        Raises:
            ValueError: says what the handler lacks.
        """
        config = handler.grpc_config
        if config is None or not config.endpoint:
            raise ValueError("a handler of type grpc needs grpcConfig with an endpoint")
        self.name = handler.name
        self.timeout = Duration.parse(handler.timeout).seconds
        self.problem = ""
        self._own = handler.tool
        self._specs = [ToolSpec(t.name, t.description, t.input_schema) for t in [handler.tool] if t]
        policy = config.retry_policy or GRPCRetryPolicy()
        self._attempts = policy.max_attempts
        self._codes = mapping.retried_codes(policy)
        self._waits = Backoff(
            Duration.parse(policy.initial_backoff).seconds,
            Duration.parse(policy.max_backoff).seconds,
            policy.backoff_multiplier,
        )
        self._headers, self._interval, self._away = headers, interval, away
        self._connection = Connection(config)
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
        await self._connection.close()

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        request = tools_pb2.ToolRequest(
            tool_name=tool,
            arguments_json=orjson.dumps(arguments).decode(),
            metadata=mapping.call_metadata(tool, context),
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._execute(request, deadline - loop.time())
            except grpc.aio.AioRpcError as error:
                wait = self._waits.wait(attempt, random.random())  # noqa: S311 - no secret
                late = loop.time() + wait >= deadline
                last = attempt == self._attempts or late
                if last or not mapping.is_worth_retrying(error, self._codes):
                    raise mapping.error_of(self.name, error, self.timeout) from None
            await asyncio.sleep(wait)
        raise AssertionError

    async def _execute(self, request: tools_pb2.ToolRequest, seconds: float) -> ToolResult:
        try:
            execute = self._connection.calls().execute
            return mapping.result_of(
                await execute(request, timeout=seconds, metadata=self._metadata())
            )
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            # it is not this call that was given up, but its channel
            raise ToolFailed(f'handler "{self.name}" was removed during the call') from None
        except (OSError, grpc.aio.UsageError) as error:
            said = f'handler "{self.name}" {_unusable(error)}'
            raise ToolFailed(said, server_fault=True) from error

    async def _keep_asking(self, changed: Changed) -> None:
        failures = 0
        while True:
            specs, problem, answered = await self._ask()
            failures = 0 if answered else failures + 1
            self._tell(problem)
            if specs is not None and specs != self._specs:
                self._specs = specs
                changed()
            self._asked.set()
            wait = self._away.wait(failures, random.random()) if failures else self._interval  # noqa: S311 - no secret
            await asyncio.sleep(wait)
            await self._connection.retire(self.timeout)

    async def _ask(self) -> tuple[list[ToolSpec] | None, str, bool]:
        """Return the tools as far as they are known, what is wrong, and whether one answered."""
        try:
            answer = await self._connection.calls().list_tools(
                tools_pb2.ListToolsRequest(), timeout=self.timeout, metadata=self._metadata()
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED and self._own:
                # one that cannot list its tools is believed to have the handler's
                return None, "", True
            said = mapping.said_of(error.code(), error.details() or "", self.timeout)
            return None, said, False
        except ToolFailed as error:
            # the credential is not there, yet
            return None, str(error), False
        except Exception as error:  # noqa: BLE001 - nothing may end the asking
            return None, _unusable(error), False
        specs, problem = mapping.specs_of(answer.tools)
        if self._own is None:
            return specs, problem, True
        if self._own.name not in {each.name for each in answer.tools}:
            has = ", ".join(sorted(each.name for each in specs)[:20]) or "none"
            problem = f'has no tool "{self._own.name}" (it has: {has}): correct tool.name'
        return None, problem, True

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("gRPC tool server", handler=self.name, problem=problem)
        elif self.problem and not problem:
            _log.info("gRPC tool server is well again", handler=self.name)
        self.problem = problem

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        headers = {**self._headers(), **trace_headers()}
        return tuple((name.lower(), value) for name, value in headers.items())


def _unusable(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"has a TLS file that cannot be read: {error.filename} ({error.strerror})"
    return "has no usable channel: check its address and the files of its tls"
