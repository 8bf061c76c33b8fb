"""Timeouts of clients and connections."""

from msgspec import Struct


class Timings(Struct, frozen=True, kw_only=True):
    """All in seconds.

    Attributes:
        head: until a request's head is complete.
        silent: until a connection whose head is not complete may be replaced in a full pod.
        linger: for a rejected client to read the answer, before the socket is closed.
        ping: of silence before a WebSocket is pinged.
        pong: of further silence before it is aborted.
        close: until a closing handshake is complete.
        sweep: between two checks of all WebSockets for silence.
        acknowledge: until a tool call of the client is acknowledged.
        execute: from then to its result; `OMNIA_CLIENT_TOOL_TIMEOUT` changes it.
        cancel: until the runtime has ended a cancelled turn.
        ready: for a runtime that starts to accept messages and calls.
        body: until the body of a request is complete; for uploads, of silence.
        send: for a client to read an HTTP answer.
        keep_alive: from an HTTP answer to the next request's head.
    """

    head: float = 10.0
    silent: float = 1.0
    linger: float = 2.0
    ping: float = 30.0
    pong: float = 60.0
    close: float = 5.0
    sweep: float = 2.0
    acknowledge: float = 5.0
    execute: float = 60.0
    cancel: float = 2.0
    ready: float = 8.0
    body: float = 30.0
    send: float = 30.0
    keep_alive: float = 75.0


USUAL = Timings()
