"""The command `omnia chat`: a conversation in the terminal."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from rich.console import Console
from rich.markup import escape
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect

from omnia_core.jsonvalue import JsonObject

# A session that exists is found within this time, also while the agent starts.
RESUME_SECONDS = 30.0


class ChatFailed(Exception):
    """The conversation could not begin or go on; the message is for people."""


def chat(url: str, session_id: str | None, token: str | None, console: Console) -> int:
    """Talk until the input ends; return how many turns failed.

    Ctrl-C stops the running turn; at the prompt it ends the conversation.

    Raises:
        ChatFailed: the agent cannot be reached or does not know the session, or the connection
            was closed.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else None
    with (
        _failing_plainly(url),
        connect(_resuming(url, session_id), additional_headers=headers, max_size=None) as socket,
    ):
        conversation = Conversation(socket, console)
        conversation.greet(session_id)
        return sum(not conversation.turn(line) for line in _lines(console))


class Conversation:
    """One connection to an agent; prints the frames that it receives."""

    def __init__(self, socket: ClientConnection, console: Console) -> None:
        self._socket = socket
        self._console = console
        self.session_id = ""

    def greet(self, resumed: str | None = None) -> None:
        """Wait until the session of this conversation is announced, and print its id.

        A facade announces a new session first, and the resumed one as soon as it is found.

        Raises:
            ChatFailed: the session to resume is unknown or has expired.
        """
        deadline = time.monotonic() + RESUME_SECONDS
        while True:
            frame = self._receive_before(deadline)
            if frame["type"] == "error":
                error = frame["error"]
                raise ChatFailed(f"{error['code']} {error['message']}")
            self._show(frame)
            if frame["type"] == "connected" and resumed in (None, self.session_id):
                break
        word = "resumed session" if resumed else "session"
        self._console.print(f"[dim]{word} {escape(self.session_id)}[/]")

    def turn(self, text: str) -> bool:
        """Send a message and print the answer; return whether the turn succeeded."""
        self._send(type="message", content=text, session_id=self.session_id)
        with self._cancelling():
            while True:
                frame = self._receive()
                self._show(frame)
                if frame["type"] in ("done", "error"):
                    return bool(frame["type"] == "done")

    @contextlib.contextmanager
    def _cancelling(self) -> Iterator[None]:
        """Let the first Ctrl-C stop the turn, and the next one end the command."""

        def interrupted(*_: object) -> None:
            signal.signal(signal.SIGINT, before)
            # Sent from another thread, because the interrupted code may hold the connection's lock.
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

    def _receive(self, seconds: float | None = None) -> JsonObject:
        frame: JsonObject = orjson.loads(self._socket.recv(seconds))
        return frame

    def _receive_before(self, deadline: float) -> JsonObject:
        try:
            return self._receive(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            raise ChatFailed(
                f"the agent did not announce the session within {RESUME_SECONDS:g} s"
            ) from error


_USAGE = (("input_tokens", "tokens in"), ("output_tokens", "tokens out"), ("cost_usd", "USD"))


def _lines(console: Console) -> Iterator[str]:
    """Yield the lines that a person types, or those of a pipe, without the empty ones."""
    interactive = sys.stdin.isatty()
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            line = console.input("[bold]>[/] ") if interactive else sys.stdin.readline()
            if not interactive and not line:
                return
            if line.strip():
                yield line.strip()


def _resuming(url: str, session_id: str | None) -> str:
    """Return the URL with the session in its query."""
    if not session_id:
        return url
    parts = urlsplit(url)
    query = [parts.query] if parts.query else []
    return parts._replace(query="&".join([*query, urlencode({"session_id": session_id})])).geturl()


@contextlib.contextmanager
def _failing_plainly(url: str) -> Iterator[None]:
    try:
        yield
    except InvalidStatus as error:
        raise ChatFailed(_refusal(url, error.response)) from error
    except ConnectionClosed as error:
        raise ChatFailed(f"{url} ended the conversation: {error}") from error
    except (OSError, ValueError, WebSocketException) as error:
        raise ChatFailed(f"{url} cannot be reached: {error}") from error


def _refusal(url: str, response: Response) -> str:
    said = _detail(response.body)
    text = f"{url} refused the connection with HTTP {response.status_code}"
    text += f": {said}" if said else ""
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        text += "\nGive a credential with --token, or in the environment as OMNIA_TOKEN"
    elif response.status_code == HTTPStatus.NOT_FOUND:
        text += "\nAn agent answers at the path /ws; a function is called with `omnia call`"
    return text


def _detail(body: bytes | bytearray) -> str:
    """Return the reason in a JSON error body, or ""."""
    try:
        return str(orjson.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
