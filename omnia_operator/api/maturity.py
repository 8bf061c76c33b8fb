"""Fields that are accepted but not implemented yet, and what happens today, in one table."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from omnia_core.names import Kind

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Later:
    """A field, or some of its values, without an implementation."""

    kind: Kind
    path: str
    """Field names with dots; `[]` after a name stands for every item of the list."""
    applies: Callable[[Any], bool]
    """Whether a value at the path is not implemented."""
    today: str
    """What happens instead."""
    ignored: bool = True
    """Whether the value has no effect, or that of another value."""


def _one_of(*values: object) -> Callable[[object], bool]:
    return lambda value: value in values


_CUSTOM = "Custom strategies are not implemented yet: `custom` acts as `sliding`."
_AGENT = Kind.AGENT_RUNTIME
_REGISTRY = Kind.TOOL_REGISTRY

LATER = (
    Later(
        _AGENT,
        "spec.runtime.autoscaling.minReplicas",
        _one_of(0),
        "At zero replicas the first request fails: nothing queues it until a pod is ready.",
        ignored=False,
    ),
    Later(_AGENT, "spec.provider.defaults.truncationStrategy", _one_of("custom"), _CUSTOM),
    Later(
        _REGISTRY,
        "spec.handlers[].auth.type",
        _one_of("workloadIdentity"),
        "Cloud tokens are not implemented yet: the model is not offered the handler's tools.",
    ),
    Later(Kind.PROVIDER, "spec.defaults.truncationStrategy", _one_of("custom"), _CUSTOM),
)


def notes(
    kind: Kind, document: dict[str, Any], *, ignored: bool = False
) -> Iterator[tuple[Path, str]]:
    """Yield path and text of every field of a document that is not implemented.

    Args:
        kind: kind of the document.
        document: the document.
        ignored: leave out fields that have an effect.
    """
    for later in LATER:
        if later.kind is kind and (later.ignored or not ignored):
            for path, value in _values(document, tuple(later.path.split(".")), ()):
                if later.applies(value):
                    yield path, later.today


def _values(value: object, names: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Any]]:
    if not names:
        yield path, value
        return
    name, rest = names[0], names[1:]
    key = name.removesuffix("[]")
    if not isinstance(value, dict) or value.get(key) is None:
        return
    if key == name:
        yield from _values(value[key], rest, (*path, key))
        return
    items = value[key] if isinstance(value[key], list) else []
    for index, item in enumerate(items):
        yield from _values(item, rest, (*path, key, index))


def annotate(kind: Kind, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with notes in the descriptions of such fields."""
    annotated = copy.deepcopy(schema)
    for later in LATER:
        if later.kind is kind:
            field = annotated
            for name in later.path.split("."):
                field = field["properties"][name.removesuffix("[]")]
                field = field["items"] if name.endswith("[]") else field
            field["description"] = f"{field['description']} Today: {later.today}"
    return annotated
