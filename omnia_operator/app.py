"""The composition root: from an environment to an operator that acts while it holds the Lease."""

import asyncio
import datetime as dt
import socket
import time

import kopf
import structlog
from lightkube import AsyncClient
from prometheus_client import CollectorRegistry

from omnia_core.env import OperatorEnv
from omnia_core.health import HealthServer, Readiness
from omnia_operator.cluster.client import FIELD_MANAGER, ClusterClient
from omnia_operator.cluster.port import ClusterError
from omnia_operator.cluster.store import Store
from omnia_operator.cluster.watched import WatchedCluster
from omnia_operator.discovery import DiscoveryCache, Issuers, ServerDiscovery
from omnia_operator.discovery.oidc import discover
from omnia_operator.handlers import register, tuned
from omnia_operator.leader import Election
from omnia_operator.metrics import Levels, Metrics, held_agents, ready_agents
from omnia_operator.reconcile import reconcile
from omnia_operator.scheduling import EventIntake, Item, WorkQueues
from omnia_operator.scheduling.watches import Watches
from omnia_operator.settings import settings_of
from omnia_operator.sweep import Sweeper

_log = structlog.get_logger()


class Operator:
    """An operator that runs until it is told to end."""

    def __init__(self, env: OperatorEnv) -> None:
        self._env = env
        self._settings = settings_of(env)
        self._client = ClusterClient(AsyncClient(field_manager=FIELD_MANAGER))
        store = Store()
        self._cluster = WatchedCluster(self._client, store)
        self._lookout = DiscoveryCache(ServerDiscovery())
        self._issuers = Issuers(discover)
        self._queue = WorkQueues(self._reconcile)
        self._inbox = EventIntake(store, self._queue)
        self._watches = Watches(time.monotonic)
        self._sweeper = Sweeper(self._client, self._inbox, self._watches, env.watch_namespaces)
        self._election = Election(
            self._client,
            (env.lease_namespace, env.lease_name),
            env.lease_identity or socket.gethostname(),
            _micro_now,
        )
        registry = CollectorRegistry()
        self._metrics = Metrics(registry)
        registry.register(
            Levels(
                lambda: self._queue.depth,
                self._watches.ages,
                lambda: self._election.leading,
                lambda: ready_agents(store),
                lambda: held_agents(store),
            )
        )
        self._health = HealthServer(self._ready, registry, self._alive)
        self._listed = False

    async def run(self) -> None:
        """Run until a signal, or until another operator has the Lease.

        Raises:
            LeadershipLost: another operator may act.
        """
        self._health.start(self._env.bind_address, self._env.health_port)
        acting = asyncio.create_task(self._act())
        watching = asyncio.create_task(self._watch())
        try:
            # kopf takes SIGTERM and SIGINT: its end is the operator's.
            await asyncio.wait({acting, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _ended(acting, watching)
            await self._election.give_back()
            await self._client.close()
            self._health.stop()
        for task in (acting, watching):
            if not task.cancelled():
                task.result()

    async def _watch(self) -> None:
        registry = kopf.OperatorRegistry()
        register(registry, self._inbox, self._watches)
        namespaces = self._env.watch_namespaces
        await kopf.operator(
            registry=registry,
            settings=tuned(self._watches, clusterwide=not namespaces),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
        )

    async def _act(self) -> None:
        # Without a look at everything first, what has not been seen yet would count as missing.
        await self._sweeper.first()
        self._listed = True
        await self._election.win()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._election.keep())
            group.create_task(self._queue.run())
            group.create_task(self._sweeper.run())
            await self._sweeper.first()
            self._inbox.wake_all()

    async def _reconcile(self, item: Item) -> bool | float:
        kind, started = item.kind.name, time.perf_counter()
        result = "error"
        try:
            retry = await reconcile(
                self._cluster,
                item.kind,
                item.key,
                self._settings,
                self._lookout,
                _now(),
                self._issuers,
            )
            result = "retry" if retry is True else "ok"
        except ClusterError as error:
            result = "retry" if error.transient else "error"
            raise
        finally:
            self._metrics.reconciles.labels(kind, result).inc()
            self._metrics.duration.labels(kind).observe(time.perf_counter() - started)
        return retry

    async def _ready(self) -> Readiness:
        return Readiness(self._listed, "ok" if self._listed else "the cluster is not listed yet")

    async def _alive(self) -> Readiness:
        dead = self._watches.dead()
        return Readiness(not dead, f"dead watches: {', '.join(dead)}" if dead else "ok")


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
