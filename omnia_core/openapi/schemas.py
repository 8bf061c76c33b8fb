"""Makes schemas self-contained JSON Schemas: references are inlined, or moved under `$defs`.

A schema that is used once is inlined, which models read best. A schema that is used more often, and
every recursive one, goes under `$defs`, so that the result is not larger than the document.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.document import lookup
from omnia_core.openapi.keywords import (
    ANNOTATIONS,
    IN_PLACE,
    Schema,
    converted,
    nullable,
    says_read_only,
)

_MAX_SCHEMAS = 20_000
_LONGEST_CHAIN = 32
# A value in place of a schema, such as null, allows any value.
_ANY: JsonObject = {}


class SchemaNode:
    """A schema of the document, converted once for all operations.

    Attributes:
        schema: as the document has it. It is kept, so that its id stays its own.
        own: the converted schema without its reference. Schemas in it that have references are
            nodes.
        reference: its own reference, "" without one.
        references: all references in it, as often as they occur; not those behind references.
        in_place: the references that apply to the same value.
        size: the number of schemas in it.
    """

    __slots__ = (
        "_nullable",
        "_open",
        "_shared",
        "in_place",
        "own",
        "reference",
        "references",
        "schema",
        "size",
    )

    def __init__(self, schema: JsonObject, cache: "SchemaCache", place: str) -> None:
        """Convert a schema and those in it.

        Raises:
            ConfigurationError: a reference is invalid.
        """
        self.schema = schema
        self.size = 1
        self.references: list[str] = []
        self.in_place: list[str] = []
        self.reference = ""
        if "$ref" in schema:
            self.reference = cache.reference(schema["$ref"], place)
            self.references.append(self.reference)
            self.in_place.append(self.reference)

        def child(keyword: str, inner: object) -> object:
            part = cache.node(inner, f"{place}/{keyword}")
            if isinstance(part, bool):
                return part
            self.size += part.size
            self.references += part.references
            if keyword in IN_PLACE:
                self.in_place += part.in_place
            return part if part.references else part.own

        self._nullable = schema.get("nullable") is True
        self.own = converted(cache.opened(schema), child, cache.is_read_only)
        self._open = [keyword for keyword, value in self.own.items() if _has_nodes(value)]
        if self._nullable and not self.references:
            self.own = nullable(self.own)
        self._shared: Schema | None = None

    def written(self, writer: "SchemaWriter") -> Schema:
        """Return the schema with its references as `writer` writes them."""
        if not self.references:
            return self.own
        # The same in all operations in which each of its references becomes a definition.
        is_shared = all(map(writer.defines, self.references))
        if is_shared and self._shared is not None:
            return self._shared
        own = dict(self.own)
        for keyword in self._open:
            own[keyword] = _written(own[keyword], writer)
        result = writer.joined(self.reference, own) if self.reference else own
        if self._nullable and isinstance(result, dict):
            result = nullable(result)
        if is_shared:
            self._shared = result
        return result


class SchemaCache:
    """What the operations of one document share; without it large documents take minutes."""

    def __init__(self, document: JsonObject) -> None:
        self._document = document
        self._nodes: dict[int, SchemaNode] = {}
        self._targets: dict[str, SchemaNode | bool] = {}
        self._sound: set[str] = set()
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._numbers: defaultdict[str, int] = defaultdict(lambda: 1)
        self._writers: dict[tuple[str | int, ...], SchemaWriter] = {}

    def close(self) -> None:
        """Let go of the document: the writers refer to the cache, so that both would stay.

        A large document that stays until the next collection is in memory beside the next one.
        """
        self._document = {}
        self._nodes.clear()
        self._targets.clear()
        self._writers.clear()

    def node(self, schema: object, place: str) -> SchemaNode | bool:
        """Return the node of a schema; a boolean schema is its own.

        Raises:
            ConfigurationError: a reference in it is invalid.
        """
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            schema = _ANY
        found = self._nodes.get(id(schema))
        if found is None:
            found = self._nodes[id(schema)] = SchemaNode(schema, self, place)
        return found

    def followed(self, schema: object) -> JsonObject:
        """Return what the references of a schema lead to; {} if this is no object."""
        for _ in range(_LONGEST_CHAIN):
            if not isinstance(schema, dict):
                break
            if "$ref" not in schema:
                return schema
            try:
                schema = lookup(self._document, schema["$ref"], "")
            except ConfigurationError:
                break
        return {}

    def is_read_only(self, schema: object) -> bool:
        """Whether a property appears in responses only, also by its reference."""
        return says_read_only(schema) or (
            isinstance(schema, dict) and "$ref" in schema and says_read_only(self.followed(schema))
        )

    def opened(self, schema: JsonObject) -> JsonObject:
        """Return a schema whose parts under `allOf` do not refuse the fields of each other.

        Nothing fits parts that do, and their server means all fields.
        """
        parts = schema.get("allOf")
        if not isinstance(parts, list):
            return schema
        closed = schema.get("additionalProperties") is False
        if len(parts) == 1 and not closed and "properties" not in schema:
            return schema
        rest = {
            key: value
            for key, value in schema.items()
            if key != "additionalProperties" or not closed
        }
        return {**rest, "allOf": [self._open_part(part) for part in parts]}

    def _open_part(self, part: object) -> object:
        target = self.followed(part)
        if not isinstance(part, dict) or target.get("additionalProperties") is not False:
            return part
        beside = part if "$ref" in part else {}
        return {
            key: value
            for key, value in {**target, **beside}.items()
            if key not in ("$ref", "additionalProperties")
        }

    def reference(self, reference: object, place: str) -> str:
        """Return a reference that has a target.

        Raises:
            ConfigurationError: it leads out of the document, or has no target.
        """
        if not isinstance(reference, str) or reference not in self._targets:
            lookup(self._document, reference, place)
        return str(reference)

    def target(self, reference: str) -> SchemaNode | bool:
        """Return what a reference leads to.

        Raises:
            ConfigurationError: this is no schema, or it is defined by itself.
        """
        if reference not in self._targets:
            found = lookup(self._document, reference, reference)
            self._targets[reference] = self.node(found, reference)
        if reference not in self._sound:
            self._refuse_loops(reference, ())
        return self._targets[reference]

    def definition_name(self, reference: str) -> str:
        """Return the name under `$defs` of what a reference leads to."""
        if reference not in self._names:
            wanted = re.sub(r"[^A-Za-z0-9_.-]", "_", reference.rpartition("/")[2]) or "schema"
            name = wanted
            # It goes on where it ended: a document may have thousands with the same last word.
            while name in self._taken:
                self._numbers[wanted] += 1
                name = f"{wanted}_{self._numbers[wanted]}"
            self._names[reference] = name
            self._taken.add(name)
        return self._names[reference]

    def writer(self, roots: Iterable[SchemaNode | bool], place: str) -> "SchemaWriter":
        """Return the writer of an operation with these schemas.

        Operations with the same references share their writer. Error messages begin with `place`.

        Raises:
            ConfigurationError: a reference is invalid, or the schemas are too large for a model.
        """
        referring = [root for root in roots if not isinstance(root, bool) and root.references]
        key = tuple(
            root.reference if root.schema.keys() == {"$ref"} else id(root) for root in referring
        )
        if key not in self._writers:
            self._writers[key] = SchemaWriter(self, referring, place)
        return self._writers[key]

    def _refuse_loops(self, reference: str, chain: tuple[str, ...]) -> None:
        """Refuse a schema that is defined by itself: validation of any value would never end."""
        if reference in chain:
            raise ConfigurationError(f'{chain[-1]}: "{reference}" is defined by itself: correct it')
        if reference in self._sound:
            return
        if reference not in self._targets:
            found = lookup(self._document, reference, reference)
            self._targets[reference] = self.node(found, reference)
        target = self._targets[reference]
        for inner in [] if isinstance(target, bool) else target.in_place:
            self._refuse_loops(inner, (*chain, reference))
        self._sound.add(reference)


class SchemaWriter:
    """Writes the schemas of one operation.

    Attributes:
        definitions: the `$defs` that the written schemas refer to.
    """

    def __init__(self, cache: SchemaCache, roots: list[SchemaNode], place: str) -> None:
        self._cache = cache
        self._uses: Counter[str] = Counter()
        self._count(roots, place)
        self.definitions: JsonObject = {
            cache.definition_name(reference): self.write(cache.target(reference))
            for reference in self._uses
            if self.defines(reference)
        }

    def write(self, node: SchemaNode | bool) -> Schema:
        """Return a schema whose references lead only to `definitions`."""
        return node if isinstance(node, bool) else node.written(self)

    def defines(self, reference: str) -> bool:
        """Whether the schema behind a reference is a definition."""
        return self._uses[reference] > 1

    def joined(self, reference: str, own: JsonObject) -> Schema:
        """Return the schema behind a reference together with what stands beside the reference."""
        if self.defines(reference):
            return {"$ref": f"#/$defs/{self._cache.definition_name(reference)}", **own}
        target = self.write(self._cache.target(reference))
        if isinstance(target, bool):
            return target and own
        if own.keys() <= ANNOTATIONS:
            return {**target, **own}
        return {**own, "allOf": [*own.get("allOf", []), target]}

    def _count(self, roots: list[SchemaNode], place: str) -> None:
        visited, waiting = 0, list(roots)
        while waiting:
            node = waiting.pop()
            visited += node.size
            if visited > _MAX_SCHEMAS:
                raise ConfigurationError(
                    f"{place}: the schemas are too large for a tool: split the operation"
                )
            for reference in node.references:
                self._uses[reference] += 1
                if self._uses[reference] == 1:
                    target = self._cache.target(reference)
                    waiting += [] if isinstance(target, bool) else [target]


def _has_nodes(value: Any) -> bool:
    """Whether the value of a keyword is a node, or a list or object of which some are."""
    inner = value.values() if type(value) is dict else value if type(value) is list else (value,)
    return any(type(item) is SchemaNode for item in inner)


def _written(value: Any, writer: SchemaWriter) -> Any:
    """Return the value of a keyword with its nodes written."""
    if type(value) is SchemaNode:
        return value.written(writer)
    if type(value) is list:
        return [item.written(writer) if type(item) is SchemaNode else item for item in value]
    return {
        name: item.written(writer) if type(item) is SchemaNode else item
        for name, item in value.items()
    }
