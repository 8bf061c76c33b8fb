"""A document's operations as tools."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.jsonschema import SchemaInvalid, compile_schema
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi import names
from omnia_core.openapi.arguments import arguments, raw_parameters
from omnia_core.openapi.body import raw_body
from omnia_core.openapi.document import base_url, follow, read_document
from omnia_core.openapi.operation import Operation, Place
from omnia_core.openapi.security import api_key, is_key

# The others say something about a resource without using it.
_METHODS = ("get", "put", "post", "delete", "patch")


class Omission(Struct, frozen=True):
    """An operation that is no tool, and what has to change for it to become one."""

    operation: str
    reason: str


class Api(Struct, frozen=True):
    """What a document offers."""

    title: str
    operations: tuple[Operation, ...]
    omitted: tuple[Omission, ...] = ()


class _Entry(NamedTuple):
    """An operation as the document has it."""

    path: str
    method: str
    item: JsonObject
    raw: JsonObject

    @property
    def operation_id(self) -> str | None:
        given = self.raw.get("operationId")
        return given if isinstance(given, str) and given else None

    @property
    def place(self) -> str:
        return f"{self.method.upper()} {self.path}"


def read_api(text: str, where: str, *, only: Iterable[str] = (), base: str | None = None) -> Api:
    """Read an OpenAPI 3.0 or 3.1 document. One bad operation leaves the others usable.

    Args:
        text: JSON or YAML.
        where: address of the document: errors name it, and a relative server starts from it.
        only: operation ids or tool names that are wanted; without any, all.
        base: address of the API instead of the document's server.

    Raises:
        ConfigurationError: the text is no such document.
    """
    document = read_document(text, where)
    try:
        entries = list(_entries(document, where))
        tools = names.unique(_name(each) for each in entries)
        return _api(document, list(zip(tools, entries, strict=True)), where, list(only), base)
    except RecursionError as error:
        raise ConfigurationError(
            f"{where}: the document is nested too deeply: flatten it"
        ) from error


def _api(
    document: JsonObject,
    named: list[tuple[str, _Entry]],
    where: str,
    only: list[str],
    base: str | None,
) -> Api:
    operations, omitted, met = [], [], set()
    for name, entry in named:
        called = {name, entry.operation_id or name} & set(only)
        met |= called
        if only and not called:
            continue
        try:
            operations.append(_operation(document, name, entry, where, base))
        except ConfigurationError as error:
            omitted.append(Omission(entry.operation_id or entry.place, error.message))
    omitted += [
        Omission(each, "the document has no operation of this name: correct operationFilter")
        for each in dict.fromkeys(only)
        if each not in met
    ]
    info = document.get("info")
    title = str(info.get("title", "")) if isinstance(info, dict) else ""
    return Api(title, tuple(operations), tuple(omitted))


def _entries(document: JsonObject, where: str) -> Iterator[_Entry]:
    paths = document.get("paths") or {}
    if not isinstance(paths, dict):
        raise ConfigurationError(f'{where}: "paths" has to be an object of operations by path')
    for path, node in paths.items():
        if not str(path).startswith("/"):
            continue
        item = follow(document, node, f"{where}, paths, {path}")
        for method in _METHODS:
            if isinstance(item.get(method), dict):
                yield _Entry(str(path), method, item, item[method])


def _name(entry: _Entry) -> str:
    spelt = names.tool_name(entry.operation_id or "")
    return spelt or names.tool_name(f"{entry.method} {entry.path}")


def _operation(
    document: JsonObject, name: str, entry: _Entry, where: str, base: str | None
) -> Operation:
    item, raw, place = entry.item, entry.raw, entry.place
    parameters = raw_parameters(document, item.get("parameters"), raw.get("parameters"), place)
    key = api_key(document, raw)
    # what is secret is no argument: the handler has it
    parameters = [each for each in parameters if not is_key(each, key)]
    in_path = {each.name for each in parameters if each.place is Place.PATH}
    for variable in _variables(entry.path) - in_path:
        raise ConfigurationError(f"{place}: the path's {{{variable}}} is no parameter: describe it")
    body = raw_body(document, raw.get("requestBody"), place)
    found = arguments(document, parameters, body, place)
    _check(found.schema, place)
    levels = (raw.get("servers"), item.get("servers"), document.get("servers"))
    return Operation(
        name=name,
        description=_description(raw, item, place),
        method=entry.method.upper(),
        path=entry.path,
        base_url=base.rstrip("/") if base else base_url(levels, where),
        parameters=found.parameters,
        body=found.body,
        input_schema=found.schema,
        operation_id=entry.operation_id,
        key=key,
    )


def _variables(path: str) -> set[str]:
    return {part.partition("}")[0] for part in path.split("{")[1:]}


def _check(schema: JsonObject, place: str) -> None:
    try:
        compile_schema(schema)
    except SchemaInvalid as error:
        raise ConfigurationError(
            f"{place}: the schema of the arguments is wrong: {error}"
        ) from error


def _description(raw: JsonObject, item: JsonObject, place: str) -> str:
    """Return summary and description, which often say different things."""
    said = [str(raw.get(key) or item.get(key) or "").strip() for key in ("summary", "description")]
    different = dict.fromkeys(each for each in said if each)
    return "\n\n".join(different) or place
