"""Ports of the loopback address."""

import random
import socket
from collections.abc import Callable

LOOPBACK = "127.0.0.1"
# Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections.
UNNAMED = (20_000, 32_000)


class PortOccupied(Exception):
    """Another program uses the port that the user asked for."""

    def __init__(self, port: int, occupant: str) -> None:
        super().__init__(
            f"port {port} is occupied by {occupant}: choose another one with --port, or leave "
            "--port out to get the next free port"
        )


class Ports:
    """Hands out free ports, each once."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def exactly(self, port: int, occupant: Callable[[int], str]) -> int:
        """Reserve `port`.

        Raises:
            PortOccupied: the port is in use.
        """
        if not self._free(port):
            raise PortOccupied(port, occupant(port))
        self._taken.add(port)
        return port

    def reserve(self, port: int) -> None:
        """Never hand out a port, which is in use here already."""
        self._taken.add(port)

    def is_taken(self, port: int) -> bool:
        """Whether the port was handed out here."""
        return port in self._taken

    def from_(self, port: int) -> int:
        """Reserve `port`, or the next free one after it."""
        while not self._free(port):
            port = port + 1 if port < 65535 else 1024  # noqa: PLR2004 - the range of user ports
        self._taken.add(port)
        return port

    def any(self) -> int:
        """Reserve any free port outside of the range of outgoing connections.

        The system may give a port of that range to a connection before it is used here.
        """
        return self.from_(random.randrange(*UNNAMED))  # noqa: S311 - no secret

    def release(self, *ports: int) -> None:
        """Let ports be handed out again."""
        self._taken.difference_update(ports)

    def _free(self, port: int) -> bool:
        if port in self._taken:
            return False
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
        return True
