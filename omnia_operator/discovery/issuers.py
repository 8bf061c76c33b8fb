"""The public keys of token issuers: fetched now and then, once for all agents that trust one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from omnia_operator.resolve.issuers import Answer, IssuerKeys, NoKeys

# A provider may change its keys at any time; their old tokens are then no longer accepted.
FRESH_SECONDS = 60.0
FAILED_SECONDS = 15.0
# One agent's slow provider holds up the other agents for no longer than this.
PATIENCE_SECONDS = 1.0


_log = structlog.get_logger()

Fetch: TypeAlias = Callable[[], Awaitable[Answer]]


@dataclass
class _Known:
    answer: Answer = field(default_factory=lambda: NoKeys("Pending", "they are being fetched"))
    until: float = 0.0
    fetching: "asyncio.Task[None] | None" = None


class Issuers:
    """What is known of the issuers."""

    def __init__(
        self,
        discover: Callable[[str], Awaitable[Answer]],
        *,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._discover = discover
        self._clock = clock
        self._patience = patience
        self._known: dict[str, _Known] = {}

    async def oidc(self, issuer: str) -> Answer:
        """Return the keys of an OpenID provider."""
        return await self.look(issuer, lambda: self._discover(issuer))

    async def look(self, name: str, fetch: Fetch) -> Answer:
        """Return what is known under a name, after fetching it again if it is old.

        An answer that takes long is given the next time; until then the last one stands.
        """
        known = self._known.setdefault(name, _Known())
        if known.fetching is None and self._clock() >= known.until:
            known.fetching = asyncio.create_task(self._fetch(known, fetch))
        if known.fetching is not None:
            await asyncio.wait({known.fetching}, timeout=self._patience)
        return known.answer

    async def _fetch(self, known: _Known, fetch: Fetch) -> None:
        try:
            known.answer = await fetch()
        except Exception as error:  # noqa: BLE001 - one issuer's answer must not stop an agent
            _log.exception("the keys of an issuer cannot be read")
            known.answer = NoKeys("Unreachable", f"they cannot be read: {type(error).__name__}")
        finally:
            good = isinstance(known.answer, IssuerKeys)
            known.until = self._clock() + (FRESH_SECONDS if good else FAILED_SECONDS)
            known.fetching = None
