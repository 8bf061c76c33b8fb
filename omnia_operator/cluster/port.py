"""The port to the API server."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import ObjectKind
from omnia_operator.cluster.manifest import Addition, Manifest
from omnia_operator.resolve import IssuerKeys, Key


class Cluster(Protocol):
    """The API server, or a cache in front of it. Every method raises `ClusterError`.

    Callers must not change the objects of `get` and `find`. Secrets have hashes in place of
    values, and a cached object may be slightly out of date.
    """

    async def get(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        """Return an object; None if it does not exist."""
        ...

    async def read_live(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        """Return a user's object of a kind that is not watched, as the API server has it.

        Raises:
            Forbidden: the operator may not read it.
        """
        ...

    async def find(
        self, kind: ObjectKind, namespace: str | None = None, instance: str | None = None
    ) -> list[JsonObject]:
        """Return the objects of one or all namespaces; with `instance` those of one agent."""
        ...

    async def secret_values(self, key: Key) -> Mapping[str, str]:
        """Return the values of a Secret in base64; empty if it does not exist."""
        ...

    async def apply(self, manifest: Manifest, *, known: bool) -> None:
        """Create or change an object, and take over its fields from other field managers.

        `known` says that the object is the agent's. If it is not and the object turns out to have
        another owner, it stays unchanged and an error is raised.
        """
        ...

    async def remove_additions(
        self, kind: ObjectKind, key: Key, additions: Iterable[Addition]
    ) -> None:
        """Remove what others added to an object, unless it was changed meanwhile."""
        ...

    async def delete(self, kind: ObjectKind, key: Key, uid: str) -> None:
        """Delete an object, unless a newer one has its name."""
        ...

    async def annotate(self, kind: ObjectKind, key: Key, annotations: Mapping[str, str]) -> None:
        """Set annotations of an object, if it still exists."""
        ...

    async def edit(self, kind: ObjectKind, key: Key, operations: Sequence[JsonObject]) -> None:
        """Change single fields of a user's object by a JSON patch, unless a test of it fails.

        Raises:
            ClusterError: transient, if the object was changed meanwhile.
        """
        ...

    async def put_status(self, kind: ObjectKind, key: Key, status: JsonObject) -> None:
        """Write the status of an object, if it still exists."""
        ...

    async def serves(self, kind: ObjectKind) -> bool:
        """Whether the cluster has a kind."""
        ...

    async def service_account_issuer(self) -> IssuerKeys:
        """Return the issuer of ServiceAccount tokens and its keys."""
        ...

    async def emit(self, event: JsonObject) -> None:
        """Create an Event."""
        ...
