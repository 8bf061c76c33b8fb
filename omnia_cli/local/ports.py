"""Ports of the loopback address."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections.
UNNAMED = (20_000, 32_000)


class PortOccupied(Exception):
    """The port that a manifest names is taken by another program."""

    def __init__(self, port: int, wanted_by: str) -> None:
        super().__init__(
            f"port {port} of {wanted_by} is occupied by another program: "
            "stop that program, or change the port in the manifest"
        )


class Ports:
    """Hands out free ports, each once."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def exactly(self, port: int, wanted_by: str) -> int:
        """Take `port`.

        Raises:
            PortOccupied: another program has it.
        """
        if not self._free(port):
            raise PortOccupied(port, wanted_by)
        self._taken.add(port)
        return port

    def from_(self, port: int) -> int:
        """Take `port`, or the next free one after it."""
        while not self._free(port):
            port = port + 1 if port < 65535 else 1024  # noqa: PLR2004 - the range of user ports
        self._taken.add(port)
        return port

    def any(self) -> int:
        """Take a port that nobody names.

        Not one that the system offers: between the choice and its use the system may give it to an
        outgoing connection.
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
