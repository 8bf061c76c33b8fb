"""A real gRPC server that answers by script: the first word of a message says what happens."""

# ruff: noqa: ARG002, N802 - the methods are those of the generated servicer

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from grpc import aio

from omnia_core.conversation.budget import spent_message
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_core.wire.runtime.v1 import runtime_pb2_grpc as pb_grpc

LIMIT = 100.0
Requests = AsyncIterator[pb.ClientMessage]


def chunk(text: str) -> pb.ServerMessage:
    return pb.ServerMessage(chunk=pb.Chunk(content=text))


def done(text: str, reason: str = "stop") -> pb.ServerMessage:
    usage = pb.Usage(input_tokens=3, output_tokens=2, cost_usd=0.0008)
    return pb.ServerMessage(
        done=pb.Done(final_content=text, usage=usage, finish_reason=reason),
    )


def spoken(data: bytes, sequence: int, *, is_last: bool = False) -> pb.ServerMessage:
    chunk = pb.MediaChunk(
        media_id="voice", sequence=sequence, is_last=is_last, mime_type="audio/pcm", data=data
    )
    return pb.ServerMessage(media_chunk=chunk)


ASK = pb.ToolCall(
    id="c1",
    name="locate",
    arguments_json="{}",
    execution=pb.TOOL_EXECUTION_CLIENT,
    consent_message="May I?",
    categories=["location"],
    output_schema_json='{"type":"object"}',
)

# One answer of a call, cut short by the user.
TALK = (
    pb.ServerMessage(chunk=pb.Chunk(content="what is", role="user")),
    chunk("It is "),
    spoken(b"hello", 0),
    pb.ServerMessage(interruption=pb.Interruption()),
    done("It is "),
)


@dataclass
class ScriptedRuntime(pb_grpc.RuntimeServiceServicer):
    """The servicer, its switches, and what it saw."""

    hello: bool = True
    audio: bool = False
    offer: "pb.MediaNegotiation | None" = None
    call_script: str = "echo"
    one_turn_per_stream: bool = False
    knows_cancel: bool = True
    resume: "pb.ResumeState | None" = None
    session_name: str = ""
    cancel_state: "pb.CancelState | None" = None
    name_state: "pb.ResumeState | None" = None
    conversation: "pb.ReadConversationResponse | None" = None
    described: "pb.DescribeAgentResponse | None" = None
    composed: "pb.ComposePromptResponse | None" = None
    fork: "pb.ForkConversationResponse | None" = None
    healthy: bool = True
    can: tuple[str, ...] = ()
    output_json: str = "{}"
    with_usage: bool = True
    hold: asyncio.Event | None = None
    invoke_status: grpc.StatusCode | None = None

    received: list[pb.ClientMessage] = field(default_factory=list)
    invoked: list[pb.InvocationRequest] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    invoked_with: list[dict[str, Any]] = field(default_factory=list)
    turns_cancelled: list[str] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)
    read: list[tuple[str, int]] = field(default_factory=list)
    read_with: list[dict[str, Any]] = field(default_factory=list)
    composed_with: list[tuple[dict[str, str], str]] = field(default_factory=list)
    forked: list[pb.ForkConversationRequest] = field(default_factory=list)
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
            capabilities = ["client_tools", *(["duplex_audio"] if self.audio else [])]
            hello = pb.RuntimeHello(capabilities=capabilities, media=self.offer)
            yield pb.ServerMessage(runtime_hello=hello)
        async for request in request_iterator:
            self.received.append(request)
            self.turn_began.set()
            if request.HasField("duplex_start"):
                async for message in self._call(request_iterator, context):
                    yield message
                return
            async for message in self._turn(request, request_iterator, context):
                yield message
            if self.one_turn_per_stream:
                return

    async def _turn(  # noqa: C901, PLR0912 - a table of scripts
        self, request: pb.ClientMessage, requests: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        word, _, rest = request.content.partition(" ")
        match word:
            case "end":
                yield done("", rest)
            case "version":
                answer = done("")
                answer.done.pack_version = rest
                yield answer
            case "tried":
                yield chunk("other")
                failed = pb.Error(code="PROVIDER_ERROR", message="no model", trial=True)
                ended = pb.Done(final_content="other", trial=True)
                yield pb.ServerMessage(error=failed) if rest else pb.ServerMessage(done=ended)
            case "fail":
                yield pb.ServerMessage(error=pb.Error(code="PROVIDER_ERROR", message="no model"))
            case "busy":
                advice = pb.Advice(title="It is busy.", hint="Wait.", retryable=True, retry_after=7)
                busy = pb.Error(code="AGENT_UNAVAILABLE", message="busy", advice=advice)
                yield pb.ServerMessage(error=busy)
            case "spent":
                text = spent_message("day", 5, datetime.now(UTC) + timedelta(hours=1))
                yield pb.ServerMessage(error=pb.Error(code="BUDGET_EXCEEDED", message=text))
            case "die":
                yield chunk("part")
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            case "leave":
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
                async for message in self._flood(*map(int, rest.split())):
                    yield message
            case "ask":
                async for message in self._ask(requests):
                    yield message
            case "draw":
                yield spoken(b"\x00" * int(rest), 0, is_last=True)
                yield done("drawn")
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

    async def _call(  # noqa: C901, PLR0912 - a table of scripts
        self, requests: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        """Hold a call: say back what is heard, unless the script says otherwise."""
        match self.call_script:
            case "deaf":
                await asyncio.Event().wait()
            case "die":
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            case "leave":
                return
            case "refuse":
                yield pb.ServerMessage(error=pb.Error(code="DUPLEX_ERROR", message="no line"))
                return
            case "write":
                yield chunk("I can only write")
                await asyncio.Event().wait()
            case "talk":
                for message in TALK:
                    yield message
            case "flood":
                async for message in self._flood(1000, 1 << 20):
                    yield message
            case "ask":
                yield pb.ServerMessage(tool_call=ASK)
            case _:
                pass
        async for request in requests:
            self.received.append(request)
            if request.cancel:
                yield done("", "cancelled")
                return
            if request.HasField("client_tool_result"):
                yield chunk(request.client_tool_result.result_json)
                continue
            heard = request.audio_input
            if heard.data:
                yield spoken(heard.data, heard.sequence, is_last=heard.is_last)
            if heard.is_last and self.call_script != "linger":
                yield done("bye")
                return

    async def _slow(self, requests: Requests) -> AsyncIterator[pb.ServerMessage]:
        yield chunk("so ")
        yield chunk("far")
        async for request in requests:
            self.received.append(request)
            if request.cancel and self.knows_cancel:
                yield done("so far", "cancelled")
                return

    async def _flood(self, count: int, size: int = 1024) -> AsyncIterator[pb.ServerMessage]:
        for _ in range(count):
            yield chunk("x" * size)
            self.chunks_sent += 1
        yield done("")

    async def _ask(self, requests: Requests) -> AsyncIterator[pb.ServerMessage]:
        yield pb.ServerMessage(tool_call=ASK)
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
        status = "ok" if self.healthy else "no pack"
        return pb.HealthResponse(healthy=self.healthy, status=status, capabilities=self.can)

    async def HasConversation(
        self, request: pb.HasConversationRequest, context: Any
    ) -> pb.HasConversationResponse:
        if self.resume is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")
        return pb.HasConversationResponse(state=self.resume, session_name=self.session_name)

    async def CancelTurn(
        self, request: pb.CancelTurnRequest, context: Any
    ) -> pb.CancelTurnResponse:
        if self.cancel_state is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")
        self.turns_cancelled.append(request.session_id)
        return pb.CancelTurnResponse(state=self.cancel_state)

    async def NameConversation(
        self, request: pb.NameConversationRequest, context: Any
    ) -> pb.NameConversationResponse:
        if self.name_state is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")
        self.names.append((request.session_id, request.name))
        return pb.NameConversationResponse(state=self.name_state)

    async def ReadConversation(
        self, request: pb.ReadConversationRequest, context: Any
    ) -> pb.ReadConversationResponse:
        if self.conversation is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")
        self.read.append((request.session_id, request.last_turns))
        self.read_with.append(dict(context.invocation_metadata()))
        return self.conversation or pb.ReadConversationResponse()

    async def DescribeAgent(
        self, request: pb.DescribeAgentRequest, context: Any
    ) -> pb.DescribeAgentResponse:
        if self.described is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")
        return self.described or pb.DescribeAgentResponse()

    async def ComposePrompt(
        self, request: pb.ComposePromptRequest, context: Any
    ) -> pb.ComposePromptResponse:
        self.composed_with.append((dict(request.variables), request.version))
        if request.version == "unknown":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no such version")
        if self.composed is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")
        return self.composed or pb.ComposePromptResponse()

    async def ForkConversation(
        self, request: pb.ForkConversationRequest, context: Any
    ) -> pb.ForkConversationResponse:
        if self.fork is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")
        self.forked.append(request)
        return self.fork or pb.ForkConversationResponse()


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
