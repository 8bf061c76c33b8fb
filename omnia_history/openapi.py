"""The OpenAPI 3.1 document of the API; pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_history.answers import Aggregates, Sessions, SessionView
from omnia_history.filters import GROUPS, LIMIT, LONGEST_SAID, MOST, STATUSES, TAGS
from omnia_history.records import VIEWS
from omnia_history.refusals import Failure

PATH = "/openapi.json"
JSON = "application/json"
_TO = "#/components/schemas/"
_TEXT: JsonObject = {"type": "string"}
_MEANING = {
    400: "A parameter is unknown or not usable.",
    401: "The credential is missing or wrong.",
    404: "There is no such session in the namespace.",
    503: "The database is away, or did not answer in time.",
}
_OF_LIST = ("agent", "tag", "user", "status", "from", "to", "q", "limit", "cursor")
_OF_SESSION = ("agent", "begun_at")
_OF_RECORDS = (*_OF_SESSION, "limit", "cursor")
_OF_AGGREGATES = ("group_by", "agent", "from_day", "to_day")
_PARAMETERS: Mapping[str, tuple[str, JsonObject]] = {
    "agent": ("Of one agent or function.", _TEXT),
    "tag": ("What the sessions are of.", {"enum": list(TAGS)}),
    "user": ("Of one user: a pseudonym.", _TEXT),
    "status": ("Of the last turn.", {"enum": list(STATUSES)}),
    "from": ("Sessions that began then or later: RFC 3339, or a day.", _TEXT),
    "to": ("Sessions that began before that: RFC 3339, or a day.", _TEXT),
    "from_day": ("The first day (UTC).", {"type": "string", "format": "date"}),
    "to_day": ("The last day (UTC).", {"type": "string", "format": "date"}),
    "q": (
        "Part of what a person or the agent said. An answer without sessions may have a `next`.",
        {"type": "string", "maxLength": LONGEST_SAID},
    ),
    "limit": (
        "How many at most.",
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
    ),
    "cursor": ("The `next` or `last` of an answer before.", _TEXT),
    "begun_at": ("Of several sessions of one id, the one that began then.", _TEXT),
    "group_by": ("What is summed up.", {"enum": list(GROUPS), "default": "agent"}),
}


def document(namespace: str, *, public: bool) -> JsonObject:
    """Describe the API of a namespace; `public` where nobody needs a credential."""
    schemas = _schemas()
    sessions = "/api/v1/sessions"
    session = f"{sessions}/{{id}}"
    paths = {
        sessions: _get("listSessions", "List sessions, newest first", "Sessions", _OF_LIST),
        session: _get("getSession", "Show a session", "SessionView", _OF_SESSION),
        "/api/v1/aggregates": _get("aggregate", "Sum up", "Aggregates", _OF_AGGREGATES),
    }
    for kind, view in VIEWS.items():
        name = view.__name__.removesuffix("View") + "s"
        page = f"{name}Page"
        schemas[page] = _page(view.__name__)
        paths[f"{session}/{kind}"] = _get(
            f"list{name}", f"List the {kind.replace('-', ' ')} of a session", page, _OF_RECORDS
        )
    for path, operations in paths.items():
        _finish(operations["get"], of_one="{id}" in path, public=public)
    credential: JsonObject = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.1",
        "info": {"title": f"History of {namespace}", "version": "1"},
        "servers": [{"url": "/"}],
        "security": [] if public else [{"credential": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            **({} if public else {"securitySchemes": {"credential": credential}}),
        },
    }


def _schemas() -> JsonObject:
    types: list[Any] = [Sessions, SessionView, Aggregates, Message, Failure, *VIEWS.values()]
    _, schemas = msgspec.json.schema_components(types, ref_template=f"{_TO}{{name}}")
    schemas["MessageView"]["properties"]["message"] = {"$ref": f"{_TO}Message"}
    # Defaults are tuples, for which a document has lists.
    plain: JsonObject = msgspec.json.decode(msgspec.json.encode(schemas))
    return plain


def _page(view: str) -> JsonObject:
    return {
        "type": "object",
        "description": "`next` leads to what follows, if there is more; `last` to what is to come.",
        "required": ["items", "next", "last"],
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"{_TO}{view}"}},
            "next": {"type": ["string", "null"]},
            "last": _TEXT,
        },
    }


def _get(operation: str, summary: str, answer: str, parameters: Iterable[str]) -> JsonObject:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "parameters": [_parameter(each) for each in parameters],
            "responses": {"200": _response("The answer.", answer)},
        }
    }


def _parameter(name: str) -> JsonObject:
    description, schema = _PARAMETERS[name]
    in_query = name.removesuffix("_day")
    return {"name": in_query, "in": "query", "description": description, "schema": schema}


def _finish(operation: JsonObject, *, of_one: bool, public: bool) -> None:
    """Add what operations have in common."""
    if of_one:
        session = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
        operation["parameters"].insert(0, session)
    for status, meaning in _MEANING.items():
        if (of_one or status != 404) and not (public and status == 401):  # noqa: PLR2004 - HTTP's
            operation["responses"][str(status)] = _response(meaning, "Failure")


def _response(description: str, schema: str) -> JsonObject:
    return {
        "description": description,
        "content": {JSON: {"schema": {"$ref": f"{_TO}{schema}"}}},
    }
