"""A conversation in the terminal over one of the protocols."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from rich.console import Console
from rich.markup import escape

from omnia_cli.doors.a2a import A2aClient
from omnia_cli.doors.agui import AguiClient
from omnia_cli.doors.chat import UIMessageClient
from omnia_cli.doors.client import Address, DoorClient, Note
from omnia_cli.doors.mcp import McpClient
from omnia_cli.doors.openai import OpenAIClient
from omnia_core.session_ids import new_session_id

# One line for each protocol: its name in `facade.doors`, and its client.
CLIENTS: Mapping[str, Callable[[Address], DoorClient]] = {
    "chat": UIMessageClient,
    "openai": OpenAIClient,
    "agui": AguiClient,
    "a2a": A2aClient,
    "mcp": McpClient,
}

Reach = Callable[[], AbstractContextManager[tuple[str, str | None]]]


def talk(via: str, reach: Reach, session_id: str | None, message: str | None) -> int:
    """Send one message, or those that a person types; return the exit code.

    The answer to one message is on standard output alone, everything else on standard error.

    Args:
        via: a key of `CLIENTS`.
        reach: finds the agent; yields its URL and its bearer token.
        session_id: goes on, or begins under this id; None makes a new one.
        message: the one message; None reads lines until the input ends.

    Raises:
        DoorUnusable: the agent does not answer over this protocol.
    """
    session_id = session_id or new_session_id()
    answer = Console(soft_wrap=True, highlight=False)
    notes = answer
    if message is not None:
        notes = Console(stderr=True, soft_wrap=True, highlight=False)
    with reach() as (url, token):
        client = CLIENTS[via](Address(url, token))
        notes.print(f"[dim]session {escape(session_id)} via {via}[/]")
        lines = _typed(notes) if message is None else iter((message,))
        failed = sum(not _turn(client, line, session_id, answer, notes) for line in lines)
    # A person has seen the error; a script needs the exit code.
    return int(failed > 0 and (message is not None or not sys.stdin.isatty()))


def _turn(client: DoorClient, text: str, session_id: str, answer: Console, notes: Console) -> bool:
    succeeded = True
    said: list[Note] = []
    for piece in client.send(text, session_id):
        if isinstance(piece, Note):
            said.append(piece)
            succeeded = succeeded and not piece.failed
        else:
            answer.print(piece, end="", markup=False, highlight=False)
    answer.print()
    for note in said:
        notes.print(f"[{'red' if note.failed else 'dim'}]{escape(note.text)}[/]")
    return succeeded


def _typed(notes: Console) -> Iterator[str]:
    """Yield the lines that a person types, or those of a pipe, without the empty ones."""
    interactive = sys.stdin.isatty()
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            line = notes.input("[bold]>[/] ") if interactive else sys.stdin.readline()
            if not interactive and not line:
                return
            if line.strip():
                yield line.strip()
