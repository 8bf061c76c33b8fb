"""What is behind the door, and what all connections at it have in common."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.principal import Principal
from omnia_facade.entrance.capacity import Capacity
from omnia_facade.entrance.head import RequestHead
from omnia_facade.entrance.rejections import Rejection
from omnia_facade.timings import USUAL, Timings

HttpServer: TypeAlias = Callable[[], asyncio.Protocol]
Upgrade: TypeAlias = Callable[[RequestHead, Principal], asyncio.Protocol]
# Answers who needs no credential and no server: a whole response, or None for all others.
StaticFrontPage: TypeAlias = Callable[[RequestHead], bytes | None]


class EntranceContext:
    """`http` when there are routes, otherwise conversations only."""

    def __init__(
        self,
        authenticator: Authenticator,
        capacity: Capacity,
        rejected: Callable[[Rejection], None],
        *,
        upgrade: Upgrade | None = None,
        http: HttpServer | None = None,
        allowed_origins: Sequence[str] = (),
        timings: Timings = USUAL,
    ) -> None:
        """`rejected` counts why somebody was refused."""
        self.authenticator = authenticator
        self.capacity = capacity
        self.rejected = rejected
        self.upgrade = upgrade
        self.http = http
        self.front: StaticFrontPage | None = None
        self.allowed_origins = tuple(allowed_origins)
        self.timings = timings
        # Whether everybody is let in who can connect, which only programs of this machine shall.
        self.local = False
        self.draining = False
        self.tasks: set[asyncio.Task[None]] = set()
