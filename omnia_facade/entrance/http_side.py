"""The HTTP server of a port, which may be opened by the first request that needs it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

HttpProtocolFactory: TypeAlias = Callable[[], asyncio.Protocol]


class HttpSide:
    """Makes the protocol of an HTTP connection. An HTTP library costs a pod 10 to 25 MB.

    Attributes:
        factory: None before the server is open.
    """

    def __init__(
        self,
        open_server: Callable[[], Awaitable[HttpProtocolFactory]],
        serves: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Open nothing yet.

        Args:
            open_server: opens the server; called once.
            serves: whether the server is opened for a path; other paths never reach it.
        """
        self.factory: HttpProtocolFactory | None = None
        self.serves = serves
        self._open_server = open_server
        self._opening = asyncio.Lock()

    async def open(self) -> HttpProtocolFactory:
        """Return the factory, after opening the server if this is the first use."""
        async with self._opening:
            if self.factory is None:
                self.factory = await self._open_server()
        return self.factory
