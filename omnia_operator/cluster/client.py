"""The client of the API server, over lightkube: server-side apply with one field manager."""

import contextlib
import functools
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from httpx2 import HTTPError, HTTPStatusError, Request, Response
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.core.generic_client import ALL_NS, ListAsyncIterable
from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.types import CascadeType, PatchType

from omnia_core.errors import Code
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.errors import ClusterError, Forbidden, KindMissing, name_taken
from omnia_operator.cluster.kinds import EVENT, LABELLED, LEASE, OPTIONAL, SECRET, ObjectKind
from omnia_operator.cluster.manifest import (
    Addition,
    Manifest,
    belongs,
    owner_of,
    redacted,
    removal,
)
from omnia_operator.cluster.store import version_of
from omnia_operator.resolve import IssuerKeys, Key

FIELD_MANAGER = labels.OPERATOR

PAGE = 50
"""Objects in one page of a listing. Larger pages raise the peak of the memory for parsing, of which
Python returns little to the system."""

_BEGAN = "omnia.began"
"""Extension of a request: when it was sent, by `time.monotonic`."""
_FORBIDDEN = 403
_NOT_FOUND = 404
_CONFLICT = 409
_INVALID = 422
_SERVER_ERROR = 500
# An expired token, a conflicting write and too many requests may pass.
_TRANSIENT = frozenset({401, _CONFLICT, 429})

P = ParamSpec("P")
T = TypeVar("T")


class RequestObserver:
    """Is told of each request to the API server; ignores it. Times are in seconds."""

    def answered(self, method: str, host: str, status: int, seconds: float) -> None:
        """Called for each answer, also for a refusal."""

    def failed(self, method: str, host: str) -> None:
        """Called for a request without an answer."""


def _mapped(
    call: Callable[Concatenate["ClusterClient", P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["ClusterClient", P], Coroutine[Any, Any, T]]:
    """Raise `ClusterError` for every error of the client."""

    @functools.wraps(call)
    async def translated(self: "ClusterClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await call(self, *args, **kwargs)
        except HTTPStatusError as error:
            raise _refusal(error) from error
        except HTTPError as error:
            self.unanswered(error)
            message = f"the API server does not answer: {type(error).__name__} {error}"
            raise ClusterError(Code.UNAVAILABLE, message, transient=True) from error

    return translated


def _refusal(error: HTTPStatusError) -> ClusterError:
    # For an unknown API group the API server answers with plain text, not a Kubernetes Status.
    text = error.status.message if isinstance(error, ApiError) else error.response.text.strip()
    status = error.response.status_code
    transient = status in _TRANSIENT or status >= _SERVER_ERROR
    code = Code.UNAVAILABLE if transient else Code.INVALID_ARGUMENT
    made = Forbidden if status == _FORBIDDEN else ClusterError
    return made(code, text or str(error), transient=transient)


def _namespace_ends(error: HTTPStatusError) -> bool:
    """Whether a request was refused because its namespace is being deleted."""
    details = error.status.details if isinstance(error, ApiError) else None
    causes = (details.causes if details is not None else None) or ()
    return any(cause.reason == "NamespaceTerminating" for cause in causes)


@functools.cache
def _resource(kind: ObjectKind) -> type[GenericNamespacedResource]:
    return create_namespaced_resource(kind.group, kind.version, kind.name, kind.plural)


class ClusterClient:
    """The API server. `WatchedCluster` in front of it makes it a `Cluster`."""

    def __init__(self, client: AsyncClient, observer: RequestObserver | None = None) -> None:
        # The overloads of lightkube are for typed objects; ours are JSON, as the manifests are.
        self._client: Any = client
        self._observer = observer or RequestObserver()
        # lightkube has no public access to its HTTP client, nor hooks of its own.
        client._client._client.event_hooks = {  # noqa: SLF001
            "request": [_begin],
            "response": [self._answered],
        }

    @_mapped
    async def get(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        found = await self._get(kind, key)
        return None if found is None else redacted(found)

    @_mapped
    async def find_all(
        self, kind: ObjectKind, namespace: str | None, selector: Mapping[str, str]
    ) -> tuple[list[JsonObject], int] | None:
        """List a kind by labels.

        Returns:
            The objects and the version of the listing; None if the cluster lacks the kind.
        """
        try:
            listed = self._listed(kind, namespace, selector)
            items = [_completed(kind, item) async for item in listed]
            return items, version_of({"resourceVersion": listed.resourceVersion})
        except HTTPStatusError as error:
            if error.response.status_code == _NOT_FOUND:
                return None
            raise

    @_mapped
    async def secret_values(self, key: Key) -> Mapping[str, str]:
        found = await self._get(SECRET, key)
        return {} if found is None else found.get("data") or {}

    @_mapped
    async def apply(self, manifest: Manifest, *, known: bool) -> JsonObject:
        if not known and manifest.kind in LABELLED:
            known = await self._present(manifest)
        try:
            applied = await self._apply(manifest, force=known)
        except HTTPStatusError as error:
            status = error.response.status_code
            if known and status == _INVALID:
                applied = await self._overwrite(manifest)
            elif not known and status == _CONFLICT and await self._present(manifest):
                applied = await self._apply(manifest, force=True)
            else:
                raise
        if applied is not None:
            return applied
        if manifest.kind in OPTIONAL:
            raise KindMissing(manifest.kind)
        message = f'there is no namespace "{manifest.key[0]}"'
        raise ClusterError(Code.NOT_FOUND, message, transient=False)

    @_mapped
    async def remove_additions(
        self, kind: ObjectKind, key: Key, additions: Iterable[Addition]
    ) -> JsonObject | None:
        """Remove what others added.

        Applying leaves it, as it belongs to another field manager, and replacing would make this
        operator its second owner.

        Returns:
            The object; None if it was changed meanwhile, or deleted: the watch tells.
        """
        try:
            return await self._patch(_resource(kind), key, removal(additions), PatchType.JSON)
        except HTTPStatusError as error:
            if error.response.status_code == _INVALID:  # something else has its place now
                return None
            raise

    @_mapped
    async def delete(self, kind: ObjectKind, key: Key, uid: str) -> None:
        found = await self._get(kind, key)
        if found is None or found["metadata"].get("uid") != uid:
            return
        try:
            await self._client.delete(
                _resource(kind), key[1], namespace=key[0], cascade=CascadeType.BACKGROUND
            )
        except HTTPStatusError as error:
            if error.response.status_code != _NOT_FOUND:
                raise

    @_mapped
    async def annotate(
        self, kind: ObjectKind, key: Key, annotations: Mapping[str, str]
    ) -> JsonObject | None:
        patch = {"metadata": {"annotations": dict(annotations)}}
        return await self._patch(_resource(kind), key, patch, PatchType.MERGE)

    @_mapped
    async def edit(
        self, kind: ObjectKind, key: Key, operations: Sequence[JsonObject]
    ) -> JsonObject | None:
        try:
            return await self._patch(
                _resource(kind),
                key,
                list(operations),
                PatchType.JSON,
                manager=labels.ROLLOUT_MANAGER,
            )
        except HTTPStatusError as error:
            if error.response.status_code == _INVALID:  # a test failed
                message = f"{kind} {key[1]} was changed meanwhile"
                raise ClusterError(Code.UNAVAILABLE, message, transient=True) from error
            raise

    @_mapped
    async def put_status(self, kind: ObjectKind, key: Key, status: JsonObject) -> JsonObject | None:
        namespace, name = key
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": name, "namespace": namespace},
            "status": status,
        }
        return await self._patch(_resource(kind).Status, key, body, PatchType.APPLY)

    @_mapped
    async def serves(self, kind: ObjectKind) -> bool:
        """Whether the cluster has a kind of an API group."""
        try:
            found = await self._path(f"/apis/{kind.api_version}")
        except HTTPStatusError as error:
            if error.response.status_code == _NOT_FOUND:
                return False
            raise
        return any(each.get("name") == kind.plural for each in found.get("resources") or ())

    @_mapped
    async def service_account_issuer(self) -> IssuerKeys:
        configuration = await self._path("/.well-known/openid-configuration")
        jwks = await self._path("/openid/v1/jwks")
        return IssuerKeys(configuration["issuer"], tuple(jwks["keys"]))

    @_mapped
    async def emit(self, event: JsonObject) -> None:
        made: Any = _resource(EVENT).from_dict(event)
        try:
            await self._client.create(made, namespace=event["metadata"]["namespace"])
        except HTTPStatusError as error:
            # The Event was created before, or nothing can be created any more.
            if error.response.status_code != _CONFLICT and not _namespace_ends(error):
                raise

    @_mapped
    async def get_lease(self, key: Key) -> JsonObject | None:
        """Return a Lease, read from the API server."""
        return await self._get(LEASE, key)

    @_mapped
    async def put_lease(self, lease: JsonObject) -> JsonObject:
        """Create or replace a Lease, unless another client changed it since it was read.

        Raises:
            ClusterError: transient, if another client changed it.
        """
        made = _resource(LEASE).from_dict(lease)
        namespace = lease["metadata"]["namespace"]
        known = lease["metadata"].get("resourceVersion")
        put = self._client.replace if known else self._client.create
        stored: JsonObject = await put(made, namespace=namespace)
        return stored

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def unanswered(self, error: HTTPError) -> None:
        """Report a request that got no answer."""
        with contextlib.suppress(RuntimeError):  # the error belongs to no request
            self._observer.failed(error.request.method, error.request.url.netloc.decode())

    async def _answered(self, response: Response) -> None:
        request = response.request
        seconds = time.monotonic() - request.extensions[_BEGAN]
        host = request.url.netloc.decode()
        self._observer.answered(request.method, host, response.status_code, seconds)

    async def _path(self, path: str) -> JsonObject:
        """Read a document outside the object API."""
        adapter = self._client._client  # noqa: SLF001 - lightkube has no public call for it
        response = await adapter.send(adapter._client.build_request("GET", path))  # noqa: SLF001
        response.raise_for_status()
        found: JsonObject = response.json()
        return found

    async def _get(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        try:
            found: JsonObject = await self._client.get(_resource(kind), key[1], namespace=key[0])
        except HTTPStatusError as error:
            if error.response.status_code == _NOT_FOUND:
                return None
            raise
        return found

    async def _overwrite(self, manifest: Manifest) -> JsonObject | None:
        """Replace whole lists, which apply merges: an entry of another manager may conflict."""
        await self._patch(_resource(manifest.kind), manifest.key, manifest.body, PatchType.MERGE)
        return await self._apply(manifest, force=True)

    async def _present(self, manifest: Manifest) -> bool:
        """Whether the agent has the object, although the store does not.

        Of some kinds the store lacks objects without the operator's labels, and applying merges our
        fields into any object that exists.

        Raises:
            NotOwned: the object belongs to somebody else.
        """
        live, owner = await self._get(manifest.kind, manifest.key), owner_of(manifest)
        if live is not None and not belongs(live, owner):
            raise name_taken(manifest.kind, manifest.key[1], owner, live)
        return live is not None

    async def _apply(self, manifest: Manifest, *, force: bool) -> JsonObject | None:
        resource, body = _resource(manifest.kind), manifest.body
        return await self._patch(resource, manifest.key, body, PatchType.APPLY, force=force)

    async def _patch(
        self,
        resource: Any,
        key: Key,
        body: JsonObject | list[JsonObject],
        kind: PatchType,
        *,
        force: bool = True,
        manager: str = FIELD_MANAGER,
    ) -> JsonObject | None:
        try:
            found: JsonObject = await self._client.patch(
                resource,
                key[1],
                body,
                namespace=key[0],
                patch_type=kind,
                field_manager=manager,
                force=force,
            )
        except HTTPStatusError as error:
            if error.response.status_code == _NOT_FOUND:
                return None
            raise
        return found

    def _listed(
        self, kind: ObjectKind, namespace: str | None, selector: Mapping[str, str]
    ) -> ListAsyncIterable[JsonObject]:
        listed: ListAsyncIterable[JsonObject] = self._client.list(
            _resource(kind),
            namespace=namespace or ALL_NS,
            chunk_size=PAGE,
            labels=dict(selector) or None,
        )
        return listed


async def _begin(request: Request) -> None:
    request.extensions[_BEGAN] = time.monotonic()


def _completed(kind: ObjectKind, listed: JsonObject) -> JsonObject:
    # managedFields is half of an object, and is not used.
    metadata = {key: value for key, value in listed["metadata"].items() if key != "managedFields"}
    # The items of a list lack apiVersion and kind.
    own = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
    return redacted({**listed, **own})
