"""The socket at which other commands ask an `omnia up` about its rollouts.

One line of JSON is asked, and one is answered. The folder of the socket is private to the user, as
is everything else that an `omnia up` writes.
"""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from omnia_cli.local.objects import Key
from omnia_cli.local.rollouts import RolloutAnswer
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.rollout.requests import RolloutRequest, Verb

MAX_LINE = 256 * 1024
LINE_SECONDS = 5.0
ANSWER_SECONDS = 120.0
"""A step may wait for programs that start."""
_SOCKET = "control"
# In bytes: Linux takes 107 of a socket's path, macOS 103.
_LONGEST_PATH = 103
_SHORT = "/tmp"  # noqa: S108 - the folder in it is private


class ControlFailed(Exception):
    """An `omnia up` does not answer, or refuses; the message is for people."""


class ControlRequest(Struct, frozen=True, omit_defaults=True):
    """A question about an agent; without a verb, for its status."""

    namespace: str
    agent: str
    verb: Verb | None = None
    id: str = ""
    reason: str = ""


class ControlAnswer(Struct, frozen=True, omit_defaults=True):
    """The status of a rollout as JSON, and what became of the request.

    Attributes:
        refused: why the request changes nothing; "" if it was accepted.
        failure: why there is no answer.
    """

    status: str = ""
    refused: str = ""
    failure: str = ""

    @property
    def rollout(self) -> RolloutStatus:
        """The status."""
        return RolloutStatus.model_validate_json(self.status)


Status = Callable[[Key], RolloutStatus | None]
Ask = Callable[[Key, RolloutRequest], Awaitable[RolloutAnswer]]


@contextlib.contextmanager
def socket_path(folder: Path) -> Iterator[Path]:
    """Yield a path for the socket: in a private folder, or in another one if that is too long."""
    path = folder / _SOCKET
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    with tempfile.TemporaryDirectory(
        prefix="omnia-", dir=_SHORT, ignore_cleanup_errors=True
    ) as short:
        yield Path(short) / _SOCKET


@contextlib.asynccontextmanager
async def controlled(
    path: Path, status: Status, ask: Ask, line_seconds: float = LINE_SECONDS
) -> AsyncIterator[None]:
    """Answer at a socket as long as the context lasts.

    Args:
        path: of the socket.
        status: returns the rollout of an agent; None: there is no such agent.
        ask: passes a request on.
        line_seconds: how long a client may take to say its line.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(line_seconds):
                line = await reader.readline()
            writer.write(msgspec.json.encode(await _answer(line, status, ask)) + b"\n")
            await writer.drain()
        except (TimeoutError, ValueError, OSError, asyncio.CancelledError):
            pass  # The client has gone, said nothing, or said too much.
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path, limit=MAX_LINE)
    try:
        yield
    finally:
        server.close()


async def _answer(line: bytes, status: Status, ask: Ask) -> ControlAnswer:
    try:
        asked = msgspec.json.decode(line, type=ControlRequest)
    except msgspec.DecodeError as error:
        return ControlAnswer(failure=f"the request is not understood: {error}")
    key = asked.namespace, asked.agent
    found, refused = status(key), ""
    if found is None:
        return ControlAnswer(failure=f'there is no agent "{asked.agent}" here')
    if asked.verb is not None:
        answer = await ask(key, RolloutRequest(asked.verb, asked.id, asked.reason))
        found = answer.status
        refusals = (each for each in answer.news if each.reason == "RolloutRequestRefused")
        refused = next((each.message for each in refusals), "")
    return ControlAnswer(found.model_dump_json(by_alias=True, exclude_none=True), refused)


def asked_of(path: str, request: ControlRequest) -> ControlAnswer:
    """Ask an `omnia up` at its socket.

    Raises:
        ControlFailed: it does not answer, or does not know the agent.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(path)
            connection.sendall(msgspec.json.encode(request) + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline(MAX_LINE)
        answer = msgspec.json.decode(line, type=ControlAnswer)
    except (OSError, msgspec.DecodeError) as error:
        message = f"the `omnia up` of {request.agent} does not answer ({error}): does it end?"
        raise ControlFailed(message) from error
    if answer.failure:
        raise ControlFailed(answer.failure)
    return answer
