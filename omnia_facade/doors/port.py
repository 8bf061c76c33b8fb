"""What a door implements, what the kernel does for it, and the values between them.

A door translates one protocol. It is a package `omnia_facade/doors/NAME` with

- a pure half, without I/O: a request's body to a `DoorTurn` (`request.py`), and the events of a
  run to text for the client (`frames.py`, a class that implements `Frames`);
- `door.py`, with `open_door(kernel: Kernel) -> Door`, which the first request imports.

`exchange.Door` is the protocol. A door has a row in `registry.DOORS`: its name, its paths, and
which of them need no credential.

The kernel (`exchange.Exchange`, one per request) has done this before `Door.answer` is called:
`Host` rule, CORS and the preflight, 403 for foreign origins, drain, authentication (except for
public paths, whose caller is anonymous), reading the body within its limits. `Door.answer` then

1. reads `exchange.request` (method, path, query, headers in lower case, body, caller);
2. begins a run with `run = await exchange.begin(DoorTurn(...))`, which applies the rules of session
   ids, the limits, and starts the turn; or finds one with `exchange.find(run_id)` and
   `exchange.current(session_id)`; or goes on with a parked one by
   `run = await exchange.resume(session_id, results)`;
3. returns an `EventStream(run, frames)`, or collects the answer with
   `collected = await exchange.collect(run)` and returns a `Reply`.

What may go wrong is raised as `DoorFailed(code, message)` anywhere: the kernel asks
`Door.refusal` for the response in the protocol's own form. The codes and what they mean at each
door are one table, `errors.MEANINGS`. An HTTP error of the kernel itself (401, 403, 404, 405, 408,
413, 415, 503) arrives there in the same way. Errors that are known before the first event get their
status: an `EventStream` is not answered before the run's first event, or `COMMIT_SECONDS`.

What happens when the client disconnects is `DoorTurn.keep`: the run goes on, and can be read again
from its beginning; or it is cancelled. With `DoorTurn.client_tools` a run that waits for results of
the client is parked: `Frames.park` ends the response, and `exchange.resume` goes on in the next.
A door without client tools leaves it False, and the model is told so.

Every answer has `Omnia-Session-Id` and `Omnia-Run-Id` of the run that `begin`, `find`, `current` or
`resume` returned last. Heartbeats, backpressure, one write per round of the event loop, and the
end of the connection are the kernel's. A run of another pod needs nothing either: `find`, `current`
and `resume` then pass the whole request on to the pod that has it.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct, field

from omnia_core.conversation.parts import Part
from omnia_facade.auth.principal import ANONYMOUS, Principal
from omnia_facade.backend.events import (
    Done,
    Failed,
    HistoryMessage,
    RequestTool,
    ToolCallEvent,
    TurnEvent,
)
from omnia_facade.runs.run import Run

# So long a stream's status waits for the run's first event: shorter than any proxy's patience.
COMMIT_SECONDS = 2.0


class DoorRequest(Struct, frozen=True, kw_only=True):
    """A request that is admitted.

    Attributes:
        path: not decoded, as `aiohttp` has it in `request.path`: percent-decoded once.
        query: the last value of each parameter.
        headers: by lower-case name; the values of a repeated one are joined.
        body: whole, without its Content-Encoding.
        caller: anonymous at a public path.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    caller: Principal = ANONYMOUS

    @property
    def content_type(self) -> str:
        """The media type of the body, in lower case and without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class DoorTurn(Struct, frozen=True, kw_only=True):
    """The turn of a request.

    Attributes:
        session_id: the conversation, as the client names it; "" for a new one.
        known: the session must exist, else the request fails with SESSION_EXPIRED. Otherwise an id
            that the client made begins a session. Somebody else's session is as unknown.
        content, parts, metadata, consent_grants: the message; parts win over content.
        run_id: made by the kernel when it is "". A client's own id must not be one: it is
            guessable.
        keep: the run goes on when the connection is lost, and can be read again.
        kept_seconds: how long it can be read after its end; `OMNIA_RUN_KEPT` when None.
        client_tools: the client can answer tool calls in another request.
        listed: other pods find the run when they list those of its user.
        waits: the run waits for the session's running turn, in the state SUBMITTED; otherwise it
            fails with SESSION_CONFLICT.
        history: what was said elsewhere before; read only when the session is new.
        tools: of the client, offered to the model in this turn beside those of the agent.
        message_id: the client's id of the message. The same one again in the same session returns
            the run that it began, and begins none. "" without such ids.
    """

    session_id: str = ""
    known: bool = False
    content: str = ""
    parts: tuple[Part, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    consent_grants: tuple[str, ...] = ()
    run_id: str = ""
    keep: bool = False
    kept_seconds: float | None = None
    client_tools: bool = False
    listed: bool = False
    waits: bool = False
    history: tuple[HistoryMessage, ...] = ()
    tools: tuple[RequestTool, ...] = ()
    message_id: str = ""


class Frames(Protocol):
    """The pure half that writes: the events of a run as text of a response. "" writes nothing.

    `open` comes first; then any number of `text` and `event`; then one of `park` and `end`.
    """

    def open(self) -> str:
        """Return what announces the run."""

    def text(self, text: str) -> str:
        """Return the frame of a piece of the answer."""

    def event(self, event: TurnEvent) -> str:
        """Return the frames of an event: tools, media, and the results of client tools."""

    def park(self, calls: Sequence[ToolCallEvent]) -> str:
        """Return what ends a response whose run waits for results of the client.

        `event` has shown the calls before.
        """

    def end(self, outcome: Done | Failed) -> str:
        """Return what ends the response."""


class Reply(Struct, frozen=True, kw_only=True):
    """A whole response. A body needs a `Content-Type` in its headers; `json_reply` sets it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class EventStream(Struct, frozen=True, kw_only=True):
    """A response that streams a run.

    Attributes:
        start: the entry of the run's log to begin with; `run.position` reads only what is new.
        merged: pieces of text that are read again come as one.
        headers: added to those of every event stream (`sse.HEADERS`).
        refuses: a run that fails before its first event is answered with `Door.refusal`; otherwise
            with status 200 and `Frames.end`.
    """

    run: Run
    frames: Frames
    start: int = 0
    merged: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    refuses: bool = True


Answer: TypeAlias = Reply | EventStream
