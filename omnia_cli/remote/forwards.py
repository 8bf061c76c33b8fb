"""The ways to the agents and the history of a namespace: forwarded ports, and tokens for them."""

import asyncio
import base64
import binascii
import contextlib
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from omnia_cli.cluster import (
    SECONDS,
    forward_command,
    forwarded_port,
    missing,
    new_token,
    unreachable,
)
from omnia_cli.hub.directory import Upstream
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
        self._ports: dict[ForwardTarget, _Forward] = {}
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
            if forward is None or not forward.is_open:
                forward = self._ports[place] = await _Forward.open(place, self._reaper)
            return Upstream(forward.port, token)

    async def close(self) -> None:
        """End every forwarding."""
        await asyncio.gather(*(forward.close() for forward in self._ports.values()))

    async def _token(self, place: ForwardTarget) -> str:
        token, until = self._tokens.get(place, ("", 0.0))
        if self._clock() >= until:
            token = await asyncio.to_thread(
                new_token, place.audience, place.audience_namespace, self._account
            )
            self._tokens[place] = token, ends_at(token, self._clock())
        return token


class _Forward:
    """A running `kubectl port-forward`."""

    def __init__(self, port: int, process: asyncio.subprocess.Process, reaper: Reaper) -> None:
        self.port = port
        self._process = process
        self._reaper = reaper
        # It prints a line for each connection, and would stop when nobody reads them.
        self._reader = asyncio.create_task(_discard(process))

    @classmethod
    async def open(cls, place: ForwardTarget, reaper: Reaper) -> "_Forward":
        """Start it, and wait for its port.

        Raises:
            KubectlFailed: the port cannot be forwarded.
        """
        command = forward_command(place.service, place.namespace, place.port)
        process = await started(command, reaper)
        assert process.stdout  # noqa: S101 - it is a pipe
        line = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                line = await process.stdout.readline()
        port = forwarded_port(line.decode(errors="replace"))
        if port is None:
            await end(process, reaper)
            output = (line + await process.stdout.read()).decode(errors="replace")
            raise unreachable(place.service, place.namespace, output)
        return cls(port, process, reaper)

    @property
    def is_open(self) -> bool:
        return self._process.returncode is None

    async def close(self) -> None:
        await end(self._process, self._reaper)
        await self._reader


async def started(command: list[str], reaper: Reaper) -> asyncio.subprocess.Process:
    """Start a kubectl that ends with this process.

    Raises:
        KubectlFailed: there is no kubectl.
    """
    try:
        # In a session of its own, because Ctrl-C is for this process.
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise missing() from error
    reaper.watch(process.pid)
    return process


async def end(process: asyncio.subprocess.Process, reaper: Reaper) -> None:
    """End a started kubectl."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    reaper.forget(process.pid)


async def _discard(process: asyncio.subprocess.Process) -> None:
    assert process.stdout  # noqa: S101 - it is a pipe
    while await process.stdout.read(4096):
        pass
