"""The command `omnia chat`: a conversation in the terminal."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from omnia_core.jsonvalue import JsonObject


class ChatFailed(Exception):
    """The agent could not be reached, or hung up; the message is for people."""


def chat(url: str, session_id: str | None, token: str | None, console: Console) -> None:
    """Talk until the input ends. Ctrl-C stops the turn that runs, or leaves at the prompt.

    Raises:
        ChatFailed: the agent cannot be reached, or hung up.
    """
    target = f"{url}?session_id={session_id}" if session_id else url
    headers = {"Authorization": f"Bearer {token}"} if token else None
    with (
        _failing_plainly(url),
        connect(target, additional_headers=headers, max_size=None) as socket,
    ):
        conversation = Conversation(socket, console)
        conversation.greet()
        for line in _lines(console):
            conversation.turn(line)


class Conversation:
    """One connection; prints what comes."""

    def __init__(self, socket: ClientConnection, console: Console) -> None:
        self._socket = socket
        self._console = console
        self.session_id = ""

    def greet(self) -> None:
        """Wait for `connected` and print the session."""
        frame = self._receive()
        self._show(frame)
        self._console.print(f"[dim]session {escape(self.session_id)}[/]")

    def turn(self, text: str) -> None:
        """Send a message and print the answer until it ends."""
        self._send(type="message", content=text, session_id=self.session_id)
        with self._cancelling():
            while True:
                frame = self._receive()
                self._show(frame)
                if frame["type"] in ("done", "error"):
                    return

    @contextlib.contextmanager
    def _cancelling(self) -> Iterator[None]:
        """Let the first Ctrl-C stop the turn, and the next one leave."""

        def interrupted(*_: object) -> None:
            signal.signal(signal.SIGINT, before)
            # not from here: the interrupted code may hold the connection's lock
            cancel = {"type": "cancel", "session_id": self.session_id}
            threading.Thread(target=self._send, kwargs=cancel, daemon=True).start()

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _show(self, frame: JsonObject) -> None:
        show: Callable[[JsonObject], None] | None = getattr(self, f"_on_{frame['type']}", None)
        if show:
            show(frame)

    def _on_connected(self, frame: JsonObject) -> None:
        self.session_id = str(frame.get("session_id", ""))

    def _on_chunk(self, frame: JsonObject) -> None:
        self._streamed = True
        self._console.print(frame["content"], end="", markup=False, highlight=False)

    def _on_tool_call(self, frame: JsonObject) -> None:
        call = frame["tool_call"]
        arguments = orjson.dumps(call.get("arguments")).decode()
        self._console.print(f"[cyan]→ {escape(call['name'])}[/] {escape(arguments)}")

    def _on_tool_result(self, frame: JsonObject) -> None:
        result = frame["tool_result"]
        if "error" in result:
            self._console.print(f"[red]← {escape(str(result['error']))}[/]")
        else:
            text = orjson.dumps(result.get("result")).decode()
            self._console.print(f"[cyan]←[/] {escape(text)}")

    def _on_done(self, frame: JsonObject) -> None:
        if not self._streamed:
            self._console.print(frame.get("content", ""), end="", markup=False, highlight=False)
        self._streamed = False
        usage = frame.get("usage") or {}
        notes = [f"{usage[key]} {name}" for key, name in _USAGE if key in usage]
        if frame.get("finish_reason") not in (None, "", "stop"):
            notes.append(str(frame["finish_reason"]))
        self._console.print(f"\n[dim]{escape(' · '.join(notes))}[/]" if notes else "")

    def _on_error(self, frame: JsonObject) -> None:
        error = frame["error"]
        self._streamed = False
        self._console.print(f"\n[red]{escape(error['code'])}[/] {escape(error['message'])}")

    _streamed = False

    def _send(self, **frame: Any) -> None:
        self._socket.send(orjson.dumps(frame).decode())

    def _receive(self) -> JsonObject:
        frame: JsonObject = orjson.loads(self._socket.recv())
        return frame


_USAGE = (("input_tokens", "tokens in"), ("output_tokens", "tokens out"), ("cost_usd", "USD"))


def _lines(console: Console) -> Iterator[str]:
    """Yield what a person types, or the lines of a pipe; empty ones are left out."""
    interactive = sys.stdin.isatty()
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            line = console.input("[bold]>[/] ") if interactive else sys.stdin.readline()
            if not interactive and not line:
                return
            if line.strip():
                yield line.strip()


@contextlib.contextmanager
def _failing_plainly(url: str) -> Iterator[None]:
    try:
        yield
    except InvalidStatus as error:
        status = error.response.status_code
        hint = ""
        if status == 401:  # noqa: PLR2004
            said = _detail(error.response.body)
            hint = f": {said}" if said else ""
            hint += "\nGive a credential with --token, or in the environment as OMNIA_TOKEN"
        raise ChatFailed(f"{url} refused the connection with HTTP {status}{hint}") from error
    except (OSError, InvalidHandshake) as error:
        raise ChatFailed(f"{url} cannot be reached: {error}") from error
    except ConnectionClosed as error:
        raise ChatFailed(f"{url} ended the conversation: {error}") from error


def _detail(body: bytes | bytearray) -> str:
    try:
        return str(orjson.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
