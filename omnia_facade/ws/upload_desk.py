"""The beginning of uploads over WebSocket."""

import asyncio

from omnia_facade.auth.principal import Principal
from omnia_facade.media.port import Uploads
from omnia_facade.ws.uploads import Client, SocketUploads

# What the disk may take for what clients have sent, at the end of the program.
CLOSE_SECONDS = 5.0


class UploadDesk:
    """Begins the uploads of connections; one for the whole program.

    Attributes:
        tasks: what is being done now.
    """

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, caller: Principal, client: Client) -> SocketUploads:
        """Begin for one connection."""
        return SocketUploads(self._uploads, caller, client, self.tasks)

    async def close(self) -> None:
        """Wait for what is being done; the connections are gone, so it is not much."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=CLOSE_SECONDS)
