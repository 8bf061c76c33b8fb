"""Schemas that stand for themselves: what they refer to is written in, or under `$defs`.

What is referred to once is written where it is used, which models read best. What is used more
often, as everything recursive is, goes under `$defs`, so that the size stays that of the document.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.dialect import IN_PLACE, Schema, children, converted, plain
from omnia_core.openapi.document import lookup

_LARGEST = 20_000
# They say something about a schema without changing what it accepts.
_NOTES = frozenset({"$ref", "default", "deprecated", "description", "examples", "title"})


class SchemaWriter:
    """Writes the schemas of one operation.

    Args:
        document: what references lead into.
        roots: all schemas that will be written, with the place that errors name.

    Raises:
        ConfigurationError: a reference is wrong, or the schemas are larger than a model can use.
    """

    def __init__(self, document: JsonObject, roots: Iterable[tuple[str, object]]) -> None:
        self._document = document
        self._uses: Counter[str] = Counter()
        self._sound: set[str] = set()
        self._names: dict[str, str] = {}
        self._visited = 0
        self.definitions: JsonObject = {}
        for place, root in roots:
            self._count(place, root)

    def write(self, place: str, schema: object) -> Schema:
        """Return the schema without references out of it; `definitions` has its `$defs`."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise ConfigurationError(f"{place}: a schema is expected here")
        own = converted(schema, lambda keyword, each: self.write(f"{place}/{keyword}", each))
        return self._joined(place, schema["$ref"], own) if "$ref" in schema else own

    def _joined(self, place: str, reference: str, own: JsonObject) -> Schema:
        if self._uses[reference] > 1:
            return {"$ref": f"#/$defs/{self._define(place, reference)}", **own}
        target = self.write(reference, lookup(self._document, reference, place))
        if isinstance(target, bool):
            return target
        return {**target, **own} if own.keys() <= _NOTES else {**own, "allOf": _all(own, target)}

    def _define(self, place: str, reference: str) -> str:
        if reference not in self._names:
            name = self._name(reference)
            # Known before it is written: a recursive schema refers to itself.
            self._names[reference] = name
            self.definitions[name] = True
            target = lookup(self._document, reference, place)
            self.definitions[name] = self.write(reference, target)
        return self._names[reference]

    def _name(self, reference: str) -> str:
        wanted = re.sub(r"[^A-Za-z0-9_.-]", "_", reference.rpartition("/")[2]) or "schema"
        name, number = wanted, 1
        while name in self.definitions:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def _count(self, place: str, schema: object) -> None:
        self._visited += 1
        if self._visited > _LARGEST:
            raise ConfigurationError(f"{place}: the schemas are too large for a tool: divide them")
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            self._count_reference(place, schema["$ref"])
        for keyword, each in children(schema):
            self._count(f"{place}/{keyword}", each)

    def _count_reference(self, place: str, reference: object) -> None:
        target = lookup(self._document, reference, place)
        key = str(reference)
        self._uses[key] += 1
        if self._uses[key] == 1:
            self._refuse_loops(place, key, ())
            self._count(key, target)

    def _refuse_loops(self, place: str, reference: str, chain: tuple[str, ...]) -> None:
        """Refuse a schema that is defined by itself: a check of any value would never end."""
        if reference in chain:
            raise ConfigurationError(f'{place}: "{reference}" is defined by itself: correct it')
        if reference in self._sound:
            return
        target = lookup(self._document, reference, place)
        for inner in _in_place(target):
            self._refuse_loops(reference, inner, (*chain, reference))
        self._sound.add(reference)


def _in_place(schema: object) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for keyword, each in children(schema):
        if keyword in IN_PLACE:
            yield from _in_place(each)


def _all(own: JsonObject, target: JsonObject) -> list[Schema]:
    return [*plain(own.get("allOf", [])), target]
