"""A facade with its page, in a thread of this process; what is behind it is scripted."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from omnia_core.names import Handler
from omnia_core.units import Duration
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.event_loop import TestLoop
from tests.facade.conftest import Running, running
from tests.facade.scripted_runtime import LIMIT, Requests, ScriptedRuntime, chunk, serving

MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
# One red pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
    "gg=="
)


class PageRuntime(ScriptedRuntime):
    """Says what a page must be able to bear, too."""

    async def _turn(
        self, request: pb.ClientMessage, requests: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        match request.content:
            case "markup":
                yield pb.ServerMessage(
                    tool_call=pb.ToolCall(id="m", name=MARKUP, arguments_json='{"a":"<b>"}')
                )
                yield pb.ServerMessage(
                    tool_result=pb.ToolResult(id="m", result_json=f'"{MARKUP[:8]}"')
                )
                yield chunk(f"{MARKUP}\n```html\n{MARKUP}\n```\n**{MARKUP}** `{MARKUP}`")
                yield pb.ServerMessage(done=pb.Done(finish_reason="stop"))
            case "name":
                yield pb.ServerMessage(
                    done=pb.Done(
                        final_content="Yes.",
                        finish_reason="stop",
                        session_name=f"Lost {MARKUP}",
                        pack_version="2.0.0",
                    )
                )
            case "think":
                while not (await anext(requests)).cancel:
                    pass
                yield pb.ServerMessage(done=pb.Done(finish_reason="cancelled"))
            case "picture":
                inline = pb.MediaContent(data=PNG, mime_type="image/png")
                far = pb.MediaContent(url="https://pictures.example/1.png", mime_type="image/png")
                bad = pb.MediaContent(url="javascript:alert(1)", mime_type="image/png")
                parts = [pb.ContentPart(type="image", media=each) for each in (inline, far, bad)]
                yield pb.ServerMessage(
                    done=pb.Done(final_content="Here.", parts=parts, finish_reason="stop")
                )
            case _:
                async for message in super()._turn(request, requests, context):
                    yield message


class Served:
    """A running facade, its runtime, and the way to it."""

    def __init__(
        self, facade: Running, runtime: ScriptedRuntime, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.page = f"{facade.http}/"
        self.runtime = runtime
        self._facade = facade
        self._loop = loop

    def do(self, work: Callable[[], object]) -> None:
        """Do something in the thread in which it runs."""
        self._loop.call_soon_threadsafe(work)

    def stop(self) -> None:
        """Shut down, as SIGTERM has it."""
        self.do(self._facade.stop.set)


@contextlib.contextmanager
def served(runtime: ScriptedRuntime, **settings: Any) -> Iterator[Served]:
    """Serve the runtime and a facade with a page before it."""
    began = threading.Event()
    found: list[Served] = []
    usual = {"console": True, "handler_mode": Handler.RUNTIME, "agent_name": "guide"}
    given = {**usual, "drain_timeout": Duration(1000), **settings}

    async def run() -> None:
        async with (
            serving(runtime) as port,
            running(runtime_address=f"127.0.0.1:{port}", **given) as facade,
        ):
            found.append(Served(facade, runtime, asyncio.get_running_loop()))
            began.set()
            await facade.stop.wait()

    def serve() -> None:
        with asyncio.Runner(loop_factory=TestLoop) as runner:
            runner.run(run())

    thread = threading.Thread(target=serve)
    thread.start()
    assert began.wait(LIMIT), "the facade does not serve"
    try:
        yield found[0]
    finally:
        found[0].stop()
        thread.join(LIMIT)
