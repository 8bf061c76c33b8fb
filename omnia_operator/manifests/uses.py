"""Finds the objects that an object uses.

These are what pods run as and read, what an autoscaler scales, and where a route leads.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    HPA,
    HTTP_ROUTE,
    INGRESS,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    ObjectKind,
)


class Used(NamedTuple):
    """An object of the same namespace, by kind and name."""

    kind: ObjectKind
    name: str

    def __str__(self) -> str:
        return f'{self.kind} "{self.name}"'


# Fields of a pod whose value names an object: volumes, their sources, and sources of variables.
_FIELDS = {
    "configMap": CONFIG_MAP,
    "configMapKeyRef": CONFIG_MAP,
    "configMapRef": CONFIG_MAP,
    "secret": SECRET,
    "secretKeyRef": SECRET,
    "secretRef": SECRET,
    "nodePublishSecretRef": SECRET,
}
_NAMES = ("name", "secretName")


def uses(body: JsonObject) -> frozenset[Used]:
    """Return the objects that a manifest, or a live object, uses."""
    kind, spec = body.get("kind"), body.get("spec") or {}
    if kind == DEPLOYMENT.name:
        return frozenset(_of_pod((spec.get("template") or {}).get("spec") or {}))
    if kind in (HPA.name, SCALED_OBJECT.name):
        target = spec.get("scaleTargetRef") or {}
        return frozenset({Used(DEPLOYMENT, target.get("name", ""))})
    if kind in (INGRESS.name, HTTP_ROUTE.name):
        return frozenset(_of_routes(spec.get("rules") or ()))
    return frozenset()


def _of_routes(rules: Iterable[JsonObject]) -> Iterator[Used]:
    for rule in rules:
        for path in (rule.get("http") or {}).get("paths") or ():
            service = (path.get("backend") or {}).get("service") or {}
            yield Used(SERVICE, service.get("name", ""))
        for backend in rule.get("backendRefs") or ():
            yield Used(SERVICE, backend.get("name", ""))


def _of_pod(spec: JsonObject) -> Iterator[Used]:
    yield Used(SERVICE_ACCOUNT, spec.get("serviceAccountName") or "default")
    for reference in spec.get("imagePullSecrets") or ():
        yield Used(SECRET, reference.get("name", ""))
    yield from _read(spec)


def _read(value: Any) -> Iterator[Used]:
    """Yield the objects that any part of a pod names; volumes of users may be wrong."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _read(item)
    if not isinstance(value, dict):
        return
    for field, inner in value.items():
        kind = _FIELDS.get(field)
        if kind is not None and isinstance(inner, dict):
            names = (inner.get(name) for name in _NAMES)
            yield from (Used(kind, name) for name in names if isinstance(name, str))
        yield from _read(inner)
