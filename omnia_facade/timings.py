"""How long clients may take."""

from msgspec import Struct


class Timings(Struct, frozen=True, kw_only=True):
    """All in seconds.

    Attributes:
        head: until a request's head is complete.
        linger: for a refused client to read why, before the socket is cut.
        ping: of silence, after which a WebSocket is pinged.
        pong: of further silence, after which it is cut.
        close: until a closing handshake is complete.
        sweep: between two looks at all WebSockets.
        acknowledge: until a tool call of the client is acknowledged.
        execute: from then to its result.
        cancel: until a runtime has ended a cancelled turn.
        body: until the body of a function's call is complete.
        send: for a client to read an HTTP answer.
        keep_alive: from an HTTP answer to the next request's head.
    """

    head: float = 10.0
    linger: float = 2.0
    ping: float = 30.0
    pong: float = 60.0
    close: float = 5.0
    sweep: float = 2.0
    acknowledge: float = 5.0
    execute: float = 60.0
    cancel: float = 2.0
    body: float = 30.0
    send: float = 30.0
    keep_alive: float = 75.0


USUAL = Timings()
