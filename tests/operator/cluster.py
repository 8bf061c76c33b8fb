"""A cluster in memory: what a scenario begins with, and what it has become."""

import copy
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from omnia_core.errors import Code
from omnia_core.jsonvalue import JsonObject
from omnia_operator.check_threads import CheckThreads
from omnia_operator.cluster.errors import ClusterError, KindMissing, name_taken
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CUSTOM,
    DEPLOYMENT,
    HTTP_ROUTE,
    LABELLED,
    POD,
    ROUTING,
    SCALED_OBJECT,
    SECRET,
    ObjectKind,
    kind_of,
)
from omnia_operator.cluster.manifest import (
    Addition,
    Manifest,
    belongs,
    owned,
    owner_of,
    redacted,
    removal,
)
from omnia_operator.cluster.store import Store, is_ours
from omnia_operator.discovery import DiscoveryCache, Egress, Issuers, ServerDiscovery
from omnia_operator.discovery.issuers import discover
from omnia_operator.labels import INSTANCE
from omnia_operator.plan import Settings
from omnia_operator.pod_checks import STORE_CHECK, PodCheck, PodChecks, PodReport
from omnia_operator.reconcile import Reconciler
from omnia_operator.reconcile.claims import Claims
from omnia_operator.reconcile.drift import Corrections
from omnia_operator.references import ObjectReference
from omnia_operator.resolve import IssuerKeys, Key
from omnia_operator.rollout.measuring import Measuring
from omnia_operator.scheduling import Requeue
from tests.operator import objects, world

SETTINGS = Settings(facade_image="registry:5000/facade:1", runtime_image="registry:5000/runtime:1")
NOW = "2026-01-01T00:00:00Z"


class FakePods:
    """Answers for the pods, by their names; what is not there says nothing.

    Attributes:
        failures: why each cannot reach its session store, "" if it can.
        spent: why the budget of each is spent, "" if something is left.
    """

    def __init__(self) -> None:
        self.failures: dict[str, str] = {}
        self.spent: dict[str, str] = {}

    async def report(self, check: PodCheck, pod: str, address: str) -> PodReport | None:
        assert address
        failure = (self.failures if check is STORE_CHECK else self.spent).get(pod)
        return None if failure is None else PodReport(pod, failure)


class FakeCluster:
    """An implementation of `Cluster`. `writes` tells what was asked of it, in order."""

    def __init__(
        self,
        *documents: JsonObject,
        keda: bool = True,
        gateways: bool = True,
        istio: bool = True,
    ) -> None:
        self.objects: dict[tuple[ObjectKind, Key], JsonObject] = {}
        self.writes: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.told: list[Key] = []
        self.refuse: dict[tuple[ObjectKind, str], ClusterError] = {}
        self.forbidden: dict[tuple[str, ObjectKind], ClusterError] = {}
        self.discovery = DiscoveryCache(ServerDiscovery(Egress(lambda _: False)))
        self.issuers = Issuers(functools.partial(discover, egress=Egress(lambda _: False)))
        self.pods = FakePods()
        self.pod_checks = PodChecks(self, self.pods, self.told.append)
        self.measuring = Measuring(Egress(lambda _: False))
        self.claims = Claims()
        self.corrections = Corrections()
        self.checks = CheckThreads()
        self.issuer: IssuerKeys | ClusterError = IssuerKeys("https://cluster", ({"kid": "c1"},))
        self.webhooks: list[Callable[[ObjectKind, JsonObject], None]] = []
        self._applied: dict[tuple[ObjectKind, Key], JsonObject] = {}
        self.lacks = {
            kind for kind, there in ((SCALED_OBJECT, keda), (HTTP_ROUTE, gateways)) if not there
        }
        self.lacks |= set() if istio else set(ROUTING)
        self._count = 0
        self.put(*documents)

    def put(self, *documents: JsonObject) -> None:
        """Create or change objects as a user does."""
        for document in documents:
            kind = kind_of(document["apiVersion"], document["kind"])
            metadata = {"namespace": "default", **document["metadata"]}
            key = metadata["namespace"], metadata["name"]
            old = self.objects.get((kind, key))
            self._count += 1
            new: JsonObject = {"uid": f"uid-{self._count}", "generation": 0}
            kept = old["metadata"] if old else new
            generation = kept["generation"] + 1
            body = {**document, "metadata": {**kept, **metadata, "generation": generation}}
            if old and "status" in old:
                body["status"] = old["status"]
            self.objects[kind, key] = copy.deepcopy(body)

    def remove(self, kind: ObjectKind, name: str, namespace: str = "default") -> None:
        """Delete an object as a user does, with what it owns."""
        gone = self.objects.pop((kind, (namespace, name)))
        for place, each in list(self.objects.items()):
            if owned(each, gone["metadata"]["uid"]):
                del self.objects[place]

    def run_pods(self) -> None:
        """Let every Deployment have the pods that it wants, ready."""
        for (kind, _), live in self.objects.items():
            if kind == DEPLOYMENT:
                count = live["spec"].get("replicas", 1)
                counts = ("ready", "available", "updated")
                names = ("replicas", *(f"{each}Replicas" for each in counts))
                live["status"] = dict.fromkeys(names, count)
                live["status"]["observedGeneration"] = live["metadata"]["generation"]

    def surge(self) -> None:
        """Let every Deployment begin a rollout as Kubernetes does with maxUnavailable 0.

        One new pod is there beside the old ones, which are the available ones.
        """
        for (kind, _), live in self.objects.items():
            if kind == DEPLOYMENT:
                count = live["spec"].get("replicas", 1)
                live["status"] = {
                    "observedGeneration": live["metadata"]["generation"],
                    "replicas": count + 1,
                    "readyReplicas": count,
                    "availableReplicas": count,
                    "updatedReplicas": 1,
                    "unavailableReplicas": 1,
                }

    async def get(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        found = self.objects.get((kind, key))
        if found is None or (kind in LABELLED and not is_ours(found["metadata"])):
            return None  # the watches do not deliver it
        if is_ours(found["metadata"]):
            store = Store()
            store.put(kind, found)
            return store.get(kind, key)
        return redacted(copy.deepcopy(found))

    async def read_live(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        if refusal := self.forbidden.get(("read", kind)):
            raise refusal
        return None if kind in self.lacks else copy.deepcopy(self.objects.get((kind, key)))

    async def find(
        self, kind: ObjectKind, namespace: str | None = None, instance: str | None = None
    ) -> list[JsonObject]:
        return [
            redacted(copy.deepcopy(each))
            for (its, key), each in sorted(self.objects.items(), key=lambda item: item[0][1])
            if its == kind
            and namespace in (None, key[0])
            and instance in (None, each["metadata"].get("labels", {}).get(INSTANCE))
        ]

    async def secret_values(self, key: Key) -> Mapping[str, str]:
        found = self.objects.get((SECRET, key))
        return {} if found is None else found["data"]

    async def apply(self, manifest: Manifest, *, known: bool) -> None:
        if manifest.kind in self.lacks:
            raise KindMissing(manifest.kind)
        if refusal := self.refuse.get((manifest.kind, manifest.key[1])):
            raise refusal
        live, owner = self.objects.get((manifest.kind, manifest.key)), owner_of(manifest)
        if live is not None and not known and not belongs(live, owner):
            raise name_taken(manifest.kind, manifest.key[1], owner, live)
        self.writes.append(f"apply {manifest.kind} {manifest.key[1]}")
        former = self._applied.get((manifest.kind, manifest.key), {}) if live else {}
        self.put(_merged(live or {}, manifest.body, former))
        self._applied[manifest.kind, manifest.key] = copy.deepcopy(manifest.body)
        self._mutate(manifest.kind, manifest.key)

    async def remove_additions(
        self, kind: ObjectKind, key: Key, additions: Iterable[Addition]
    ) -> None:
        self.writes.append(f"remove {kind} {key[1]}")
        live = copy.deepcopy(self.objects[kind, key])
        for operation in removal(additions):
            *parents, last = operation["path"].removeprefix("/").split("/")
            holder: Any = live
            for part in parents:
                holder = holder[_index(holder, part)]
            index = _index(holder, last)
            if operation["op"] == "remove":
                del holder[index]
            elif holder[index] != operation["value"]:
                return  # the API server refuses the whole patch
        self.put(live)
        self._mutate(kind, key)

    def _mutate(self, kind: ObjectKind, key: Key) -> None:
        for webhook in self.webhooks:
            webhook(kind, self.objects[kind, key])

    async def delete(self, kind: ObjectKind, key: Key, uid: str) -> None:
        assert self.objects[kind, key]["metadata"]["uid"] == uid
        self.writes.append(f"delete {kind} {key[1]}")
        del self.objects[kind, key]

    async def annotate(self, kind: ObjectKind, key: Key, annotations: Mapping[str, str]) -> None:
        self.writes.append(f"annotate {kind} {key[1]}")
        metadata = self.objects[kind, key]["metadata"]
        metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}

    async def edit(self, kind: ObjectKind, key: Key, operations: Sequence[JsonObject]) -> None:
        if refusal := self.forbidden.get(("edit", kind)):
            raise refusal
        self.writes.append(f"edit {kind} {key[1]}")
        self.put(patched(self.objects[kind, key], operations))

    async def put_status(self, kind: ObjectKind, key: Key, status: JsonObject) -> None:
        self.writes.append(f"status {kind} {key[1]}")
        self.objects[kind, key]["status"] = copy.deepcopy(status)

    async def serves(self, kind: ObjectKind) -> bool:
        return kind not in self.lacks

    async def service_account_issuer(self) -> IssuerKeys:
        if isinstance(self.issuer, ClusterError):
            raise self.issuer
        return self.issuer

    async def emit(self, event: JsonObject) -> None:
        self.events.append((event["involvedObject"]["name"], event["reason"]))

    async def settle(self, settings: Settings = SETTINGS, now: str = NOW) -> None:
        """Reconcile every custom resource until nothing changes any more."""
        for _ in range(5):
            before = len(self.writes)
            for kind, key in [place for place in self.objects if place[0] in CUSTOM]:
                await self.reconcile(kind, key[1], settings, now, namespace=key[0])
            if len(self.writes) == before:
                return
        raise AssertionError(f"it does not settle: {self.writes}")

    async def reconcile(
        self,
        kind: ObjectKind,
        name: str = "helper",
        settings: Settings = SETTINGS,
        now: str = NOW,
        namespace: str = "default",
    ) -> Requeue:
        """Reconcile one resource."""
        reconciler = Reconciler(
            self,
            settings,
            self.discovery,
            self.issuers,
            self.pod_checks,
            self.measuring,
            self.claims,
            self.corrections,
            self.checks,
        )
        return await reconciler.reconcile(ObjectReference(kind, (namespace, name)), now)

    def status(self, name: str = "helper", kind: ObjectKind = AGENT_RUNTIME) -> JsonObject:
        """Return the status of a custom resource."""
        status: JsonObject = self.objects[kind, ("default", name)]["status"]
        return status

    def conditions(self, name: str = "helper", kind: ObjectKind = AGENT_RUNTIME) -> dict[str, str]:
        """Return status and reason of each condition, as `True: Reason`."""
        return {
            each["type"]: f"{each['status']}: {each['reason']}"
            for each in self.status(name, kind)["conditions"]
        }

    def message(self, condition: str, name: str = "helper") -> str:
        """Return the message of a condition."""
        found = [each for each in self.status(name)["conditions"] if each["type"] == condition]
        return str(found[0]["message"])

    def names(self, kind: ObjectKind) -> list[str]:
        """Return the names of the objects of a kind."""
        return sorted(key[1] for its, key in self.objects if its == kind)

    def live(self, kind: ObjectKind, name: str = "helper") -> JsonObject:
        """Return an object."""
        return self.objects[kind, ("default", name)]


def _index(holder: Any, part: str) -> Any:
    if part == "-":
        return part
    return int(part) if isinstance(holder, list) else part.replace("~1", "/").replace("~0", "~")


def patched(document: JsonObject, operations: Iterable[JsonObject]) -> JsonObject:
    """Apply a JSON patch as the API server does; a test that fails is a conflict."""
    made: JsonObject = copy.deepcopy(document)
    for operation in operations:
        *parents, last = operation["path"].removeprefix("/").split("/")
        holder: Any = made
        for part in parents:
            holder = holder[_index(holder, part)]
        key = _index(holder, last)
        if operation["op"] == "remove":
            del holder[key]
        elif operation["op"] == "add" and isinstance(holder, list):
            holder.insert(len(holder) if last == "-" else key, operation["value"])
        elif operation["op"] == "replace" and isinstance(holder, dict) and key not in holder:
            raise unavailable()
        elif operation["op"] != "test":
            holder[key] = operation["value"]
        elif (holder[key] if isinstance(holder, list) else holder.get(key)) != operation["value"]:
            raise unavailable()
    return made


def _merged(live: JsonObject, wanted: JsonObject, former: JsonObject) -> JsonObject:
    """Apply as the server does, near enough: what others added stays, what we wanted before goes.

    Lists with names in them are merged too.
    """
    merged = {key: value for key, value in live.items() if key not in former.keys() - wanted.keys()}
    for key, value in wanted.items():
        merged[key] = _merged_value(live.get(key), value, former.get(key))
    return merged


def _merged_value(live: Any, wanted: Any, former: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return _merged(live, wanted, former if isinstance(former, dict) else {})
    if not isinstance(wanted, list) or not isinstance(live, list):
        return wanted
    ours, theirs, before = map(_by_name, (wanted, live, former or []))
    if ours is None or theirs is None:
        return wanted
    gone = (before or {}).keys() - ours.keys()
    return [
        *(
            _merged_value(theirs.get(name), each, (before or {}).get(name))
            for name, each in ours.items()
        ),
        *(each for name, each in theirs.items() if name not in ours and name not in gone),
    ]


def _by_name(entries: list[Any]) -> dict[str, Any] | None:
    """Return the entries of a list that server-side apply merges, by what tells them apart."""
    if not all(isinstance(entry, dict) and "name" in entry for entry in entries):
        return None
    return {entry.get("mountPath", entry["name"]): entry for entry in entries}


def unavailable() -> ClusterError:
    return ClusterError(Code.UNAVAILABLE, "try again", transient=True)


def config_map(name: str, data: dict[str, str]) -> JsonObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, data: dict[str, str], namespace: str = "default") -> JsonObject:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def running_pod(name: str, instance: str = "helper") -> JsonObject:
    made = pod(name, instance=instance)
    return {**made, "status": {"phase": "Running", "podIP": "10.0.0.1"}}


def pod(name: str, container: JsonObject | None = None, *, instance: str = "helper") -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": POD.name,
        "metadata": {"name": name, "labels": {INSTANCE: instance}},
        "status": {"containerStatuses": [{"name": "runtime", **container}] if container else []},
    }


def everything(change: JsonObject | None = None, **metadata: object) -> tuple[JsonObject, ...]:
    """An agent with all that it refers to."""
    return (
        objects.agent(change, **metadata),
        objects.pack(),
        config_map("pack-json", {"pack.json": world.PACK_TEXT}),
        objects.provider(),
    )


async def settled(*documents: JsonObject, keda: bool = True, gateways: bool = True) -> FakeCluster:
    """Return a cluster in which the objects are reconciled and their pods run."""
    cluster = FakeCluster(*documents, keda=keda, gateways=gateways)
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()
    cluster.writes.clear()
    return cluster
