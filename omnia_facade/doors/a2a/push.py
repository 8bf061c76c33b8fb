"""Push notifications: the states of a task are sent to addresses that its client names."""

import asyncio
import ipaddress
import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from msgspec.structs import replace

from omnia_core.addresses import Refuses, checked_socket, is_local, is_private
from omnia_core.jsonvalue import json_bytes
from omnia_facade.doors.a2a.errors import A2aError, Reason
from omnia_facade.doors.a2a.messages import (
    PushConfig,
    StatusUpdate,
    StreamResponse,
    document,
)
from omnia_facade.doors.a2a.rest import MEDIA_TYPE
from omnia_facade.doors.a2a.tasks import note_of, status_of, usage_metadata
from omnia_facade.runs.run import Run

if TYPE_CHECKING:
    import aiohttp

MAX_CONFIGS = 8
# Of a receiver; then it gets no more of this task.
MAX_FAILURES = 5
TRIES = 3
_TRY_SECONDS = 10.0
# Between tries, the first time; twice as long the next.
_PAUSE_SECONDS = 1.0
_MAX_HEADER = 2048
_CLUSTER = (".svc", ".svc.cluster.local")

_log = structlog.get_logger()


class PushNotifications:
    """Sends the states of tasks to receivers on a list of hosts."""

    def __init__(self, hosts: Collection[str], *, pause: float = _PAUSE_SECONDS) -> None:
        """`hosts` may be called, by name; empty refuses all. `pause` in seconds, after a try."""
        self._hosts = frozenset(host.lower() for host in hosts)
        self._pause = pause
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def require_enabled(self) -> None:
        """Check that there are hosts to send to.

        Raises:
            A2aError: PUSH_NOTIFICATION_NOT_SUPPORTED.
        """
        if not self._hosts:
            raise A2aError(
                Reason.PUSH_NOTIFICATION_NOT_SUPPORTED, "this agent sends no push notifications"
            )

    def check(self, config: PushConfig) -> None:
        """Check the address and the headers of a configuration.

        Raises:
            A2aError: it cannot be used.
        """
        self.require_enabled()
        problem = _problem(config, self._hosts)
        if problem:
            raise A2aError(Reason.INVALID_PARAMS, problem, field="url")

    def add(self, run: Run, config: PushConfig) -> PushConfig:
        """Send the states of a task from now on; one with the same id is replaced.

        Raises:
            A2aError: the configuration cannot be used, or there are too many.
        """
        self.check(config)
        configs = note_of(run).push
        config = replace(config, id=config.id or str(uuid.uuid4()), task_id=run.id)
        if config.id not in configs and len(configs) >= MAX_CONFIGS:
            raise A2aError(
                Reason.INVALID_PARAMS,
                f"a task has at most {MAX_CONFIGS} push notification configurations",
                field="id",
            )
        configs[config.id] = config
        if run.id not in self._senders and not run.state.final:
            self._watch(run)
        return config

    async def close(self) -> None:
        """End all deliveries."""
        for sender in tuple(self._senders.values()):
            sender.cancel()
        for session in self._sessions.values():
            await session.close()

    def _watch(self, run: Run) -> None:
        """Send each further change of the state of a run, in a task of its own."""
        updates: asyncio.Queue[StatusUpdate] = asyncio.Queue()

        def on_change(run: Run) -> None:
            update = StatusUpdate(
                task_id=run.id,
                context_id=run.session_id,
                status=status_of(run),
                metadata=usage_metadata(run.outcome),
            )
            updates.put_nowait(update)

        run.watch(on_change)
        sender = asyncio.get_running_loop().create_task(self._send_states(run, updates))
        self._senders[run.id] = sender
        sender.add_done_callback(lambda _: self._senders.pop(run.id, None))

    async def _send_states(self, run: Run, updates: "asyncio.Queue[StatusUpdate]") -> None:
        failures: dict[str, int] = {}
        while True:
            update = await updates.get()
            await self._notify(run, update, failures)
            if update.status.state.terminal:
                return

    async def _notify(self, run: Run, update: StatusUpdate, failures: dict[str, int]) -> None:
        body = json_bytes(document(StreamResponse(status_update=update)))
        configs = note_of(run).push
        targets = [
            config for name, config in configs.items() if failures.get(name, 0) < MAX_FAILURES
        ]
        delivered = await asyncio.gather(*(self._deliver(config, body) for config in targets))
        for config, done in zip(targets, delivered, strict=True):
            failures[config.id] = 0 if done else failures.get(config.id, 0) + 1
            if failures[config.id] == MAX_FAILURES:
                configs.pop(config.id, None)
                _log.warning("a push notification receiver is dropped", task_id=run.id)

    async def _deliver(self, config: PushConfig, body: bytes) -> bool:
        """Send a notification; return whether the receiver took it."""
        import aiohttp  # noqa: PLC0415 - loaded where the HTTP server is

        pause = self._pause
        for attempt in range(TRIES):
            try:
                async with self._session(config.url).post(
                    config.url, data=body, headers=_headers(config), allow_redirects=False
                ) as response:
                    if response.status < 300:  # noqa: PLR2004 - the successes
                        return True
                    if response.status < 500:  # noqa: PLR2004 - the request's own fault
                        return False
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                _log.debug("a push notification failed", reason=type(error).__name__)
            if attempt + 1 < TRIES:
                await asyncio.sleep(pause)
                pause *= 2
        return False

    def _session(self, url: str) -> "aiohttp.ClientSession":
        import aiohttp  # noqa: PLC0415 - as above

        refuses = refused_addresses(urlsplit(url).hostname or "")
        session = self._sessions.get(refuses.__name__)
        if session is None:
            session = aiohttp.ClientSession(
                # The address of the connection itself is checked, after the name is looked up.
                connector=aiohttp.TCPConnector(socket_factory=checked_socket(refuses)),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=_TRY_SECONDS),
            )
            self._sessions[refuses.__name__] = session
        return session


def refused_addresses(host: str) -> Refuses:
    """Return which addresses a listed host must not have.

    Whoever lists an address, this machine, or a Service of the cluster means it; any other name
    must not lead into the network of the pod.
    """
    if host == "localhost" or _is_address(host):
        return _nothing
    return is_local if host.endswith(_CLUSTER) else is_private


def _nothing(address: str) -> bool:  # noqa: ARG001 - none is refused
    return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _problem(config: PushConfig, hosts: Collection[str]) -> str:
    """Return why a configuration cannot be used, or ""."""
    try:
        url = urlsplit(config.url)
        host, _ = (url.hostname or "").rstrip("."), url.port
    except ValueError:
        return "the url is none"
    if host not in hosts:
        return f'the host "{host[:128]}" is not one that this agent sends push notifications to'
    inside = refused_addresses(host) is not is_private
    if url.scheme != "https" and not (url.scheme == "http" and inside):
        return "the url of a push notification begins with https://"
    if url.username or url.password:
        return "the url must not contain a credential; use authentication"
    values = (config.token, *_authorization(config))
    if any(
        len(value) > _MAX_HEADER or not value.isascii() or not value.isprintable()
        for value in values
    ):
        return "token and authentication must be printable ASCII on one line"
    return ""


def _authorization(config: PushConfig) -> tuple[str, ...]:
    authentication = config.authentication
    return (f"{authentication.scheme} {authentication.credentials}",) if authentication else ()


def _headers(config: PushConfig) -> dict[str, str]:
    headers = {"Content-Type": MEDIA_TYPE}
    for value in _authorization(config):
        headers["Authorization"] = value.strip()
    if config.token:
        headers["X-A2A-Notification-Token"] = config.token
    return headers
