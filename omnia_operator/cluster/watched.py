"""The cluster as the watches deliver it: reads use the store, writes go to the API server."""

from collections.abc import Iterable, Mapping, Sequence

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.client import ClusterClient
from omnia_operator.cluster.errors import KindMissing
from omnia_operator.cluster.kinds import CONFIG_MAP, POD, ObjectKind
from omnia_operator.cluster.manifest import Addition, Manifest
from omnia_operator.cluster.store import DIGEST, Store
from omnia_operator.resolve import IssuerKeys, Key


class WatchedCluster:
    """An implementation of `Cluster` that reads from the store."""

    def __init__(self, client: ClusterClient, store: Store) -> None:
        self._client = client
        self._store = store
        self._served: set[ObjectKind] = set()
        self._content: dict[Key, tuple[str, JsonObject]] = {}

    async def get(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        found = self._store.get(kind, key)
        if found is None or kind != CONFIG_MAP or DIGEST not in found:
            return found
        return await self._config_map(key, found[DIGEST])

    async def read_live(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        return await self._client.get(kind, key)

    async def find(
        self, kind: ObjectKind, namespace: str | None = None, instance: str | None = None
    ) -> list[JsonObject]:
        return self._store.find(kind, namespace, instance)

    async def secret_values(self, key: Key) -> Mapping[str, str]:
        return await self._client.secret_values(key)

    async def apply(self, manifest: Manifest, *, known: bool) -> None:
        try:
            self._store.put(manifest.kind, await self._client.apply(manifest, known=known))
        except KindMissing:
            self._served.discard(manifest.kind)
            raise

    async def remove_additions(
        self, kind: ObjectKind, key: Key, additions: Iterable[Addition]
    ) -> None:
        changed = await self._client.remove_additions(kind, key, additions)
        if changed is not None:
            self._store.put(kind, changed)

    async def delete(self, kind: ObjectKind, key: Key, uid: str) -> None:
        await self._client.delete(kind, key, uid)

    async def annotate(self, kind: ObjectKind, key: Key, annotations: Mapping[str, str]) -> None:
        changed = await self._client.annotate(kind, key, annotations)
        if changed is not None and kind == POD:
            self._store.put(kind, changed)

    async def edit(self, kind: ObjectKind, key: Key, operations: Sequence[JsonObject]) -> None:
        # The watch delivers it: what was decided about the old one is written as its status first.
        await self._client.edit(kind, key, operations)

    async def put_status(self, kind: ObjectKind, key: Key, status: JsonObject) -> None:
        changed = await self._client.put_status(kind, key, status)
        if changed is not None:
            self._store.put(kind, changed)

    async def serves(self, kind: ObjectKind) -> bool:
        if kind not in self._served and await self._client.serves(kind):
            self._served.add(kind)
        return kind in self._served

    async def service_account_issuer(self) -> IssuerKeys:
        return await self._client.service_account_issuer()

    async def emit(self, event: JsonObject) -> None:
        await self._client.emit(event)

    async def _config_map(self, key: Key, digest: str) -> JsonObject | None:
        """Read the content of a ConfigMap, once per content."""
        known = self._content.get(key)
        if known is not None and known[0] == digest:
            return known[1]
        found = await self._client.get(CONFIG_MAP, key)
        if found is not None:
            self._content[key] = digest, found
        return found
