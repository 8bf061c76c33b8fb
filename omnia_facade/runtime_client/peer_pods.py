"""The pods of the other side: found by their headless Service, with one connection for each."""

import asyncio
import socket
from collections.abc import Callable
from hashlib import sha256

import structlog
from msgspec import Struct

from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.runtime_client.routed import SessionPlacement

RESOLVE_SECONDS = 5.0
"""How long the addresses of a name hold."""
LOOK_UP_SECONDS = 2.0
GONE_SECONDS = 600.0
"""A pod that is shut down leaves its Service first, and still ends its turns."""
MAX_PODS = 64

_log = structlog.get_logger()

Open = Callable[[str, int], RuntimeClient]
"""Returns a client of the pod at an address and a port."""


class _Pod(Struct):
    """A pod that was found; `seen` is when it was found last, in seconds of the event loop."""

    client: RuntimeClient
    seen: float


class PeerPods:
    """Finds the pod of each session; a session keeps its pod while that pod exists."""

    def __init__(self, open_pod: Open) -> None:
        self._open_pod = open_pod
        self._pods: dict[tuple[str, int], _Pod] = {}
        self._found: tuple[tuple[str, int], ...] = ()
        self._address = ""
        self._found_at = 0.0
        self._lock = asyncio.Lock()

    async def reach(self, placed: SessionPlacement) -> RuntimeClient | None:
        """Return the client of the pod of a session, or None if there is no pod."""
        loop = asyncio.get_running_loop()
        if self._stale(placed.address, loop.time()):
            async with self._lock:
                if self._stale(placed.address, loop.time()):
                    await self._look_up(placed.address, loop)
        # Of all pods that of the highest hash: another pod that comes or goes moves few sessions.
        chosen = max(self._found, key=lambda at: _weight(at, placed.session_id), default=None)
        return None if chosen is None else self._pods[chosen].client

    async def close(self) -> None:
        """Close every connection."""
        pods, self._pods, self._found = self._pods, {}, ()
        for pod in pods.values():
            await pod.client.close()

    def _stale(self, address: str, now: float) -> bool:
        return address != self._address or now - self._found_at >= RESOLVE_SECONDS

    async def _look_up(self, address: str, loop: asyncio.AbstractEventLoop) -> None:
        host, _, port = address.rpartition(":")
        found: tuple[tuple[str, int], ...] = ()
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                infos = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
            found = tuple(sorted({(str(info[4][0]), int(info[4][1])) for info in infos}))[:MAX_PODS]
        # A name without ready pods is an error of the look-up.
        except (OSError, ValueError, UnicodeError) as error:
            _log.warning(
                "the address of the other side of the rollout was not resolved",
                peer=address,
                reason=str(error),
            )
        now = loop.time()
        for at in found:
            pod = self._pods.get(at)
            if pod is None:
                self._pods[at] = _Pod(self._open_pod(*at), now)
            else:
                pod.seen = now
        for at, pod in list(self._pods.items()):
            if now - pod.seen > GONE_SECONDS:
                del self._pods[at]
                await pod.client.close()
        self._address, self._found, self._found_at = address, found, loop.time()


def _weight(at: tuple[str, int], session_id: str) -> bytes:
    return sha256(f"{at}{session_id}".encode()).digest()
