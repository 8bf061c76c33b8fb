"""Ports of the loopback address."""

import random
import socket
from collections.abc import Callable

LOOPBACK = "127.0.0.1"
# Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections.
UNNAMED = (20_000, 32_000)


class PortOccupied(Exception):
    """Another program uses the port that the user asked for."""

    def __init__(self, port: int, occupant: str, option: str) -> None:
        super().__init__(
            f"port {port} is occupied by {occupant}: choose another one with {option}, or leave "
            f"{option} out to get the next free port"
        )


class Ports:
    """Hands out free ports, each once on this machine, and holds them until they are released.

    A program binds its port some time after the port was found free. Until the release the UDP port
    of the same number is bound here: the system gives it to one process at a time, and frees it
    when that process dies. So no other `omnia` hands out the port meanwhile.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def exactly(self, port: int, occupant: Callable[[int], str], option: str = "--port") -> int:
        """Reserve the `port` of an option of the command.

        Raises:
            PortOccupied: the port is in use.
        """
        if not self._hold(port):
            raise PortOccupied(port, occupant(port), option)
        return port

    def is_taken(self, port: int) -> bool:
        """Whether the port was handed out here."""
        return port in self._held

    def from_(self, port: int) -> int:
        """Reserve `port`, or the next free one after it."""
        while not self._hold(port):
            port = port + 1 if port < 65535 else 1024  # noqa: PLR2004 - the range of user ports
        return port

    def any(self) -> int:
        """Reserve any free port outside of the range of outgoing connections.

        The system may give a port of that range to a connection before it is used here.
        """
        return self.from_(random.randrange(*UNNAMED))  # noqa: S311 - no secret

    def release(self, *ports: int) -> None:
        """Let ports be handed out again."""
        for port in ports:
            if holder := self._held.pop(port, None):
                holder.close()

    def close(self) -> None:
        """Release every port."""
        self.release(*list(self._held))

    def _hold(self, port: int) -> bool:
        """Hold a port; return whether it is free."""
        if port in self._held:
            return False
        holder = socket.socket(type=socket.SOCK_DGRAM)
        try:
            holder.bind((LOOPBACK, port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((LOOPBACK, port))
        except OSError:
            holder.close()
            return False
        self._held[port] = holder
        return True
