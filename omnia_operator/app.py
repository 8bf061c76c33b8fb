"""Composes the operator: kopf is only the watcher, the rest is this package's own."""

import asyncio
import datetime as dt
import functools
import socket
import time

import kopf
from lightkube import AsyncClient, KubeConfig

from omnia_core.addresses import is_local, is_private
from omnia_core.env import OperatorEnv
from omnia_core.health import HealthServer, Readiness
from omnia_core.telemetry.program import log_start, program_registry
from omnia_operator.cluster.client import FIELD_MANAGER, ClusterClient
from omnia_operator.cluster.decoding import read_any_depth
from omnia_operator.cluster.kinds import AGENT_RUNTIME
from omnia_operator.cluster.store import Store
from omnia_operator.cluster.watched import WatchedCluster
from omnia_operator.discovery import DiscoveryCache, Egress, Issuers, Proxies, ServerDiscovery
from omnia_operator.discovery.issuers import discover
from omnia_operator.handlers import kopf_settings, register
from omnia_operator.leader import Election
from omnia_operator.metrics import (
    OperatorGauges,
    ReconcileMetrics,
    ReconcileResult,
    RequestMetrics,
    RolloutGauges,
    WorkQueueGauges,
    WorkQueueMetrics,
    policy_agents,
    ready_agents,
    rollout_statuses,
    unmet_conditions,
)
from omnia_operator.pod_checks import PodChecks, PodHealth
from omnia_operator.reconcile import Reconciler
from omnia_operator.reconcile.drift import Corrections
from omnia_operator.references import ObjectReference
from omnia_operator.resync import Resync
from omnia_operator.rollout.measuring import Measuring
from omnia_operator.scheduling import EventIntake, Requeue, WorkQueues
from omnia_operator.scheduling.liveness import WatchLiveness
from omnia_operator.settings import settings_of


class Operator:
    """The operator process. It acts while it holds the Lease."""

    def __init__(self, env: OperatorEnv) -> None:
        read_any_depth()
        self._env = env
        registry = program_registry("operator")
        # The environment's proxies are for servers outside the cluster. kopf leaves them out too.
        self._client = ClusterClient(
            AsyncClient(KubeConfig.from_env(), field_manager=FIELD_MANAGER, trust_env=False),
            RequestMetrics(registry),
        )
        store = Store()
        self._metrics = ReconcileMetrics(registry)
        egress = Egress(
            is_private if env.discovery_deny_private_addresses else is_local,
            Proxies(env.http_proxy, env.https_proxy, env.no_proxy),
            env.discovery_ca_file,
        )
        cluster = WatchedCluster(self._client, store)
        self._pod_checks = PodChecks(
            cluster,
            PodHealth(),
            lambda agent: self._queue.add(ObjectReference(AGENT_RUNTIME, agent)),
        )
        self._reconciler = Reconciler(
            cluster,
            settings_of(env),
            DiscoveryCache(ServerDiscovery(egress)),
            Issuers(functools.partial(discover, egress=egress)),
            self._pod_checks,
            Measuring(egress),
            corrections=Corrections(self._metrics.corrected),
        )
        self._queue = WorkQueues(self._reconcile, WorkQueueMetrics(registry))
        self._intake = EventIntake(store, self._queue)
        self._liveness = WatchLiveness(time.monotonic)
        self._resync = Resync(self._client, self._intake, self._liveness, env.watch_namespaces)
        self._election = Election(
            self._client,
            (env.lease_namespace, env.lease_name),
            env.lease_identity or socket.gethostname(),
            _micro_now,
        )
        registry.register(
            OperatorGauges(
                self._liveness.ages,
                (env.lease_name, lambda: self._election.leading),
                lambda: ready_agents(store),
                lambda: unmet_conditions(store),
                lambda: policy_agents(store),
            )
        )
        registry.register(RolloutGauges(lambda: rollout_statuses(store)))
        registry.register(WorkQueueGauges(self._queue.waiting, self._queue.running))
        self._health = HealthServer(self._ready, registry, self._alive)
        self._listed = False

    async def run(self) -> None:
        """Run until a signal, or until another operator has the Lease.

        Raises:
            LeadershipLost: another operator may act.
        """
        env = self._env
        log_start(
            "operator",
            lease=f"{env.lease_namespace}/{env.lease_name}",
            namespaces=list(env.watch_namespaces) or "all",
            facade_image=env.facade_image,
            runtime_image=env.runtime_image,
        )
        self._health.start(self._env.bind_address, self._env.health_port)
        acting = asyncio.create_task(self._act())
        watching = asyncio.create_task(self._watch())
        try:
            # kopf handles SIGTERM and SIGINT, and returns: the operator then stops too.
            await asyncio.wait({acting, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(acting, watching)
            await self._election.release()
            await self._client.close()
            self._health.stop()
        for task in (acting, watching):
            if not task.cancelled():
                task.result()

    async def _watch(self) -> None:
        registry = kopf.OperatorRegistry()
        register(registry, self._intake, self._liveness)
        namespaces = self._env.watch_namespaces
        await kopf.operator(
            registry=registry,
            settings=kopf_settings(self._liveness, clusterwide=not namespaces),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
        )

    async def _act(self) -> None:
        # Objects that are not listed yet would count as missing.
        await self._resync.list_first()
        self._listed = True
        await self._election.acquire()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._election.keep())
            group.create_task(self._queue.run())
            group.create_task(self._resync.run())
            group.create_task(self._pod_checks.run())
            await self._resync.list_first()
            self._intake.wake_all()

    async def _reconcile(self, item: ObjectReference) -> Requeue:
        started, result = time.perf_counter(), ReconcileResult.ERROR
        try:
            requeue = await self._reconciler.reconcile(item, _now())
            result = _result(requeue)
        finally:
            self._metrics.reconciled(item.kind, result, time.perf_counter() - started)
        return requeue

    async def _ready(self) -> Readiness:
        return Readiness(self._listed, "ok" if self._listed else "the cluster is not listed yet")

    async def _alive(self) -> Readiness:
        dead = self._liveness.dead()
        return Readiness(not dead, f"dead watches: {', '.join(dead)}" if dead else "ok")


def _result(requeue: Requeue) -> ReconcileResult:
    if requeue.backoff:
        return ReconcileResult.REQUEUE
    return ReconcileResult.SUCCESS if requeue.delay is None else ReconcileResult.REQUEUE_AFTER


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
