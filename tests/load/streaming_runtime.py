"""A runtime that counts, over our own transport: `python -m tests.load.streaming_runtime PORT`.

`count KEY CHUNKS GAP` is answered by that many chunks `KEY NUMBER NANOSECONDS`, GAP milliseconds
apart, where the last is the machine's monotonic time when the chunk was sent; and by `done` with
KEY and the number of chunks. It holds nothing of any session.
"""

import asyncio
import sys
import time

import uvloop

from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_rpc.server import Server, ServerCall

SERVICE = "/omnia.runtime.v1.RuntimeService/"


async def converse(call: ServerCall) -> None:
    """Answer each message after the one before."""
    while (data := await call.read()) is not None:
        _, key, count, gap = pb.ClientMessage.FromString(data).content.split()
        for number in range(int(count)):
            if number:
                await asyncio.sleep(int(gap) / 1000)
            text = f"{key} {number} {time.monotonic_ns()}"
            chunk = pb.ServerMessage(chunk=pb.Chunk(content=text))
            await call.write(chunk.SerializeToString())
        done = pb.ServerMessage(done=pb.Done(final_content=f"{key} {count}"))
        await call.write(done.SerializeToString())


async def health(call: ServerCall) -> None:
    """Say that all is well."""
    await call.read()
    await call.write(pb.HealthResponse(healthy=True, status="ok").SerializeToString())


async def has_conversation(call: ServerCall) -> None:
    """Know every session."""
    await call.read()
    known = pb.HasConversationResponse(state=pb.RESUME_STATE_RESUMABLE)
    await call.write(known.SerializeToString())


async def main(port: int) -> None:
    """Serve until the process is ended."""
    handlers = {"Converse": converse, "Health": health, "HasConversation": has_conversation}
    paths = {SERVICE + name: handler for name, handler in handlers.items()}
    await Server(paths, max_message_bytes=MAX_MESSAGE_BYTES).start("127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
