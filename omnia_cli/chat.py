"""The command `omnia chat`: a conversation in the terminal."""

import contextlib
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import orjson
from rich.console import Console
from rich.markup import escape
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect

from omnia_core.jsonvalue import JsonObject

# A session that exists is found within this time, also while the agent starts.
RESUME_SECONDS = 30.0
# Close codes after which a session goes on elsewhere: the pod is replaced, or a proxy restarts.
_MOVED = (CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART)
# Ten tries in about half a minute: a crashed container is started again within that time.
_TRIES = 10
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0

Reach = Callable[[], AbstractContextManager[tuple[str, str | None]]]
"""Finds the agent; yields its URL and its bearer token. Raises Unreachable."""


class ChatFailed(Exception):
    """The conversation could not begin or go on; the message is for people."""


class Unreachable(ChatFailed):
    """The agent does not answer now; a later try may succeed."""


class _Conflict(Exception):
    """The turn of the lost connection still runs."""


class _SessionUnknown(ChatFailed):
    """The agent has no session of this id, or no longer; the connection has a new one."""


def ask(reach: Reach, session_id: str | None, message: str, answer: Console, notes: Console) -> int:
    """Send one message, and print its answer and what is said about it; return how many failed.

    Raises:
        ChatFailed: as `chat`.
    """
    with Conversation(reach, notes, session_id, answer) as conversation:
        return int(not conversation.turn(message))


def chat(reach: Reach, session_id: str | None, command: str, console: Console) -> int:
    """Talk until the input ends; return how many turns failed.

    A connection that is lost is opened again, with its session. Ctrl-C stops the running turn; at
    the prompt it ends the conversation. `command` is what a user types to talk to this agent; it
    is printed at the end, with the session.

    Raises:
        ChatFailed: the agent cannot be reached or does not know the session, or refused to go on.
    """
    with Conversation(reach, console, session_id) as conversation:
        try:
            return sum(not conversation.turn(line) for line in _lines(console))
        finally:
            if conversation.resumable:
                again = f"{command} --session {conversation.session_id}"
                console.print(f"[dim]go on with: {escape(again)}[/]")


class Conversation:
    """A session with an agent, over one connection after the other; prints what it receives."""

    def __init__(
        self, reach: Reach, console: Console, session_id: str | None, answers: Console | None = None
    ) -> None:
        """`answers` gets what the agent says, in place of `console`, and nothing else."""
        self._reach = reach
        self._console = console
        self._answers = answers or console
        self._connection = contextlib.ExitStack()
        self._socket: ClientConnection
        self._answering = False
        self._streamed = False
        self._conflicts = False
        self.session_id = session_id or ""
        self.resumable = session_id is not None

    def __enter__(self) -> Self:
        """Connect, and print the session."""
        resumed = bool(self.session_id)
        try:
            self._connect()
        except BaseException:
            self._connection.close()
            raise
        word = "resumed session" if resumed else "session"
        self._console.print(f"[dim]{word} {escape(self.session_id)}[/]")
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._connection.close()

    def turn(self, text: str) -> bool:
        """Send a message and print the answer; return whether the turn succeeded.

        When the connection is lost before the answer has begun, the message is sent again on a new
        one; afterwards it is not, because the agent has acted on it.

        Raises:
            ChatFailed: the connection is lost and cannot be opened again.
        """
        kept = True
        for pause in _pauses():
            try:
                return self._exchange(text) and kept
            except _Conflict:  # the agent has not noticed yet that the first connection is lost
                time.sleep(pause)
            except ConnectionClosed as closed:
                self._conflicts = True
                cut = self._answering
                kept = self._reconnect(closed, text) and kept
                if cut:
                    return False
        raise ChatFailed(f"sent {_TRIES} times without an answer: {text}")

    def _connect(self) -> None:
        """Open a connection and wait until its session is announced.

        A facade announces a new session first, and the resumed one as soon as it is found.

        Raises:
            Unreachable: the agent does not answer now.
            ChatFailed: it refuses.
        """
        resumed = self.session_id
        url, token = self._connection.enter_context(self._reach())
        headers = {"Authorization": f"Bearer {token}"} if token else None
        with _failing_plainly(url):
            self._socket = self._connection.enter_context(
                connect(_resuming(url, resumed), additional_headers=headers, max_size=None)
            )
            try:
                self._greet(resumed)
            except (ConnectionClosed, Unreachable):
                self.session_id = resumed  # not the new one that is announced before it
                raise

    def _greet(self, resumed: str) -> None:
        deadline = time.monotonic() + RESUME_SECONDS
        while True:
            frame = self._receive_before(deadline)
            if code := _code(frame):
                failure = _SessionUnknown if code == "SESSION_EXPIRED" else Unreachable
                raise failure(f"{code} {frame['error']['message']}")
            self._show(frame)
            if frame["type"] == "connected" and resumed in ("", self.session_id):
                return

    def _reconnect(self, closed: ConnectionClosed, text: str) -> bool:
        """Open the next connection, with the session; return whether the agent still has it.

        Raises:
            ChatFailed: no try succeeded, or the connection was closed for good.
        """
        if closed.rcvd is not None and closed.rcvd.code not in _MOVED:
            raise ChatFailed(f"the agent ended the conversation: {closed}; not answered: {text}")
        why = (closed.rcvd.reason if closed.rcvd else "") or "it broke off"
        if self._answering:
            self._console.print("\n[red]the answer was cut here; what it said so far is kept[/]")
        self._answering = self._streamed = False
        self._console.print(f"[dim]connection lost ({escape(why)}), connecting again …[/] ", end="")
        before, failure = self.session_id, Unreachable("")
        for pause in _pauses():
            time.sleep(pause)
            self._connection.close()
            try:
                self._connect()
            except _SessionUnknown as unknown:
                self._console.print(
                    f"[red]{escape(str(unknown))}[/] [dim]session {escape(before)} is gone; "
                    f"new session {escape(self.session_id)}[/]"
                )
                return False
            except Unreachable as error:
                failure = error
            else:
                self._console.print(f"[dim]resumed session {escape(self.session_id)}[/]")
                return True
        self._console.print("[red]failed[/]")
        raise ChatFailed(f"{failure}; tried {_TRIES} times; not answered: {text}") from failure

    def _exchange(self, text: str) -> bool:
        """Send a message and print its answer on this connection; return whether it succeeded.

        Raises:
            ConnectionClosed: the connection is lost; `_answering`: the answer had begun.
        """
        self._answering = False
        self._send(type="message", content=text, session_id=self.session_id)
        self.resumable = True
        with self._cancelling():
            while True:
                frame = self._receive()
                if self._conflicts and _code(frame) == "SESSION_CONFLICT":
                    raise _Conflict
                self._show(frame)
                if frame["type"] in ("done", "error"):
                    self._answering = False
                    return bool(frame["type"] == "done")
                self._answering = self._answering or frame["type"] in _ANSWER

    @contextlib.contextmanager
    def _cancelling(self) -> Iterator[None]:
        """Let the first Ctrl-C stop the turn, and the next one end the command."""

        def interrupted(*_: object) -> None:
            signal.signal(signal.SIGINT, before)
            # Sent from another thread, because the interrupted code may hold the connection's lock.
            threading.Thread(target=self._cancel, daemon=True).start()

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _cancel(self) -> None:
        with contextlib.suppress(ConnectionClosed):  # there is no turn to stop any more
            self._send(type="cancel", session_id=self.session_id)

    def _show(self, frame: JsonObject) -> None:
        show: Callable[[JsonObject], None] | None = getattr(self, f"_on_{frame['type']}", None)
        if show:
            show(frame)

    def _on_connected(self, frame: JsonObject) -> None:
        self.session_id = str(frame.get("session_id", ""))

    def _on_chunk(self, frame: JsonObject) -> None:
        self._streamed = True
        self._answers.print(frame["content"], end="", markup=False, highlight=False)

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
            self._answers.print(frame.get("content", ""), end="", markup=False, highlight=False)
        self._streamed = False
        self._answers.print()
        usage = frame.get("usage") or {}
        notes = [f"{usage[key]} {name}" for key, name in _USAGE if key in usage]
        if frame.get("finish_reason") not in (None, "", "stop"):
            notes.append(str(frame["finish_reason"]))
        if notes:
            self._console.print(f"[dim]{escape(' · '.join(notes))}[/]")

    def _on_error(self, frame: JsonObject) -> None:
        error = frame["error"]
        self._streamed = False
        self._console.print(f"\n[red]{escape(error['code'])}[/] {escape(error['message'])}")

    def _send(self, **frame: Any) -> None:
        self._socket.send(orjson.dumps(frame).decode())

    def _receive(self, seconds: float | None = None) -> JsonObject:
        frame: JsonObject = orjson.loads(self._socket.recv(seconds))
        return frame

    def _receive_before(self, deadline: float) -> JsonObject:
        try:
            return self._receive(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            raise Unreachable(
                f"the agent did not announce the session within {RESUME_SECONDS:g} s"
            ) from error


# Frames of an answer that has begun.
_ANSWER = ("chunk", "tool_call", "tool_result")
_USAGE = (("input_tokens", "tokens in"), ("output_tokens", "tokens out"), ("cost_usd", "USD"))


def _code(frame: JsonObject) -> str:
    """Return the code of an error frame, or ""."""
    return str(frame["error"]["code"]) if frame["type"] == "error" else ""


def _pauses() -> Iterator[float]:
    """Yield the seconds to wait before each try."""
    for number in range(_TRIES):
        longest = min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE)
        # Clients that lost the same pod come back one after the other.
        yield longest * random.uniform(0.5, 1)  # noqa: S311 - no secret


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


def _resuming(url: str, session_id: str) -> str:
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
        # 5xx: the facade drains, or a proxy finds no pod; other refusals stay what they are.
        later = error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise (Unreachable if later else ChatFailed)(_refusal(url, error.response)) from error
    except ConnectionClosed as error:
        raise Unreachable(f"{url} ended the conversation: {error}") from error
    except (OSError, WebSocketException) as error:
        raise Unreachable(f"{url} cannot be reached: {error}") from error
    except ValueError as error:
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
