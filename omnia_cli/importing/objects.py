"""The model between readers and the writer: our objects, and where they come from."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict

from omnia_cli.importing.names import label
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION, Kind

_DESCRIPTION = "kubernetes.io/description"
# Of tools that made the objects: they would manage ours too.
_FOREIGN = (
    "app.kubernetes.io/managed-by",
    "helm.sh/",
    "meta.helm.sh/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "kubectl.kubernetes.io/",
    "kagent.dev/",
    "omnia.altairalabs.ai/",
)
_ORDER = (
    "Provider",
    "Secret",
    "ConfigMap",
    "PromptPack",
    "SessionRetentionPolicy",
    "ToolRegistry",
    "Deployment",
    "Service",
    "AgentRuntime",
)
_API_VERSIONS = {"ConfigMap": "v1", "Secret": "v1", "Service": "v1", "Deployment": "apps/v1"}


@dataclass
class Written:
    """An object to write.

    Attributes:
        body: what stands beside apiVersion, kind and metadata: `{"spec": …}`.
        sources: the objects of the input that it is made of, whose notes stand above it.
        group: the file that it is written to when it has no namespace.
    """

    kind: str
    namespace: str
    name: str
    body: JsonObject
    sources: list[Source] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    group: str = "default"

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace and name."""
        return self.kind, self.namespace, self.name

    @property
    def spec(self) -> JsonObject:
        """The spec."""
        spec: JsonObject = self.body["spec"]
        return spec

    def render(self) -> JsonObject:
        """Return the manifest."""
        metadata: JsonObject = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        if self.labels:
            metadata["labels"] = self.labels
        if self.annotations:
            metadata["annotations"] = self.annotations
        version = _API_VERSIONS.get(self.kind, API_VERSION)
        return {"apiVersion": version, "kind": self.kind, "metadata": metadata, **self.body}


@dataclass
class ImportResult:
    """The objects that readers have made, each once."""

    objects: dict[tuple[str, str, str], Written] = field(default_factory=dict)

    def add(self, written: Written) -> Written:
        """Add an object; one of the same kind and name that is there already stays."""
        known = self.objects.setdefault(written.key, written)
        if known.body != written.body and not _same(known.sources, written.sources):
            for source in written.sources[:1]:
                problem = f"another {written.kind} has the name {written.name}: rename one"
                source.note(NoteKind.SKIPPED, problem)
        return known

    def get(self, kind: str, namespace: str, name: str) -> Written | None:
        """Return an object that was made before."""
        return self.objects.get((kind, namespace, name))

    def ordered(self) -> list[Written]:
        """Return the objects by kind, each kind in the order in which it was made."""
        return sorted(self.objects.values(), key=lambda written: _ORDER.index(written.kind))


def custom(
    kind: Kind,
    namespace: str,
    name: str,
    spec: JsonObject,
    sources: Iterable[Source] = (),
    **more: Any,
) -> Written:
    """Return one of our resources; fields without a value are left out of its spec."""
    space = label(namespace) if namespace else ""
    return Written(str(kind), space, name, {"spec": present(spec)}, list(sources), **more)


def agent_runtime(
    source: Source, name: str, spec: JsonObject, description: str | None = None
) -> Written:
    """Return an AgentRuntime with the labels and annotations of the object that it is made of."""
    metadata = own_metadata(source)
    if description:
        metadata["annotations"][_DESCRIPTION] = description
    return custom(Kind.AGENT_RUNTIME, source.namespace, name, spec, [source], **metadata)


def present(value: JsonObject) -> JsonObject:
    """Return an object without fields that are empty."""
    return {key: inner for key, inner in value.items() if inner not in (None, {}, [], ())}


class Metadata(TypedDict):
    """Labels and annotations of an object."""

    labels: dict[str, str]
    annotations: dict[str, str]


def own_metadata(source: Source) -> Metadata:
    """Return the labels and annotations of an object that are not those of a tool."""
    metadata = source.value.get("metadata")
    found = metadata if isinstance(metadata, dict) else {}
    return {"labels": _own(found.get("labels")), "annotations": _own(found.get("annotations"))}


def _own(entries: Any) -> dict[str, str]:
    if not isinstance(entries, dict):
        return {}
    return {
        key: value
        for key, value in entries.items()
        if isinstance(value, str) and not key.startswith(_FOREIGN)
    }


def _same(one: list[Source], other: list[Source]) -> bool:
    return [id(source) for source in one] == [id(source) for source in other]
