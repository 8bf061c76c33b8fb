"""The ways to the agents and the history of a namespace: forwarded ports, and tokens for them."""

import asyncio
import base64
import binascii
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from omnia_cli.cluster import new_token
from omnia_cli.hub.directory import Upstream
from omnia_cli.port_forward import OPEN_SECONDS, PortForward
from omnia_cli.reaper import Reaper

# A token is renewed before it ends; one that does not say when it ends, after so many seconds.
_SPARE_SECONDS = 60.0
_USED_SECONDS = 300.0


class _Claims(Struct):
    exp: float


def ends_at(token: str, now: float) -> float:
    """Return until when a token is used, in seconds since the epoch.

    Its signature is not checked: the server does that.
    """
    try:
        payload = token.split(".")[1]
        claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(claims, type=_Claims).exp - _SPARE_SECONDS
    except (IndexError, binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return now + _USED_SECONDS


class ForwardTarget(Struct, frozen=True):
    """A port of a Service, and for whom its tokens are: an agent, or the history."""

    service: str
    namespace: str
    port: str
    audience: str
    audience_namespace: str


class Forwards:
    """The forwarded ports, each opened by its first use, and again when kubectl ended it."""

    def __init__(
        self, account: str, reaper: Reaper, clock: Callable[[], float] = time.time
    ) -> None:
        """Tokens are those of a ServiceAccount of the namespace."""
        self._account = account
        self._reaper = reaper
        self._clock = clock
        self._ports: dict[ForwardTarget, PortForward] = {}
        self._tokens: dict[ForwardTarget, tuple[str, float]] = {}
        self._locks: dict[ForwardTarget, asyncio.Lock] = {}

    async def upstream(self, place: ForwardTarget) -> Upstream:
        """Return the forwarded port of a place, and a token that is valid there.

        Raises:
            KubectlFailed: the port cannot be forwarded, or there is no token.
        """
        async with self._locks.setdefault(place, asyncio.Lock()):
            token = await self._token(place)
            forward = self._ports.get(place)
            if forward is not None and not forward.is_open:
                forward.close()
                forward = None
            if forward is None:
                forward = self._ports[place] = PortForward(
                    place.service, place.namespace, place.port, self._reaper
                )
            return Upstream(await _port(forward), token)

    async def close(self) -> None:
        """End every forwarding."""
        for forward in self._ports.values():
            forward.close()

    async def _token(self, place: ForwardTarget) -> str:
        token, until = self._tokens.get(place, ("", 0.0))
        if self._clock() >= until:
            token = await asyncio.to_thread(
                new_token, place.audience, place.audience_namespace, self._account
            )
            self._tokens[place] = token, ends_at(token, self._clock())
        return token


async def _port(forward: PortForward) -> int:
    """Return the port when kubectl has opened it.

    Raises:
        KubectlFailed: the Service cannot be reached.
    """
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            return await asyncio.wrap_future(forward.port)
    except TimeoutError:
        forward.close()
        return forward.port.result()
