"""List every kind now and then: what the watches have missed is found, and nothing is waited for
for longer than one round.
"""

import asyncio

import structlog

from omnia_core.errors import Code
from omnia_operator.cluster.client import ClusterClient
from omnia_operator.cluster.kinds import CUSTOM, WATCHED, ObjectKind
from omnia_operator.cluster.port import ClusterError
from omnia_operator.handlers.tuning import LABEL_SELECTOR, LABELLED
from omnia_operator.scheduling import EventIntake
from omnia_operator.scheduling.watches import Watches

# Watches do the daily work. At this pace 500 agents are looked at once a second or so.
INTERVAL_SECONDS = 600.0

_log = structlog.get_logger()


class Sweeper:
    """Lists what is watched."""

    def __init__(
        self,
        client: ClusterClient,
        inbox: EventIntake,
        watches: Watches,
        namespaces: tuple[str, ...],
    ) -> None:
        self._client = client
        self._inbox = inbox
        self._watches = watches
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)

    async def sweep(self) -> None:
        """List every kind once.

        Raises:
            ClusterError: the API server refuses a listing, or does not answer.
        """
        for kind in WATCHED:
            chosen = LABEL_SELECTOR if kind in LABELLED else {}
            for namespace in self._namespaces:
                found = await self._client.find_all(kind, namespace, chosen)
                if found is None:
                    _missing(kind)
                    break
                # Of some namespaces kopf does not notice a kind that comes later: its watch counts
                # as dead then, and the operator that is started again has it.
                self._watches.expect(kind)
                self._inbox.listed(kind, *found, namespace)

    async def first(self) -> None:
        """List every kind, however long the API server takes to answer."""
        delay = 1.0
        while True:
            try:
                await self.sweep()
            except ClusterError as error:
                if error.code is not Code.UNAVAILABLE:
                    raise
                _log.warning("the cluster is not listed", error=error.message)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 30.0)
            else:
                return

    async def run(self) -> None:
        """List every kind and look at every resource again, forever."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.sweep()
            except ClusterError as error:
                _log.warning("the cluster is not listed", error=error.message)
            self._inbox.wake_all(spread=INTERVAL_SECONDS / 2)


def _missing(kind: ObjectKind) -> None:
    if kind in CUSTOM:
        _log.warning(
            "the cluster does not have a kind, and the operator acts as if there were none of it",
            kind=kind.name,
            mend="kubectl apply --server-side -f charts/omnia/crds",
        )
