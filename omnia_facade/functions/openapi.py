"""The OpenAPI 3.1 document of a function."""

from collections.abc import Iterable

from omnia_core.files.function import FunctionFile
from omnia_core.jsonvalue import JsonObject
from omnia_facade.functions.embedding import embed_schema
from omnia_facade.functions.errors import HEADERS, STATUS, FunctionErrorCode

DIALECT = "https://json-schema.org/draft/2020-12/schema"
JSON = "application/json"

# The document gives the path, so these cannot occur.
_OTHER_PATHS = frozenset(
    {FunctionErrorCode.MISSING_FUNCTION_NAME, FunctionErrorCode.FUNCTION_NOT_FOUND}
)
_MEANING = {
    400: "The input or a header is invalid.",
    401: "The credential is missing or invalid.",
    405: "A function takes POST only.",
    408: "The body did not arrive in time.",
    409: "A call with this Idempotency-Key is in progress.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    417: "The Expect header is not supported.",
    422: "The Idempotency-Key was used with another body.",
    429: "The budget of the agent is spent.",
    500: "An internal error of the server.",
    502: "The runtime failed, or its output violates the schema.",
    503: "The function was not called; the call may be sent again.",
}
# Headers that an answer may have.
_HEADERS: JsonObject = {
    "X-Invocation-Id": {
        "description": "Identifies the call in the logs.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "Idempotency-Replayed": {
        "description": "The answer is that of an earlier call with the same key.",
        "schema": {"type": "string", "const": "true"},
    },
    "Preference-Applied": {
        "description": "The preferences that were applied.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the call is sent again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {
        "description": "The authentication scheme.",
        "schema": {"type": "string"},
    },
    "Allow": {"description": "The allowed methods.", "schema": {"type": "string"}},
}
_CALL_HEADERS = ("X-Invocation-Id", "Idempotency-Replayed", "Preference-Applied")
_PARAMETERS: list[JsonObject] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A call that is repeated with its key and body is answered once; a UUID.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=20` limits the runtime to 20 s (RFC 7240).",
        "schema": {"type": "string"},
    },
    {
        "name": "traceparent",
        "in": "header",
        "description": "The caller's trace (W3C Trace Context); ignored if invalid.",
        "schema": {"type": "string"},
    },
]


def openapi_document(file: FunctionFile, *, public: bool) -> JsonObject:
    """Describe the function; `public` if calls need no credential."""
    name = file.name.lower()
    schemas = {
        "Input": embed_schema(file.input_schema, "#/components/schemas/Input"),
        "Output": embed_schema(file.output_schema, "#/components/schemas/Output"),
        "Answer": _ANSWER,
    }
    credential: JsonObject = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": DIALECT,
        "info": {"title": name, "version": "1"},
        "servers": [{"url": "/"}],
        "security": [] if public else [{"credential": []}],
        "paths": {
            f"/functions/{name}": {
                "post": {
                    "operationId": "call",
                    "summary": f"Call {name}",
                    "parameters": _PARAMETERS,
                    "requestBody": {
                        "required": True,
                        "content": {JSON: {"schema": _ref("schemas/Input")}},
                    },
                    "responses": _responses(public=public),
                }
            }
        },
        "components": {
            "schemas": schemas,
            "headers": _HEADERS,
            **({} if public else {"securitySchemes": {"credential": credential}}),
        },
    }


_ANSWER: JsonObject = {
    "type": "object",
    "required": ["output", "invocation_id", "duration_ms"],
    "additionalProperties": False,
    "properties": {
        "output": {"$ref": "#/components/schemas/Output"},
        "invocation_id": {"type": "string", "format": "uuid"},
        "duration_ms": {"type": "integer", "minimum": 0},
        "usage": {
            "type": "object",
            "required": ["input_tokens", "output_tokens", "cost_usd"],
            "additionalProperties": False,
            "properties": {
                "input_tokens": {"type": "integer", "minimum": 0},
                "output_tokens": {"type": "integer", "minimum": 0},
                "cost_usd": {"type": "number", "minimum": 0},
            },
        },
    },
}


def _responses(*, public: bool) -> JsonObject:
    excluded = {*_OTHER_PATHS, *([FunctionErrorCode.UNAUTHORIZED] if public else [])}
    by_status: dict[int, list[FunctionErrorCode]] = {}
    for code, number in STATUS.items():
        if code not in excluded:
            by_status.setdefault(number, []).append(code)
    success = _response(
        "The output, which satisfies its schema.", _ref("schemas/Answer"), _CALL_HEADERS
    )
    return {
        "200": success,
        **{
            str(number): _response(
                _MEANING[number],
                _one_of([_error(code) for code in codes]),
                [
                    *_CALL_HEADERS,
                    *sorted({name for code in codes for name in _headers(code)}),
                ],
            )
            for number, codes in sorted(by_status.items())
        },
    }


def _headers(code: FunctionErrorCode) -> Iterable[str]:
    # Only the time until the next budget is not the same in every answer.
    return ("Retry-After",) if code is FunctionErrorCode.BUDGET_EXCEEDED else HEADERS.get(code, {})


def _response(meaning: str, schema: JsonObject, headers: Iterable[str]) -> JsonObject:
    return {
        "description": meaning,
        "headers": {name: _ref(f"headers/{name}") for name in headers},
        "content": {JSON: {"schema": schema}},
    }


def _error(code: FunctionErrorCode) -> JsonObject:
    is_output = code is FunctionErrorCode.OUTPUT_INVALID
    raw = {"raw_output": True, "raw_output_truncated": {"const": True}} if is_output else {}
    return {
        "type": "object",
        "required": ["error", "detail", *(["raw_output"] if is_output else [])],
        "additionalProperties": False,
        "properties": {
            "error": {"type": "string", "const": str(code)},
            "detail": {"type": "string", "minLength": 1},
            **raw,
        },
    }


def _one_of(schemas: list[JsonObject]) -> JsonObject:
    return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}


def _ref(place: str) -> JsonObject:
    return {"$ref": f"#/components/{place}"}
