"""The stdio transport: an MCP server that is a program, with messages as lines of its pipes.

Unlike the SDK's own, it limits the size of a message, logs the program's standard error, knows with
which code the program ended, and kills all that the program has started.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import anyio
import structlog
from mcp import types
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage

from omnia_runtime.tools.mcp.messages import corrected, unreadable
from omnia_runtime.tools.mcp.server import MAX_MESSAGE_BYTES, ConnectionState, MCPServer

# How long the program may take to end by itself, and again after SIGTERM.
_END_SECONDS = 1.0
_LONGEST_LOG_LINE = 500
_PR_SET_DUMPABLE = 4

_log = structlog.get_logger()

_Streams = tuple[
    "anyio.streams.memory.MemoryObjectReceiveStream[SessionMessage | Exception]",
    "anyio.streams.memory.MemoryObjectSendStream[SessionMessage]",
]


@contextlib.asynccontextmanager
async def program(server: MCPServer, state: ConnectionState) -> AsyncIterator[_Streams]:
    """Run the program of a handler; at the end of the block, kill it and all that it started.

    Its environment contains the handler's variables and a few harmless ones such as PATH: that of
    the runtime contains keys, and the program cannot read it on Linux.

    Raises:
        OSError: the program cannot be run.
        CredentialUnusable: a variable's Secret is missing.
    """
    config, name = server.config, server.name
    _hide_runtime()
    process = await asyncio.create_subprocess_exec(
        config.command,
        *config.args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**get_default_environment(), **config.env, **server.variables()},
        cwd=config.work_dir or None,
        start_new_session=True,
        limit=MAX_MESSAGE_BYTES,
    )
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, sent = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(process, received, state), name=f"output of {name}"),
        asyncio.create_task(_write(process, sent, state), name=f"input of {name}"),
        asyncio.create_task(_log_errors(process, name), name=f"errors of {name}"),
    ]
    try:
        yield incoming, outgoing
    finally:
        for task in tasks:
            task.cancel()
        for stream in (received, incoming, outgoing, sent):
            stream.close()
        await _uncancelled(asyncio.create_task(_end(process), name=f"end of {name}"))
        await asyncio.wait(tasks)


def _hide_runtime() -> None:
    """Keep programs of the same user from the environment and the memory of the runtime.

    The kernel resets the attribute for the program itself when it is executed.

    Raises:
        OSError: the kernel refuses.
    """
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - only for runtimes that start programs

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the runtime's keys cannot be hidden from the program")


async def _read(
    process: asyncio.subprocess.Process,
    received: "anyio.streams.memory.MemoryObjectSendStream[SessionMessage | Exception]",
    state: ConnectionState,
) -> None:
    assert process.stdout  # noqa: S101 - opened with a pipe
    try:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while line := await process.stdout.readline():
                await received.send(_parsed(line))
            await _ended(process)
            state.ended(_ending(process))
    except ValueError:
        state.ended(
            f"has sent a message that is too large: more than {MAX_MESSAGE_BYTES >> 20} MiB"
        )
    finally:
        received.close()


def _parsed(line: bytes) -> SessionMessage | Exception:
    read = types.jsonrpc_message_adapter.validate_json
    try:
        return SessionMessage(read(corrected(line), by_name=False))
    except ValueError as error:
        failed = unreadable(line)
        return error if failed is None else SessionMessage(read(failed, by_name=False))


def _ending(process: asyncio.subprocess.Process) -> str:
    code = process.returncode
    return "has closed its output" if code is None else f"has ended with code {code}"


async def _write(
    process: asyncio.subprocess.Process,
    sent: "anyio.streams.memory.MemoryObjectReceiveStream[SessionMessage]",
    state: ConnectionState,
) -> None:
    assert process.stdin  # noqa: S101 - opened with a pipe
    try:
        async for outgoing in sent:
            line = outgoing.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(line.encode() + b"\n")
            await process.stdin.drain()
    except OSError:
        state.ended(_ending(process))
    finally:
        sent.close()


async def _log_errors(process: asyncio.subprocess.Process, name: str) -> None:
    assert process.stderr  # noqa: S101 - opened with a pipe
    while chunk := await process.stderr.read(64 * 1024):
        for line in chunk.splitlines():
            text = line[:_LONGEST_LOG_LINE].decode(errors="replace")
            _log.debug("MCP server wrote to standard error", handler=name, line=text)


async def _uncancelled(task: asyncio.Task[None]) -> None:
    """Wait for a short task, and delay a cancellation until it is done."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the program and its process group: close its input, then SIGTERM, then SIGKILL."""
    if process.stdin:
        process.stdin.close()
    if not await _ended(process):
        _signal(process.pid, signal.SIGTERM)
        if not await _ended(process):
            _signal(process.pid, signal.SIGKILL)
            await _ended(process)
    # Children that the program left behind.
    _signal(process.pid, signal.SIGKILL)
    # A child that left the group may keep the pipes open forever.
    process._transport.close()  # type: ignore[attr-defined] # noqa: SLF001 - there is no other way


async def _ended(process: asyncio.subprocess.Process) -> bool:
    deadline = asyncio.get_running_loop().time() + _END_SECONDS
    while process.returncode is None:
        if asyncio.get_running_loop().time() > deadline:
            return False
        # `wait` also waits for the pipes, which a child of the program may keep open.
        await asyncio.sleep(0.01)
    return True


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
