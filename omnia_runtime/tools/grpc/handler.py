"""Tools behind a server that implements `omnia.tools.v1`."""

import asyncio
import random
from collections.abc import Callable, Mapping

import grpc.aio

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import GRPCRetryPolicy, ToolHandler
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.telemetry.tracing import trace_headers
from omnia_core.units import Duration
from omnia_core.wire.tools.v1 import tools_pb2
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolFailed
from omnia_runtime.tools.credentials import no_headers
from omnia_runtime.tools.grpc import mapping
from omnia_runtime.tools.grpc.connection import GRPCToolConnection
from omnia_runtime.tools.identity import call_metadata
from omnia_runtime.tools.polling import PolledSource, PollResult
from omnia_runtime.tools.retry import RECONNECT, Backoff

POLL_SECONDS = 60.0


class GRPCSource(PolledSource):
    """One server. A handler with a `tool` offers this tool, one without it all that are listed."""

    def __init__(
        self,
        handler: ToolHandler,
        headers: Callable[[], Mapping[str, str]] = no_headers,
        interval: float = POLL_SECONDS,
        away: Backoff = RECONNECT,
    ) -> None:
        """Read the configuration; nothing is connected yet.

        Args:
            handler: a handler of type grpc.
            headers: returns the call metadata with the credential; called for each call.
            interval: seconds between two questions for the tools.
            away: the waits instead, while the server does not answer.

        Raises:
            ValueError: the handler is invalid; the message says why.
        """
        config = handler.grpc_config
        if config is None or not config.endpoint:
            raise ValueError("a handler of type grpc needs grpcConfig with an endpoint")
        super().__init__(handler, interval, away)
        self._tool, self._registry = handler.tool, handler.registry
        if self._tool:
            tool = self._tool
            self._specs = [ToolSpec(tool.name, tool.description, tool.input_schema)]
        policy = config.retry_policy or GRPCRetryPolicy()
        self._attempts = policy.max_attempts
        self._codes = mapping.retried_codes(policy)
        self._waits = Backoff(
            Duration.parse(policy.initial_backoff).seconds,
            Duration.parse(policy.max_backoff).seconds,
            policy.backoff_multiplier,
        )
        self._headers = headers
        self._connection = GRPCToolConnection(config)

    async def close(self) -> None:
        await super().close()
        await self._connection.close()

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        request = tools_pb2.ToolRequest(
            tool_name=tool,
            arguments_json=json_bytes(arguments).decode(),
            metadata=call_metadata(tool, self._registry, context),
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._execute(request, deadline - loop.time())
            except grpc.aio.AioRpcError as error:
                wait = self._waits.wait(attempt, random.random())  # noqa: S311 - not a secret
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
            # Not this call was cancelled: its channel was closed.
            raise ToolFailed(f'handler "{self.name}" was removed during the call') from None
        except (OSError, grpc.aio.UsageError) as error:
            message = f'handler "{self.name}" {_unusable(error)}'
            raise ToolFailed(message, server_fault=True) from error

    async def _poll(self) -> PollResult:
        await self._connection.retire(self.timeout)
        try:
            answer = await self._connection.calls().list_tools(
                tools_pb2.ListToolsRequest(), timeout=self.timeout, metadata=self._metadata()
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED and self._tool:
                # A server that cannot list its tools is assumed to have the handler's.
                return PollResult()
            problem = mapping.problem_of(error.code(), error.details() or "", self.timeout)
            return PollResult(problem=problem, answered=False)
        except ToolFailed as error:
            # The credential is missing: its Secret may be created later.
            return PollResult(problem=str(error), answered=False)
        except Exception as error:  # noqa: BLE001 - nothing may end the polling
            return PollResult(problem=_unusable(error), answered=False)
        specs, problem = mapping.specs_of(answer.tools)
        if self._tool is None:
            return PollResult(specs, problem)
        if self._tool.name not in {tool.name for tool in answer.tools}:
            names = ", ".join(sorted(spec.name for spec in specs)[:20]) or "none"
            problem = f'has no tool "{self._tool.name}" (it has: {names}): correct tool.name'
        return PollResult(problem=problem)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        headers = {**self._headers(), **trace_headers()}
        return tuple((name.lower(), value) for name, value in headers.items())


def _unusable(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"has a TLS file that cannot be read: {error.filename} ({error.strerror})"
    return "has no usable channel: check its address and the files of its tls"
