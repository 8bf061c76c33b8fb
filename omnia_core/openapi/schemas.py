"""Makes schemas self-contained JSON Schemas: references are inlined, or moved under `$defs`.

A schema that is used once is inlined, which models read best. A schema that is used more often, and
every recursive one, goes under `$defs`, so that the result is not larger than the document.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.document import lookup

_MAX_SCHEMAS = 20_000
# Keywords that describe a schema without changing what it accepts.
_ANNOTATIONS = frozenset({"$ref", "default", "deprecated", "description", "examples", "title"})
# Keywords whose value is a schema, a list of schemas, or an object of schemas. All other keywords
# hold data, in which "$ref" is not a reference.
_WITH_SCHEMA = frozenset(
    {
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)

_WITH_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_WITH_OBJECT = frozenset({"dependentSchemas", "patternProperties", "properties"})
# Keywords whose schemas apply to the same value as the schema that contains them.
_IN_PLACE = frozenset({"allOf", "anyOf", "else", "if", "not", "oneOf", "then"})
_DROPPED = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",  # collected at the root
        "$id",
        "$ref",
        "$schema",
        "definitions",
        "discriminator",
        "externalDocs",
        "nullable",
        "readOnly",
        "writeOnly",
        "xml",
    }
)

Schema = JsonObject | bool


class _Leaf:
    """A schema without references, which is the same in every operation."""

    __slots__ = ("schema", "size", "written")

    def __init__(self, schema: JsonObject, size: int) -> None:
        self.schema = schema  # kept, so that its id stays its own
        self.size = size
        self.written: Schema | None = None


class SchemaCache:
    """What the operations of one document share; without it large documents take minutes.

    Attributes:
        checked: the references whose schemas are known to be valid.
    """

    def __init__(self) -> None:
        self.checked: set[str] = set()
        self.leaves: dict[int, _Leaf] = {}
        self.writers: dict[tuple[str | int, ...], SchemaWriter] = {}
        self.targets: dict[str, Any] = {}


class SchemaWriter:
    """Converts the schemas of one operation.

    Attributes:
        definitions: the `$defs` of the schemas that were written.
    """

    def __init__(
        self,
        document: JsonObject,
        roots: Iterable[tuple[str, object]],
        cache: SchemaCache | None = None,
    ) -> None:
        """Count the references of all schemas.

        Args:
            document: the document that the references lead into.
            cache: of the same document.
            roots: all schemas that will be written, each with its place for error messages.

        Raises:
            ConfigurationError: a reference is invalid, or the schemas are too large for a model.
        """
        roots = list(roots)  # kept, so that the id of each stays its own
        self._roots = roots
        self._memo: dict[int, tuple[JsonObject, Schema]] = {}
        self._document = document
        self._cache = cache or SchemaCache()
        self._references = 0
        self._uses: Counter[str] = Counter()
        self._sound: set[str] = set()
        self._names: dict[str, str] = {}
        self._visited = 0
        self.definitions: JsonObject = {}
        for place, root in roots:
            self._count(place, root)

    def write(self, place: str, schema: object) -> Schema:
        """Return a schema whose references lead only to `definitions`."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise ConfigurationError(f"{place}: expected a schema")
        leaf = self._cache.leaves.get(id(schema))
        if leaf is None:
            if id(schema) not in self._memo:
                self._memo[id(schema)] = schema, self._written(place, schema)
            return self._memo[id(schema)][1]
        if leaf.written is None:
            leaf.written = self._written(place, schema)
        return leaf.written

    @classmethod
    def of(
        cls, document: JsonObject, roots: list[tuple[str, object]], cache: SchemaCache
    ) -> "SchemaWriter":
        """Return the writer of another operation with the same references, or a new one.

        Raises:
            ConfigurationError: as the constructor.
        """
        key = tuple(_key(root) for _, root in roots if _refers(root, cache))
        if not key or key not in cache.writers:
            writer = cls(document, roots, cache)
            cache.writers[key] = writer
        return cache.writers[key]

    def unchecked(self, cache: SchemaCache) -> JsonObject:
        """Return the definitions, without those that another operation has been checked with."""
        return {
            name: True if reference in cache.checked else self.definitions[name]
            for reference, name in self._names.items()
        }

    @property
    def references(self) -> Iterable[str]:
        """The references that became definitions."""
        return self._names.keys()

    def _written(self, place: str, schema: JsonObject) -> Schema:
        own = _converted(schema, lambda keyword, inner: self.write(f"{place}/{keyword}", inner))
        return self._joined(place, schema["$ref"], own) if "$ref" in schema else own

    def _joined(self, place: str, reference: str, own: JsonObject) -> Schema:
        if self._uses[reference] > 1:
            return {"$ref": f"#/$defs/{self._define(place, reference)}", **own}
        target = self.write(reference, self._target(reference, place))
        if isinstance(target, bool):
            return target
        return (
            {**target, **own} if own.keys() <= _ANNOTATIONS else {**own, "allOf": _all(own, target)}
        )

    def _target(self, reference: object, place: str) -> Any:
        if not isinstance(reference, str):
            return lookup(self._document, reference, place)
        if reference not in self._cache.targets:
            self._cache.targets[reference] = lookup(self._document, reference, place)
        return self._cache.targets[reference]

    def _define(self, place: str, reference: str) -> str:
        if reference not in self._names:
            name = self._name(reference)
            # The name is set before the schema is written: a recursive schema refers to itself.
            self._names[reference] = name
            self.definitions[name] = True
            target = self._target(reference, place)
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
        if self._visited > _MAX_SCHEMAS:
            raise ConfigurationError(
                f"{place}: the schemas are too large for a tool: split the operation"
            )
        if not isinstance(schema, dict):
            return
        if leaf := self._cache.leaves.get(id(schema)):
            self._visited += leaf.size
            return
        visited, references = self._visited, self._references
        if "$ref" in schema:
            self._count_reference(place, schema["$ref"])
        for keyword, inner in _children(schema):
            self._count(f"{place}/{keyword}", inner)
        if references == self._references:
            self._cache.leaves[id(schema)] = _Leaf(schema, self._visited - visited)

    def _count_reference(self, place: str, reference: object) -> None:
        self._references += 1
        target = self._target(reference, place)
        key = str(reference)
        self._uses[key] += 1
        if self._uses[key] == 1:
            self._refuse_loops(place, key, ())
            self._count(key, target)

    def _refuse_loops(self, place: str, reference: str, chain: tuple[str, ...]) -> None:
        """Refuse a schema that is defined by itself: validation of any value would never end."""
        if reference in chain:
            raise ConfigurationError(f'{place}: "{reference}" is defined by itself: correct it')
        if reference in self._sound:
            return
        target = self._target(reference, place)
        for inner in _in_place(target):
            self._refuse_loops(reference, inner, (*chain, reference))
        self._sound.add(reference)


def _key(root: object) -> str | int:
    """Return what identifies a root: its reference, or the object itself."""
    if isinstance(root, dict) and root.keys() == {"$ref"} and isinstance(root["$ref"], str):
        return str(root["$ref"])
    return id(root)


def _refers(schema: object, cache: SchemaCache) -> bool:
    """Whether a schema has references."""
    if not isinstance(schema, dict) or id(schema) in cache.leaves:
        return False
    return "$ref" in schema or any(_refers(inner, cache) for _, inner in _children(schema))


def _in_place(schema: object) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for keyword, inner in _children(schema):
        if keyword in _IN_PLACE:
            yield from _in_place(inner)


def _all(own: JsonObject, target: JsonObject) -> list[Schema]:
    return [*_as_json(own.get("allOf", [])), target]


def _discriminated(schema: JsonObject) -> JsonObject:
    """Write alternatives with a discriminator as `anyOf`.

    The discriminator chooses one of them, though a value often fits several.
    """
    if "discriminator" not in schema or "oneOf" not in schema or "anyOf" in schema:
        return schema
    return {("anyOf" if key == "oneOf" else key): value for key, value in schema.items()}


def _converted(schema: JsonObject, child: Callable[[str, object], object]) -> JsonObject:
    """Convert a schema to JSON Schema 2020-12, without its reference.

    `child` converts the schema under a keyword.
    """
    result: JsonObject = {}
    for keyword, value in _discriminated(_requested(schema)).items():
        if keyword in _DROPPED or keyword.startswith("x-"):
            continue
        if keyword in _WITH_SCHEMA and isinstance(value, dict | bool):
            result[keyword] = child(keyword, value)
        elif keyword in _WITH_LIST and isinstance(value, list):
            result[keyword] = [child(keyword, item) for item in value]
        elif keyword in _WITH_OBJECT and isinstance(value, dict):
            result[keyword] = {
                str(name): child(f"{keyword}/{name}", item) for name, item in value.items()
            }
        else:
            result[keyword] = _as_json(value)
    _bounds(result)
    _example(result)
    return _nullable(result) if schema.get("nullable") is True else result


def _children(schema: JsonObject) -> list[tuple[str, object]]:
    """Return the schemas inside a schema, each with its keyword."""
    found: list[tuple[str, object]] = []
    for keyword, value in schema.items():
        if keyword in _WITH_SCHEMA:
            found.append((keyword, value))
        elif keyword in _WITH_LIST and isinstance(value, list):
            found += [(keyword, item) for item in value]
        elif keyword in _WITH_OBJECT and isinstance(value, dict):
            found += [(keyword, item) for item in value.values()]
    return found


def _as_json(value: object) -> Any:
    """Return a value as JSON: YAML allows more types of keys and values."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def is_read_only(schema: object) -> bool:
    """Whether a property appears in responses only."""
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _requested(schema: JsonObject) -> JsonObject:
    """Remove the properties that appear in responses only."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not any(map(is_read_only, properties.values())):
        return schema
    kept = {name: item for name, item in properties.items() if not is_read_only(item)}
    required = schema.get("required")
    names = (
        [name for name in required if isinstance(name, str) and name in kept]
        if isinstance(required, list)
        else []
    )
    return {**schema, "properties": kept, "required": names}


def _bounds(schema: JsonObject) -> None:
    """Convert the bounds of OpenAPI 3.0, where `exclusiveMinimum: true` modifies `minimum`."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if not isinstance(schema.get(exclusive), bool):
            continue
        if schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)


def _example(schema: JsonObject) -> None:
    if "example" in schema:
        example = schema.pop("example")
        schema.setdefault("examples", [example])


def _nullable(schema: JsonObject) -> JsonObject:
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    enum = schema.get("enum")
    if isinstance(enum, list) and None not in enum:
        schema["enum"] = [*enum, None]
    return {**schema, "type": [kind, "null"]}
