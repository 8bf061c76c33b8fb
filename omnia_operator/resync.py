"""Lists every kind at an interval, which finds what the watches have missed."""

import asyncio

import structlog

from omnia_core.errors import Code
from omnia_operator.cluster.client import ClusterClient
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import CUSTOM, LABELLED, WATCHED, ObjectKind
from omnia_operator.handlers import LABEL_SELECTOR
from omnia_operator.scheduling import EventIntake
from omnia_operator.scheduling.liveness import WatchLiveness

# Watches deliver the changes. At this interval 500 agents are reconciled about once a second.
INTERVAL_SECONDS = 600.0
_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0

_log = structlog.get_logger()


class Resync:
    """Lists the watched kinds."""

    def __init__(
        self,
        client: ClusterClient,
        intake: EventIntake,
        liveness: WatchLiveness,
        namespaces: tuple[str, ...],
    ) -> None:
        self._client = client
        self._intake = intake
        self._liveness = liveness
        self._missing: set[ObjectKind] = set()
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)

    async def list_all(self) -> None:
        """List every kind once.

        Raises:
            ClusterError: the API server refused a listing, or did not answer.
        """
        for kind in WATCHED:
            selector = LABEL_SELECTOR if kind in LABELLED else {}
            for namespace in self._namespaces:
                found = await self._client.find_all(kind, namespace, selector)
                if found is None:
                    self._warn_missing(kind)
                    break
                self._missing.discard(kind)
                # When only some namespaces are watched, kopf does not notice a kind that is
                # installed later: its watch then counts as dead, and the operator is restarted.
                self._liveness.expect(kind)
                self._intake.listed(kind, *found, namespace)

    async def list_first(self) -> None:
        """List every kind once, and wait for an API server that does not answer."""
        delay, failure = _FIRST_RETRY_SECONDS, ""
        while True:
            try:
                await self.list_all()
            except ClusterError as error:
                if error.code is not Code.UNAVAILABLE:
                    raise
                if error.message != failure:
                    failure = error.message
                    _log.warning("the cluster cannot be listed", error=failure)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_RETRY_SECONDS)
            else:
                return

    async def run(self) -> None:
        """List every kind and queue every resource at an interval, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.list_all()
            except ClusterError as error:
                _log.warning("the cluster cannot be listed", error=error.message)
            self._intake.wake_all(spread=INTERVAL_SECONDS / 2)

    def _warn_missing(self, kind: ObjectKind) -> None:
        if kind in CUSTOM and kind not in self._missing:
            self._missing.add(kind)
            _log.warning(
                "the cluster lacks a kind: the operator continues as if no object of it existed",
                kind=kind.name,
                mend="upgrade the chart, or run: kubectl apply --server-side -f crds",
            )
