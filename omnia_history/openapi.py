"""Builds the OpenAPI 3.1 document of the API, without I/O."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_history.answers import Aggregates, EvalSummary, Sessions, SessionView, Users
from omnia_history.filters import (
    BOOLEANS,
    DEFAULT_LIMIT,
    DEFAULT_TURNS,
    EVAL_GROUPS,
    GROUPS,
    MAX_LIMIT,
    MAX_SEARCH_LENGTH,
    MAX_TURNS,
    STATUSES,
    TAGS,
)
from omnia_history.records import VIEWS
from omnia_history.refusals import Failure
from omnia_history.turns import TurnsPage

PATH = "/openapi.json"
JSON = "application/json"
_SCHEMA_REF = "#/components/schemas/"
_STRING: JsonObject = {"type": "string"}
_ERRORS = {
    400: "A parameter is unknown or invalid.",
    401: "The token is missing or invalid.",
    404: "The namespace has no such session.",
    503: "The database is unreachable, or did not answer in time.",
}
_LIST_PARAMETERS = (
    *("namespace", "agent", "tag", "user", "status", "name"),
    *("from", "to", "q", "sums", "limit", "cursor"),
)
_USER_PARAMETERS = ("namespace", "agent", "limit", "cursor")
_SESSION_PARAMETERS = ("namespace", "agent", "begun_at")
_RECORD_PARAMETERS = (*_SESSION_PARAMETERS, "limit", "cursor")
_TURN_PARAMETERS = (*_SESSION_PARAMETERS, "limit_turns", "cursor")
_AGGREGATE_PARAMETERS = ("group_by", "namespace", "agent", "from_day", "to_day")
_EVAL_PARAMETERS = ("namespace", "agent", "since", "by")
_PARAMETERS: Mapping[str, tuple[str, JsonObject]] = {
    "namespace": ("The namespace of an agent or a function.", _STRING),
    "agent": ("The name of an agent or a function.", _STRING),
    "tag": (
        "Whether the session is of an agent, of a function, or a trial.",
        {"enum": list(TAGS)},
    ),
    "user": ("The pseudonym of a user.", _STRING),
    "status": ("The status of the last turn.", {"enum": list(STATUSES)}),
    "name": (
        "A part of the name of the session.",
        {"type": "string", "maxLength": MAX_SEARCH_LENGTH},
    ),
    "from": ("The earliest begin, inclusive: a time (RFC 3339) or a day.", _STRING),
    "to": ("The latest begin, exclusive: a time (RFC 3339) or a day.", _STRING),
    "from_day": ("The first day (UTC), inclusive.", {"type": "string", "format": "date"}),
    "to_day": ("The last day (UTC), inclusive.", {"type": "string", "format": "date"}),
    "q": (
        (
            "A part of a message of the user or the agent, or of a name. An answer without sessions"
            " may have `next`."
        ),
        {"type": "string", "maxLength": MAX_SEARCH_LENGTH},
    ),
    "sums": ("Whether the answer has the sums of all pages, too.", {"enum": list(BOOLEANS)}),
    "limit_turns": (
        "The maximum number of turns in the answer.",
        {"type": "integer", "minimum": 1, "maximum": MAX_TURNS, "default": DEFAULT_TURNS},
    ),
    "limit": (
        "The maximum number of items in the answer.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    "cursor": ("The `next` or `last` of a previous answer.", _STRING),
    "begun_at": ("When the session began, if several sessions have the same id.", _STRING),
    "since": ("The earliest, inclusive: a time (RFC 3339), a day, or how long ago (24h).", _STRING),
    "by": (f"The fields to group by: some of {', '.join(EVAL_GROUPS)}, with commas.", _STRING),
    "group_by": ("The field to group by.", {"enum": list(GROUPS), "default": "agent"}),
}


def document(namespace: str, *, public: bool) -> JsonObject:
    """Describe the API of a namespace; `public` if requests need no credential."""
    schemas = _schemas()
    sessions = "/api/v1/sessions"
    session = f"{sessions}/{{id}}"
    paths = {
        sessions: _get("listSessions", "List sessions, newest first", "Sessions", _LIST_PARAMETERS),
        session: _get("getSession", "Show a session", "SessionView", _SESSION_PARAMETERS),
        f"{session}/turns": _get(
            "listTurns", "List the turns of a session in order", "TurnsPage", _TURN_PARAMETERS
        ),
        "/api/v1/users": _get(
            "listUsers", "List users by their last use, latest first", "Users", _USER_PARAMETERS
        ),
        "/api/v1/users/{id}/sessions": _get(
            "listSessionsOfUser",
            "List the sessions of a user, newest first",
            "Sessions",
            (name for name in _LIST_PARAMETERS if name != "user"),
        ),
        "/api/v1/aggregates": _get(
            "aggregate",
            "Sum up turns and provider calls by group",
            "Aggregates",
            _AGGREGATE_PARAMETERS,
        ),
        "/api/v1/evals/summary": _get(
            "summarizeEvals",
            "Sum up results of evaluations by group",
            "EvalSummary",
            _EVAL_PARAMETERS,
        ),
    }
    for kind, view in VIEWS.items():
        name = view.__name__.removesuffix("View") + "s"
        page = f"{name}Page"
        schemas[page] = _page(view.__name__)
        paths[f"{session}/{kind}"] = _get(
            f"list{name}",
            f"List the {kind.replace('-', ' ')} of a session",
            page,
            _RECORD_PARAMETERS,
        )
    for path, operations in paths.items():
        # A user without sessions has an empty list of them.
        may_be_missing = path.startswith(session)
        _add_common(
            operations["get"],
            has_id="{id}" in path,
            may_be_missing=may_be_missing,
            public=public,
        )
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
    types: list[Any] = [
        *(Sessions, SessionView, TurnsPage, Users, Aggregates, EvalSummary, Message, Failure),
        *VIEWS.values(),
    ]
    _, schemas = msgspec.json.schema_components(types, ref_template=f"{_SCHEMA_REF}{{name}}")
    schemas["MessageView"]["properties"]["message"] = {"$ref": f"{_SCHEMA_REF}Message"}
    # Defaults of the types are tuples; a JSON document has lists.
    plain: JsonObject = msgspec.json.decode(msgspec.json.encode(schemas))
    return plain


def _page(view: str) -> JsonObject:
    return {
        "type": "object",
        "description": "`next` is the cursor of the next page, `last` that of later records.",
        "required": ["items", "next", "last"],
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"{_SCHEMA_REF}{view}"}},
            "next": {"type": ["string", "null"]},
            "last": _STRING,
        },
    }


def _get(operation: str, summary: str, answer: str, parameters: Iterable[str]) -> JsonObject:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "parameters": [_parameter(name) for name in parameters],
            "responses": {"200": _response("The answer.", answer)},
        }
    }


def _parameter(name: str) -> JsonObject:
    description, schema = _PARAMETERS[name]
    query_name = name.removesuffix("_day").removesuffix("_turns")
    return {"name": query_name, "in": "query", "description": description, "schema": schema}


def _add_common(operation: JsonObject, *, has_id: bool, may_be_missing: bool, public: bool) -> None:
    """Add the path parameter `id`, if there is one, and the error responses."""
    if has_id:
        found = {"name": "id", "in": "path", "required": True, "schema": _STRING}
        operation["parameters"].insert(0, found)
    for status, description in _ERRORS.items():
        if (may_be_missing or status != 404) and not (public and status == 401):  # noqa: PLR2004 - HTTP statuses
            operation["responses"][str(status)] = _response(description, "Failure")


def _response(description: str, schema: str) -> JsonObject:
    return {
        "description": description,
        "content": {JSON: {"schema": {"$ref": f"{_SCHEMA_REF}{schema}"}}},
    }
