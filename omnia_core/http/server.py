"""The aiohttp server of facade and history: it makes the protocol of each connection."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from omnia_core.http.connection import HttpConnection
from omnia_core.http.received import ConnectionSettings


class LimitedServer(web.Server):
    """Makes the protocol of each connection."""

    def __init__(
        self,
        handler: Callable[[Any], Awaitable[web.StreamResponse]],
        settings: ConnectionSettings,
        *,
        max_connections: int | None = None,
        **more: Any,
    ) -> None:
        """Serve with a handler; `more` is for aiohttp.

        With `max_connections`, a new connection beyond it ends the oldest one that is idle.
        """
        super().__init__(handler, **more)
        self._settings = settings
        self._max_connections = max_connections

    def __call__(self) -> HttpConnection:
        return HttpConnection(self, self._settings)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if self._max_connections and len(self._connections) > self._max_connections:
            open_ones = cast("list[HttpConnection]", self.connections)
            # The new one is the last: it is idle too.
            next(connection for connection in open_ones if connection.is_idle).force_close()
