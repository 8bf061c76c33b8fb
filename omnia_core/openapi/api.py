"""Reads an OpenAPI document and returns its operations as tools."""

import contextlib
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.arguments import arguments
from omnia_core.openapi.document import follow, read_document
from omnia_core.openapi.inputs import HEADER_NAME, RawParameter, raw_body, raw_parameters
from omnia_core.openapi.operation import ApiKey, Operation, ParameterLocation
from omnia_core.openapi.schemas import SchemaCache
from omnia_core.openapi.servers import base_url

# HEAD, OPTIONS and TRACE are not useful as tools.
_METHODS = ("get", "put", "post", "delete", "patch")
_KEY_LOCATIONS = {
    "header": ParameterLocation.HEADER,
    "query": ParameterLocation.QUERY,
    "cookie": ParameterLocation.COOKIE,
}
MAX_NAME_LENGTH = 64
_LEGAL_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_NAME_LENGTH}}}")
_HASH_LENGTH = 8


class Omission(Struct, frozen=True):
    """An operation that cannot be a tool; `reason` says what has to change."""

    operation: str
    reason: str


class Api(Struct, frozen=True):
    """The API of a document."""

    title: str
    operations: tuple[Operation, ...]
    omitted: tuple[Omission, ...] = ()


class _Entry(NamedTuple):
    """An operation of the document."""

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

    def names(self, tool: str) -> set[str]:
        """Return the names by which a filter can choose the operation."""
        own = self.operation_id
        return {tool, own, tool_name(own)} if own else {tool}


def read_api(text: str, where: str, *, only: Collection[str] = (), base: str | None = None) -> Api:
    """Read an OpenAPI 3.0 or 3.1 document. An invalid operation does not affect the others.

    Args:
        text: JSON or YAML.
        where: the URL of the document: errors name it, relative server URLs are resolved by it.
        only: the operation ids or tool names to return; empty: all.
        base: the URL of the API, instead of the servers in the document.

    Raises:
        ConfigurationError: the text is not an OpenAPI 3 document.
    """
    document = read_document(text, where)
    entries, unreadable = _entries(document, where)
    tools = unique_names(_tool_name(entry) for entry in entries)
    named = list(zip(tools, entries, strict=True))
    operations, omitted, missing = _operations(document, named, where, list(only), base)
    if missing or not only:
        # A missing operation may be in a path that cannot be read.
        omitted += unreadable
    omitted += [
        Omission(name, "the document has no operation with this name: correct operationFilter")
        for name in missing
    ]
    info = document.get("info")
    title = str(info.get("title", "")) if isinstance(info, dict) else ""
    return Api(title, tuple(operations), tuple(omitted))


def _operations(
    document: JsonObject,
    named: list[tuple[str, _Entry]],
    where: str,
    only: list[str],
    base: str | None,
) -> tuple[list[Operation], list[Omission], list[str]]:
    """Return the operations that `only` names, those that cannot be tools, and unknown names."""
    operations: list[Operation] = []
    omitted: list[Omission] = []
    missing = dict.fromkeys(only)
    with contextlib.closing(SchemaCache(document)) as cache:
        for name, entry in named:
            called = entry.names(name)
            if only and called.isdisjoint(only):
                continue
            for known in called:
                missing.pop(known, None)
            try:
                operations.append(_operation(document, name, entry, (where, base), cache))
            except ConfigurationError as error:
                omitted.append(Omission(entry.operation_id or entry.place, error.message))
            except RecursionError:
                reason = f"{entry.place}: its schemas are nested too deeply: flatten them"
                omitted.append(Omission(entry.operation_id or entry.place, reason))
    return operations, omitted, list(missing)


def _entries(document: JsonObject, where: str) -> tuple[list[_Entry], list[Omission]]:
    """Return the operations, and the paths and operations that cannot be read."""
    paths = document.get("paths") or {}
    if not isinstance(paths, dict):
        raise ConfigurationError(f'{where}: "paths" has to be an object of operations by path')
    entries: list[_Entry] = []
    unreadable: list[Omission] = []
    for path, node in paths.items():
        if str(path).startswith("x-"):
            continue
        place = f"path {path}"
        try:
            item = _path_item(document, str(path), node, place)
        except ConfigurationError as error:
            unreadable.append(Omission(str(path), error.message))
            continue
        operations = {str(key).lower(): value for key, value in item.items()}
        for method in _METHODS:
            if isinstance(operations.get(method), dict):
                entries.append(_Entry(str(path), method, item, operations[method]))
            elif method in operations:
                reason = f"{place}: an operation has to be an object: correct or remove it"
                unreadable.append(Omission(f"{method.upper()} {path}", reason))
    return entries, unreadable


def _path_item(document: JsonObject, path: str, node: object, place: str) -> JsonObject:
    """Return a path; what stands beside its reference is kept, as OpenAPI 3.1 allows."""
    if not path.startswith("/"):
        raise ConfigurationError(f"{place}: a path has to begin with /")
    target = follow(document, node, place)
    if not isinstance(node, dict) or "$ref" not in node or len(node) == 1:
        return target
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _operation(
    document: JsonObject,
    name: str,
    entry: _Entry,
    at: tuple[str, str | None],
    cache: SchemaCache,
) -> Operation:
    where, base = at
    item, raw, place = entry.item, entry.raw, entry.place
    parameters = raw_parameters(document, item.get("parameters"), raw.get("parameters"), place)
    key = _api_key(document, raw)
    # The handler adds the credential; it is not an argument.
    parameters = [parameter for parameter in parameters if not _is_key(parameter, key)]
    in_path = {
        parameter.name for parameter in parameters if parameter.place is ParameterLocation.PATH
    }
    variables = _path_variables(entry.path)
    # A parameter that the path does not contain has no place in the request.
    parameters = [
        parameter
        for parameter in parameters
        if parameter.place is not ParameterLocation.PATH or parameter.name in variables
    ]
    for variable in variables - in_path:
        raise ConfigurationError(
            f"{place}: {{{variable}}} of the path is not described: add the parameter"
        )
    body = raw_body(document, raw.get("requestBody"), place)
    built = arguments(parameters, body, place, cache)
    levels = (raw.get("servers"), item.get("servers"), document.get("servers"))
    return Operation(
        name=name,
        description=_description(raw, item, place),
        method=entry.method.upper(),
        path=entry.path,
        base_url=base.rstrip("/") if base else base_url(levels, where),
        parameters=built.parameters,
        body=built.body,
        input_schema=built.schema,
        operation_id=entry.operation_id,
        key=key,
    )


def _api_key(document: JsonObject, raw: JsonObject) -> ApiKey | None:
    """Return where the API key of an operation goes; None: into the `Authorization` header.

    An operation that accepts both, or declares nothing, gets the header.
    """
    required = raw.get("security", document.get("security"))
    keys = []
    for scheme in _schemes(document, required):
        place, name = _KEY_LOCATIONS.get(str(scheme.get("in")).lower()), scheme.get("name")
        if scheme.get("type") != "apiKey":
            return None
        if place is not None and isinstance(name, str) and _can_have(place, name):
            keys.append(ApiKey(name, place))
    # A cookie is the last choice: it is usually the session of a browser.
    keys.sort(key=lambda key: key.place is ParameterLocation.COOKIE)
    return keys[0] if keys else None


def _can_have(place: ParameterLocation, name: str) -> bool:
    is_header = place is ParameterLocation.HEADER
    return bool(HEADER_NAME.fullmatch(name)) if is_header else bool(name)


def _is_key(parameter: RawParameter, key: ApiKey | None) -> bool:
    """Whether a parameter is the API key."""
    if key is None or parameter.place is not key.place:
        return False
    if key.place is ParameterLocation.HEADER:
        return parameter.name.lower() == key.name.lower()
    return parameter.name == key.name


def _schemes(document: JsonObject, required: object) -> Iterator[JsonObject]:
    components = document.get("components")
    known = components.get("securitySchemes") if isinstance(components, dict) else None
    for alternative in required if isinstance(required, list) else [required]:
        for name in alternative if isinstance(alternative, dict) else []:
            if isinstance(known, dict) and name in known:
                yield follow(document, known[name], f'security scheme "{name}"')


def _path_variables(path: str) -> set[str]:
    return {part.partition("}")[0] for part in path.split("{")[1:]}


def _description(raw: JsonObject, item: JsonObject, place: str) -> str:
    """Return summary and description, which often differ."""
    texts = [str(raw.get(key) or item.get(key) or "").strip() for key in ("summary", "description")]
    different = dict.fromkeys(text for text in texts if text)
    return "\n\n".join(different) or place


def _tool_name(entry: _Entry) -> str:
    if entry.operation_id and _LEGAL_NAME.fullmatch(entry.operation_id):
        return entry.operation_id
    return tool_name(entry.operation_id or "") or tool_name(f"{entry.method} {entry.path}")


def tool_name(text: str) -> str:
    """Return `text` in snake case, matching `^[a-z][a-z0-9_]*$`; "" if nothing is left of it."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    if name[:1].isdigit():
        name = f"op_{name}"
    return _shortened(name, text)


def _shortened(name: str, text: str) -> str:
    if len(name) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: MAX_NAME_LENGTH - _HASH_LENGTH - 1]}_{digest}"


def unique_names(names: Iterable[str]) -> list[str]:
    """Return unique names: the first keeps its name, later ones become `name_2`, `name_3`."""
    wanted = list(names)
    taken = set(wanted)
    seen: set[str] = set()
    result = []
    for name in wanted:
        result.append(_numbered(name, taken) if name in seen else name)
        seen.add(name)
        taken.add(result[-1])
    return result


def _numbered(name: str, taken: set[str]) -> str:
    number = 2
    while True:
        suffix = f"_{number}"
        candidate = name[: MAX_NAME_LENGTH - len(suffix)] + suffix
        if candidate not in taken:
            return candidate
        number += 1
