"""A session with an agent: its turns, over one WebSocket connection after the other."""

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import orjson
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

from omnia_cli.chat.failures import ChatFailed, SessionUnknown, Unreachable, failing_plainly
from omnia_cli.chat.screen import Screen
from omnia_core.jsonvalue import JsonObject, json_bytes

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

Ask = Callable[[JsonObject], JsonObject]
"""Takes a `tool_call`, returns `result` or `error` of its `tool_result`."""


class _Conflict(Exception):
    """The turn of the lost connection still runs."""


class Conversation:
    """A session with an agent; shows what it receives.

    Attributes:
        session_id: of the session, once connected.
        resumable: whether the session exists, so that it can be resumed later.
        stopped: whether the last turn was stopped by its user.
        variables: of the prompt; they go with each message.
        version: of the PromptPack that new sessions are answered with; "" for what the agent
            chooses.
        url, token: of the agent, once connected.
    """

    def __init__(
        self,
        reach: Reach,
        screen: Screen,
        session_id: str | None,
        variables: Mapping[str, str] = MappingProxyType({}),
        version: str = "",
        ask: Ask | None = None,
    ) -> None:
        """`ask` has a person answer the tools that the client executes; None: nobody is there."""
        self._reach = reach
        self._ask = ask
        self._screen = screen
        self._connection = contextlib.ExitStack()
        self._socket: ClientConnection
        self._answering = False
        self._conflicts = False
        self._begun = session_id is not None
        self.session_id = session_id or ""
        self.resumable = session_id is not None
        self.stopped = False
        self.variables = dict(variables)
        self.version = version
        self.url = ""
        self.token: str | None = None

    def __enter__(self) -> Self:
        """Connect, and show the session."""
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._connection.close()

    def switch(self, session_id: str = "") -> None:
        """Go on with another session; "" begins a new one.

        Raises:
            ChatFailed: the agent cannot be reached, or does not know the session; the conversation
                goes on with the one before.
        """
        before = self.session_id, self.resumable, self._begun
        self._connection.close()
        self.session_id = session_id
        self.resumable = self._begun = bool(session_id)
        try:
            self._open()
        except SessionUnknown:
            self._connection.close()
            self.session_id, self.resumable, self._begun = before
            self._open()
            raise

    def turn(self, text: str, parts: Sequence[JsonObject] = ()) -> bool:
        """Send a message and show the answer; return whether the turn succeeded.

        When the connection is lost before the answer has begun, the message is sent again on a new
        one; afterwards it is not, because the agent has acted on it.

        Args:
            text: the message.
            parts: more of it, as the parts of a `message` frame.

        Raises:
            ChatFailed: the connection is lost and cannot be opened again.
        """
        kept = True
        self.stopped = False
        self._screen.sent(text)
        try:
            for pause in _pauses():
                try:
                    return self._exchange(text, parts) and kept
                except _Conflict:  # the agent has not noticed that the first connection is lost
                    time.sleep(pause)
                except ConnectionClosed as closed:
                    self._conflicts = True
                    cut = self._answering
                    kept = self._reconnect(closed, text) and kept
                    if cut:
                        return False
        finally:
            self._screen.ended()
        raise ChatFailed(f"sent {_TRIES} times without an answer: {text}")

    def _open(self) -> None:
        resumed = bool(self.session_id)
        try:
            self._connect()
        except BaseException:
            self._connection.close()
            raise
        self._screen.session(self.session_id, resumed=resumed)

    def _connect(self) -> None:
        """Open a connection and wait until its session is announced.

        A facade announces a new session first, and the resumed one as soon as it is found.

        Raises:
            Unreachable: the agent does not answer now.
            ChatFailed: it refuses.
        """
        resumed = self.session_id
        url, token = self._connection.enter_context(self._reach())
        self.url, self.token = url, token
        headers = {"Authorization": f"Bearer {token}"} if token else None
        with failing_plainly(url):
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
                failure = SessionUnknown if code == "SESSION_EXPIRED" else Unreachable
                raise failure(f"{code} {frame['error']['message']}")
            if frame["type"] == "connected":
                self.session_id = str(frame.get("session_id", ""))
                if resumed in ("", self.session_id):
                    self._screen.receive(frame)
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
            self._screen.cut()
        self._answering = False
        self._screen.note(f"connection lost ({why}), connecting again … ", end="")
        before, failure = self.session_id, Unreachable("")
        for pause in _pauses():
            time.sleep(pause)
            self._connection.close()
            try:
                self._connect()
            except SessionUnknown as unknown:
                self._begun = False
                self._screen.note(f"{unknown} ", problem=True, end="")
                self._screen.note(
                    f"session {before} has expired or was deleted; new session {self.session_id}"
                )
                return False
            except Unreachable as error:
                failure = error
            else:
                self._screen.note(f"resumed session {self.session_id}")
                return True
        self._screen.note("failed", problem=True)
        raise ChatFailed(f"{failure}; tried {_TRIES} times; not answered: {text}") from failure

    def _exchange(self, text: str, parts: Sequence[JsonObject]) -> bool:
        """Send a message and show its answer on this connection; return whether it succeeded.

        Raises:
            ConnectionClosed: the connection is lost; `_answering`: the answer had begun.
        """
        self._answering = False
        content: dict[str, Any] = {"content": text}
        if parts:
            said = [{"type": "text", "text": text}] if text else []
            content = {"parts": [*said, *parts]}
        if self.variables:
            content["metadata"] = self.variables
        if self.version and not self._begun:
            content["trial"] = {"version": self.version}
        self._send(type="message", session_id=self.session_id, **content)
        self.resumable = True
        with self._cancelling():
            while True:
                frame = self._receive()
                if self._conflicts and _code(frame) == "SESSION_CONFLICT":
                    self._begun = True
                    raise _Conflict
                self._begun = self._begun or frame["type"] in _BEGUN
                self._take(frame)
                if frame["type"] == "tool_call":
                    self._answer_tool(frame["tool_call"])
                if frame["type"] in ("done", "error"):
                    self._answering = False
                    self.stopped = frame.get("finish_reason") == "cancelled"
                    return bool(frame["type"] == "done")
                self._answering = self._answering or frame["type"] in _ANSWER

    def _take(self, frame: JsonObject) -> None:
        if frame["type"] == "connected":
            self.session_id = str(frame.get("session_id", ""))
        self._screen.receive(frame)

    def _answer_tool(self, call: JsonObject) -> None:
        """Have a tool that the client executes answered, or refused at once."""
        if call.get("execution") != "client":
            return
        called = {"call_id": call["id"]}
        if self._ask is None:
            # Without this the turn waits until the acknowledgement is overdue.
            self._send(type="tool_call_nack", tool_call_nack={**called, "reason": _NOBODY})
            return
        self._send(type="tool_call_ack", tool_call_ack=called)
        try:
            self._send(type="tool_result", tool_result={**called, **self._ask(call)})
        except KeyboardInterrupt:
            self._cancel()

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

    def _send(self, **frame: Any) -> None:
        self._socket.send(json_bytes(frame).decode())

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


_NOBODY = "nobody can be asked: omnia chat executes tools for a person at a terminal only"
# Frames of an answer that has begun.
_ANSWER = ("chunk", "tool_call", "tool_result")
# Frames after which the session has a turn, which keeps the version that it began with.
_BEGUN = (*_ANSWER, "done")


def _code(frame: JsonObject) -> str:
    """Return the code of an error frame, or ""."""
    return str(frame["error"]["code"]) if frame["type"] == "error" else ""


def _pauses() -> Iterator[float]:
    """Yield the seconds to wait before each try."""
    for number in range(_TRIES):
        longest = min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE)
        # Clients that lost the same pod come back one after the other.
        yield longest * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _resuming(url: str, session_id: str) -> str:
    """Return the URL with the session in its query."""
    if not session_id:
        return url
    parts = urlsplit(url)
    query = [parts.query] if parts.query else []
    return parts._replace(query="&".join([*query, urlencode({"session_id": session_id})])).geturl()
