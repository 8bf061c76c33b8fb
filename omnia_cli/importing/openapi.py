"""Reads OpenAPI documents: as they are in a ConfigMap, or as one http handler per operation."""

import json
from urllib.parse import parse_qsl, urlsplit

from omnia_cli.importing.fields import Asked, Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import distinct, label, tool_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, Written, custom, present
from omnia_cli.importing.secrets import cleaned
from omnia_cli.importing.sources import Source
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_core.openapi import Api, Operation, ParameterLocation, read_api

_GROUP = "tools"
_LARGEST = 900 * 1024  # a ConfigMap has 1 MiB, with other files of the agent
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def read(inputs: Inputs, result: ImportResult) -> None:
    """Add a ToolRegistry for each document."""
    for source in inputs.sources:
        if source.format == "openapi":
            _document(source, inputs, result)


def _document(source: Source, inputs: Inputs, result: ImportResult) -> None:
    root = Fields(source, source.value)
    title = root.object("info").text("title") or source.document.file.stem
    name = label(title)
    options = inputs.options
    text = json.dumps(source.value, ensure_ascii=False)
    where = options.spec_url or source.document.file.name
    try:
        api = read_api(text, where, only=options.only, base=options.base_url)
    except ConfigurationError as error:
        source.note(NoteKind.SKIPPED, error.message)
        return
    for omitted in api.omitted:
        source.note(NoteKind.NO_EQUIVALENT, f"{omitted.operation}: {omitted.reason}", ("paths",))
    auth = _auth(root, operations=options.operations)
    if options.operations:
        handlers = _handlers(source, api, auth)
        if not handlers:
            source.note(NoteKind.SKIPPED, "none of its operations can be a tool")
            return
    else:
        handlers = [_handler(name, source, api, auth, inputs, result, text)]
    result.add(custom(Kind.TOOL_REGISTRY, "", name, {"handlers": handlers}, [source], group=_GROUP))


def _handler(
    name: str,
    source: Source,
    api: Api,
    auth: JsonObject | None,
    inputs: Inputs,
    result: ImportResult,
    text: str,
) -> JsonObject:
    options = inputs.options
    config: JsonObject = {}
    if options.spec_url:
        config["specURL"] = options.spec_url
    elif len(text) > _LARGEST:
        source.note(
            NoteKind.ASKED,
            "the document does not fit into a ConfigMap: give its address in --spec-url",
        )
        config["specURL"] = Asked(
            "the address of the document", "https://replace-me.example.invalid/openapi.json"
        )
    else:
        key = "openapi.json"
        body = {
            "data": {key: json.dumps(cleaned(source.value)[0], indent=1, ensure_ascii=False) + "\n"}
        }
        result.add(Written("ConfigMap", "", f"{name}-openapi", body, group=_GROUP))
        config["specConfigMapRef"] = {"name": f"{name}-openapi", "key": key}
    relative = [
        operation
        for operation in api.operations
        if urlsplit(operation.base_url).scheme not in ("http", "https")
    ]
    if options.base_url:
        config["baseURL"] = options.base_url
    elif relative or not api.operations:
        source.note(
            NoteKind.ASKED,
            "the servers of the document have no address: give it in --base-url",
            ("servers",),
        )
        config["baseURL"] = Asked("the address of the API", "https://replace-me.example.invalid")
    if options.only:
        config["operationFilter"] = list(options.only)
    return present({"name": name, "type": "openapi", "openAPIConfig": config, "auth": auth})


def _auth(root: Fields, *, operations: bool) -> JsonObject | None:
    """Return the auth of the first security scheme that the document asks for."""
    schemes = root.object("components").object("securitySchemes")
    wanted = [name for entry in root.objects("security") for name in entry.names()]
    for name in [each for each in wanted or schemes.names() if each in schemes]:
        scheme = schemes.object(name)
        kind, style = scheme.text("type"), (scheme.text("scheme") or "").lower()
        if kind == "http" and style in ("bearer", "basic"):
            what = "user:password" if style == "basic" else "the token"
            asked = scheme.ask(f"the Secret with {what} for the API")
            return {"type": style, "secretRef": {"name": asked, "key": "token"}}
        if kind == "apiKey" and not operations:
            asked = scheme.ask(
                "the Secret with the key of the API, which is sent where the document says"
            )
            return {"type": "bearer", "secretRef": {"name": asked, "key": "token"}}
        scheme.note(NoteKind.NO_EQUIVALENT, f"credentials of the type {kind} are not sent")
    return None


def _handlers(source: Source, api: Api, auth: JsonObject | None) -> list[JsonObject]:
    taken: set[str] = set()
    tools: set[str] = set()
    found = []
    for operation in api.operations:
        title = operation.operation_id or operation.name
        problem = _problem(operation)
        if problem:
            source.note(NoteKind.ASKED, f"{title}: {problem}; it is left out", ("paths",))
            continue
        tool = distinct(tool_name(title), tools)
        handler = distinct(label(tool.replace("_", "-")), taken)
        described = operation.description or Asked("what the tool does")
        made = {
            "name": handler,
            "type": "http",
            "tool": {
                "name": tool,
                "description": described[:4096] if operation.description else described,
                "inputSchema": operation.input_schema,
            },
            "httpConfig": _config(operation),
            "auth": auth,
        }
        found.append(present(made))
    return found


def _problem(operation: Operation) -> str:
    if urlsplit(operation.base_url).scheme not in ("http", "https"):
        return "its server has no address: give it in --base-url"
    if operation.method not in _METHODS:
        return f"tools have no method {operation.method}"
    if (
        operation.body is not None
        and operation.body.content_type.partition(";")[0] != "application/json"
    ):
        return f"its body is {operation.body.content_type}, not JSON"
    if any(parameter.place is ParameterLocation.COOKIE for parameter in operation.parameters):
        return "it has a parameter in a cookie"
    return ""


def _config(operation: Operation) -> JsonObject:
    parts = urlsplit(operation.base_url)
    path = parts.path.rstrip("/") + operation.path
    by_place: dict[ParameterLocation, dict[str, str]] = {}
    for parameter in operation.parameters:
        by_place.setdefault(parameter.place, {})[parameter.argument] = parameter.name
    server = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    config: JsonObject = {
        "endpoint": f"{parts.scheme}://{parts.netloc}{path}",
        "method": operation.method,
    }
    if "{" in path:
        config = {"endpoint": server, "urlTemplate": path, "method": operation.method}
    config |= {
        "queryParams": list(by_place.get(ParameterLocation.QUERY, {})),
        "headerParams": by_place.get(ParameterLocation.HEADER, {}),
        "staticQuery": dict(parse_qsl(parts.query)),
    }
    return present(config)
