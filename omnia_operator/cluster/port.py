"""What the operator asks of a cluster."""

from collections.abc import Mapping
from typing import Protocol

from omnia_core.errors import Code, OmniaError
from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import ObjectKind
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.resolve import IssuerKeys, Key


class ClusterError(OmniaError):
    """The API server did not do what it was asked.

    Attributes:
        transient: whether the same request may succeed later.
    """

    def __init__(self, code: Code, message: str, *, transient: bool) -> None:
        super().__init__(code, message)
        self.transient = transient


class KindMissing(ClusterError):
    """The cluster does not have the kind: its CustomResourceDefinition is not installed."""

    def __init__(self, kind: ObjectKind) -> None:
        message = f"the cluster has no kind {kind} of {kind.api_version}"
        super().__init__(Code.UNIMPLEMENTED, message, transient=False)


class Cluster(Protocol):
    """The API server, or what is remembered of it. Every method raises `ClusterError`.

    The objects of `get` and `find` are for reading. Secrets come with hashes in place of values,
    and what was remembered may be a moment old.
    """

    async def get(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        """Return an object; None when it does not exist."""
        ...

    async def find(
        self, kind: ObjectKind, namespace: str | None = None, instance: str | None = None
    ) -> list[JsonObject]:
        """Return the objects of a namespace, or of all; with `instance` those of one agent."""
        ...

    async def secret_values(self, key: Key) -> Mapping[str, str]:
        """Return the values of a Secret, in base64; nothing when it does not exist."""
        ...

    async def apply(self, manifest: Manifest, *, known: bool) -> None:
        """Make an object as the manifest says, whoever else had a say in those fields.

        An object that is not `known` to be the agent's, and turns out to be somebody else's, is
        left alone: that is an error.
        """
        ...

    async def delete(self, kind: ObjectKind, key: Key, uid: str) -> None:
        """Delete an object, unless another one has taken its name."""
        ...

    async def annotate(self, kind: ObjectKind, key: Key, annotations: Mapping[str, str]) -> None:
        """Set annotations of an object, if it still exists."""
        ...

    async def put_status(self, kind: ObjectKind, key: Key, status: JsonObject) -> None:
        """Make the status of an object as given, if the object still exists."""
        ...

    async def service_account_issuer(self) -> IssuerKeys:
        """Return who signs the tokens of ServiceAccounts, with which keys."""
        ...

    async def emit(self, event: JsonObject) -> None:
        """Create an Event."""
        ...
