# ruff: noqa: ARG002
"""The agent that the conformance kit of A2A asks for: `make serve-tck`.

The kit (github.com/a2aproject/a2a-tck, branch 1.0-dev) is on no registry. It tells the agent what
to do by the beginning of a messageId. Everything but the answers is the facade's own: the door, the
kernel and the HTTP server. Run the kit in its own checkout:

    python run_tck.py --sut-host http://localhost:PORT --transport jsonrpc,http_json
"""

import asyncio
import contextlib
import sys
from base64 import b64encode
from typing import Any

import orjson
from msgspec.structs import replace

from omnia_core.conversation.listener import TurnListener
from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.env import FacadeEnv
from omnia_core.http.hosts import HostRule
from omnia_core.http.received import ReceiveBudget
from omnia_core.names import Handler
from omnia_core.telemetry.program import program_registry
from omnia_facade.app import _open_context
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import (
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    ToolCallEvent,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import (
    BackendConnection,
    Cancellation,
    Forked,
    NewId,
    Probed,
    Reading,
    Resume,
)
from omnia_facade.doors.a2a.door import A2aDoor
from omnia_facade.doors.a2a.door import open_door as open_a2a
from omnia_facade.doors.cors import OriginRule
from omnia_facade.doors.errors import DoorFailed
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.opening import open_kernel
from omnia_facade.doors.port import Answer, DoorRequest, Reply
from omnia_facade.doors.registry import DOORS
from omnia_facade.http.doors import DoorRoute
from omnia_facade.http.forward import Forwarder
from omnia_facade.http.server import HttpServer
from omnia_facade.rollout.files import RolloutFiles
from omnia_facade.timings import USUAL

MESSAGE_ID = "tck-message-id"
# Twice the time-out of the kit's streams, so that it can subscribe meanwhile.
LONG_SECONDS = 4.0
FILE = Media("text/plain", data=b64encode(b"tck").decode(), filename="output.txt")
LINK = Media("text/plain", url="https://example.com/output.txt", filename="output.txt")
DATA = Media("application/json", data=b64encode(b'{"key":"value","count":42}').decode())
# The longest prefix comes first.
ARTIFACTS: tuple[tuple[str, Done], ...] = (
    ("tck-artifact-file-url", Done("", parts=(Part("document", media=LINK),))),
    ("tck-artifact-file", Done("", parts=(Part("document", media=FILE),))),
    ("tck-artifact-data", Done("", parts=(Part("document", media=DATA),))),
    ("tck-artifact-text", Done("Generated text content")),
    ("tck-stream-artifact-file", Done("", parts=(Part("document", media=FILE),))),
    ("tck-reject", Done("This task is rejected.", finish_reason="refusal")),
)
DIRECT = "tck-message-response"


class ScriptedConnection:
    """Answers one message as its id says."""

    def __init__(self) -> None:
        self._answered = asyncio.Event()
        self._cancelled = asyncio.Event()

    variant = "stable"

    async def turn(self, request: TurnRequest, listener: TurnListener[TurnEvent]) -> Done | Failed:
        name = request.metadata.get(MESSAGE_ID, "")
        if name.startswith("tck-input-required"):
            call = ToolCall("call-1", "ask", '{"question":"Which one?"}')
            await listener.send_event(ToolCallEvent(call, by_client=True))
            await self._answered.wait()
            return Done("Thank you.")
        if name.startswith("test-resubscribe"):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONG_SECONDS):
                    await self._cancelled.wait()
                    return Done("", finish_reason="cancelled")
        for prefix, done in ARTIFACTS:
            if name.startswith(prefix):
                return done
        for piece in ("Hello ", "from ", "TCK"):
            listener.send_text(piece)
            await asyncio.sleep(0.01)
        return Done("Hello from TCK")

    def send_tool_result(self, result: ClientToolResult) -> None:
        self._answered.set()

    def cancel(self) -> None:
        self._cancelled.set()
        self._answered.set()

    async def probe(self, session_id: str) -> Probed:
        return Probed(Resume.NOT_FOUND)

    async def call(
        self, request: CallRequest, audio: AudioQueue, listener: TurnListener[TurnEvent]
    ) -> Done | Failed:
        return Failed("DUPLEX_UNSUPPORTED", "there are no calls")

    def hang_up(self) -> None: ...

    def close(self) -> None: ...


class ScriptedBackend:
    """Knows every session."""

    async def probe(self, session_id: str, principal: Principal) -> Resume:
        return Resume.RESUMABLE

    async def capabilities(self) -> frozenset[str]:
        return frozenset()

    async def cancel_turn(self, session_id: str, principal: Principal) -> Cancellation:
        return Cancellation.NOT_RUNNING

    async def read(self, session_id: str, principal: Principal, last_turns: int) -> Reading:
        raise NotImplementedError

    async def fork(
        self, session_id: str, principal: Principal, after_turn: int, new_id: NewId
    ) -> Forked:
        raise NotImplementedError

    def begin(self, session_id: str, principal: Principal) -> BackendConnection:
        return ScriptedConnection()


class ScriptedDoor:
    """The A2A door, which tells the script the id of the message in its metadata.

    An agent of Omnia answers with a task always. The kit wants to see the other form too: it is
    written here, and is not the product's.
    """

    def __init__(self, door: A2aDoor) -> None:
        self._door = door

    def refusal(self, failed: DoorFailed, request: DoorRequest) -> Reply:
        return self._door.refusal(failed, request)

    async def answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            body = orjson.loads(request.body)
            message = (body.get("params") or body).get("message")
            name = message.get("messageId") or message.get("message_id")
            if name.startswith(DIRECT):
                return direct_answer(body, message, streams="tream" in request.body.decode())
            message["metadata"] = {**(message.get("metadata") or {}), MESSAGE_ID: name}
            exchange.request = replace(request, body=orjson.dumps(body))
        return await self._door.answer(exchange)


def direct_answer(body: dict[str, Any], message: dict[str, Any], *, streams: bool) -> Reply:
    answer = {
        "messageId": "answer-1",
        "contextId": message.get("contextId") or "context-1",
        "role": "ROLE_AGENT",
        "parts": [{"text": "Direct message response"}],
    }
    result: dict[str, Any] = {"message": answer}
    if "jsonrpc" in body:
        result = {"jsonrpc": "2.0", "id": body.get("id"), "result": result}
    data = orjson.dumps(result)
    if streams:
        events = {"Content-Type": "text/event-stream"}
        return Reply(body=b"data: " + data + b"\n\n", headers=events)
    return Reply(body=data, headers={"Content-Type": "application/json"})


def open_door(kernel: Kernel) -> ScriptedDoor:
    return ScriptedDoor(open_a2a(kernel))


async def serve(port: int = 0) -> None:
    """Serve until the task is cancelled; print the address."""
    env = FacadeEnv(
        agent_name="tck",
        handler_mode=Handler.ECHO,
        allow_unauthenticated=True,
        bind_address="127.0.0.1",
        doors=("a2a",),
    )
    async with contextlib.AsyncExitStack() as stack:
        rollout = RolloutFiles(env.rollout_path)
        context = _open_context(env, USUAL, program_registry("facade"), stack, rollout)
        (entry,) = (entry for entry in DOORS if entry.name == "a2a")
        scripted = replace(entry, module=__name__ if __name__ != "__main__" else MODULE)
        kernel = open_kernel(context, ScriptedBackend(), None, None)
        authenticator = Authenticator((), allow_unauthenticated=True)
        forwarder = Forwarder()
        stack.push_async_callback(forwarder.close)
        route = DoorRoute(scripted, kernel, authenticator, OriginRule((), local=True), forwarder)
        hosts = HostRule("127.0.0.1", ())
        server = HttpServer([route], authenticator, context.metrics.rejected, hosts)
        runner = server.runner(1.0, USUAL, ReceiveBudget())
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        assert runner.server is not None
        listening = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", port)
        number = listening.sockets[0].getsockname()[1]
        print(f"http://localhost:{number}", flush=True)  # noqa: T201 - for the person who runs it
        await listening.serve_forever()


MODULE = "tests.facade.doors.tck"

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
