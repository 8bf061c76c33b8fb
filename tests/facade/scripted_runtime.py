"""A real gRPC server that answers by script: the first word of a message says what happens."""

# ruff: noqa: ARG002, N802 - the methods are those of the generated servicer

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc import aio

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_core.wire.runtime.v1 import runtime_pb2_grpc as pb_grpc

LIMIT = 10.0
Requests = AsyncIterator[pb.ClientMessage]


def chunk(text: str) -> pb.ServerMessage:
    return pb.ServerMessage(chunk=pb.Chunk(content=text))


def done(text: str, reason: str = "stop") -> pb.ServerMessage:
    usage = pb.Usage(input_tokens=3, output_tokens=2, cost_usd=0.0008)
    return pb.ServerMessage(
        done=pb.Done(final_content=text, usage=usage, finish_reason=reason),
    )


@dataclass
class ScriptedRuntime(pb_grpc.RuntimeServiceServicer):
    """The servicer, its switches, and what it saw."""

    hello: bool = True
    one_turn_per_stream: bool = False
    knows_cancel: bool = True
    resume: "pb.ResumeState | None" = None
    healthy: bool = True
    output_json: str = "{}"
    with_usage: bool = True
    hold: asyncio.Event | None = None
    invoke_status: grpc.StatusCode | None = None

    received: list[pb.ClientMessage] = field(default_factory=list)
    invoked: list[pb.InvocationRequest] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    invoked_with: list[dict[str, Any]] = field(default_factory=list)
    chunks_sent: int = 0
    stream_over: asyncio.Event = field(default_factory=asyncio.Event)
    turn_began: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def streams(self) -> int:
        return len(self.metadata)

    async def Converse(
        self, request_iterator: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        context.add_done_callback(lambda _: self.stream_over.set())
        self.metadata.append(dict(context.invocation_metadata()))
        if self.hello:
            yield pb.ServerMessage(runtime_hello=pb.RuntimeHello(capabilities=["client_tools"]))
        async for request in request_iterator:
            self.received.append(request)
            self.turn_began.set()
            async for message in self._turn(request, request_iterator, context):
                yield message
            if self.one_turn_per_stream:
                return

    async def _turn(  # noqa: C901 - a table of scripts
        self, request: pb.ClientMessage, requests: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        word, _, rest = request.content.partition(" ")
        match word:
            case "fail":
                yield pb.ServerMessage(error=pb.Error(code="PROVIDER_ERROR", message="no model"))
            case "die":
                yield chunk("part")
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            case "crash":
                await context.abort(grpc.StatusCode.INTERNAL, "a secret detail")
            case "vanish":
                yield chunk("part")
                self.one_turn_per_stream = True
            case "slow":
                async for message in self._slow(requests):
                    yield message
            case "flood":
                async for message in self._flood(int(rest)):
                    yield message
            case "ask":
                async for message in self._ask(requests):
                    yield message
            case "tools":
                yield pb.ServerMessage(
                    tool_call=pb.ToolCall(id="s1", name="look", arguments_json='{"a":1}')
                )
                yield pb.ServerMessage(tool_result=pb.ToolResult(id="s1", result_json='{"b":2}'))
                yield done("looked")
            case _:
                yield chunk("you said ")
                yield chunk(request.content)
                yield done(f"you said {request.content}")

    async def _slow(self, requests: Requests) -> AsyncIterator[pb.ServerMessage]:
        yield chunk("so ")
        yield chunk("far")
        async for request in requests:
            self.received.append(request)
            if request.cancel and self.knows_cancel:
                yield done("so far", "cancelled")
                return

    async def _flood(self, count: int) -> AsyncIterator[pb.ServerMessage]:
        for _ in range(count):
            yield chunk("x" * 1024)
            self.chunks_sent += 1
        yield done("")

    async def _ask(self, requests: Requests) -> AsyncIterator[pb.ServerMessage]:
        call = pb.ToolCall(
            id="c1",
            name="locate",
            arguments_json="{}",
            execution=pb.TOOL_EXECUTION_CLIENT,
            consent_message="May I?",
            categories=["location"],
        )
        yield pb.ServerMessage(tool_call=call)
        async for request in requests:
            self.received.append(request)
            if request.cancel:
                yield done("", "cancelled")
                return
            result = request.client_tool_result
            yield done(result.rejection_reason if result.is_rejected else result.result_json)
            return

    async def Invoke(self, request: pb.InvocationRequest, context: Any) -> pb.InvocationResponse:
        self.invoked.append(request)
        self.invoked_with.append(dict(context.invocation_metadata()))
        self.turn_began.set()
        if self.hold:
            await self.hold.wait()
        if self.invoke_status:
            await context.abort(self.invoke_status, "a secret detail")
        usage = pb.Usage(input_tokens=41, output_tokens=12, cost_usd=0.0008)
        return pb.InvocationResponse(
            output_json=self.output_json, usage=usage if self.with_usage else None
        )

    async def Health(self, request: pb.HealthRequest, context: Any) -> pb.HealthResponse:
        return pb.HealthResponse(healthy=self.healthy, status="ok" if self.healthy else "no pack")

    async def HasConversation(
        self, request: pb.HasConversationRequest, context: Any
    ) -> pb.HasConversationResponse:
        if self.resume is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")
        return pb.HasConversationResponse(state=self.resume)


@contextlib.asynccontextmanager
async def serving(runtime: ScriptedRuntime, port: int = 0) -> AsyncIterator[int]:
    """Serve on a port of the loopback address, and end abruptly."""
    server = aio.server()
    pb_grpc.add_RuntimeServiceServicer_to_server(runtime, server)  # type: ignore[no-untyped-call]
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)
