"""A runtime that counts: `python -m tests.load.streaming_runtime PORT`, with a real gRPC server.

`count KEY CHUNKS GAP` is answered by that many chunks `KEY NUMBER NANOSECONDS`, GAP milliseconds
apart, where the last is the machine's monotonic time when the chunk was sent; and by `done` with
KEY and the number of chunks.
"""

# ruff: noqa: ARG002, N802 - the methods are those of the generated servicer

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import uvloop
from grpc import aio

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_core.wire.runtime.v1 import runtime_pb2_grpc as pb_grpc


class CountingRuntime(pb_grpc.RuntimeServiceServicer):
    """Holds nothing of any session."""

    async def Converse(
        self, request_iterator: AsyncIterator[pb.ClientMessage], context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        async for request in request_iterator:
            _, key, count, gap = request.content.split()
            for number in range(int(count)):
                if number:
                    await asyncio.sleep(int(gap) / 1000)
                text = f"{key} {number} {time.monotonic_ns()}"
                yield pb.ServerMessage(chunk=pb.Chunk(content=text))
            yield pb.ServerMessage(done=pb.Done(final_content=f"{key} {count}"))

    async def Health(self, request: pb.HealthRequest, context: Any) -> pb.HealthResponse:
        return pb.HealthResponse(healthy=True, status="ok")

    async def HasConversation(
        self, request: pb.HasConversationRequest, context: Any
    ) -> pb.HasConversationResponse:
        return pb.HasConversationResponse(state=pb.RESUME_STATE_RESUMABLE)


async def main(port: int) -> None:
    """Serve until the process is ended."""
    server = aio.server()
    pb_grpc.add_RuntimeServiceServicer_to_server(CountingRuntime(), server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
