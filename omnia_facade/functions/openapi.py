"""The OpenAPI 3.1 document of a function."""

from collections.abc import Iterable, Mapping

from omnia_core.files.function import FunctionFile
from omnia_core.jsonvalue import JsonObject
from omnia_facade.functions.embedding import embedded
from omnia_facade.functions.errors import FunctionErrorCode

DIALECT = "https://json-schema.org/draft/2020-12/schema"
JSON = "application/json"

# What the path, which the document gives, rules out.
_ELSEWHERE = frozenset(
    {FunctionErrorCode.MISSING_FUNCTION_NAME, FunctionErrorCode.FUNCTION_NOT_FOUND}
)
_MEANING = {
    400: "The input or a header is wrong.",
    401: "The credential is missing or wrong.",
    405: "A function takes POST only.",
    408: "The body did not come in time.",
    409: "A call with this Idempotency-Key is being answered.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    417: "The Expect header asks for something unknown.",
    422: "The Idempotency-Key was used with another body.",
    500: "A fault of the server.",
    502: "The runtime failed, or its output breaks the schema.",
    503: "The function was not called; the call may be sent again.",
}
# In the answers, the headers that may be there.
_HEADERS: JsonObject = {
    "X-Invocation-Id": {
        "description": "What the logs name the call.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "Idempotency-Replayed": {
        "description": "The answer is that of an earlier call with the same key.",
        "schema": {"type": "string", "const": "true"},
    },
    "Preference-Applied": {
        "description": "The preferences that were honoured.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to send the call again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {
        "description": "The scheme of the credential.",
        "schema": {"type": "string"},
    },
    "Allow": {"description": "The methods that there are.", "schema": {"type": "string"}},
}
_OF_CALLS = ("X-Invocation-Id", "Idempotency-Replayed", "Preference-Applied")
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
        "description": "`wait=20` gives the runtime 20 s at most (RFC 7240).",
        "schema": {"type": "string"},
    },
    {
        "name": "traceparent",
        "in": "header",
        "description": "The caller's trace (W3C Trace Context); ignored when it is none.",
        "schema": {"type": "string"},
    },
]


def document(
    file: FunctionFile,
    status: Mapping[FunctionErrorCode, int],
    headers: Mapping[FunctionErrorCode, Mapping[str, str]],
    *,
    public: bool,
) -> JsonObject:
    """Describe the function; `public` where nobody needs a credential."""
    name = file.name.lower()
    schemas = {
        "Input": embedded(file.input_schema, "#/components/schemas/Input"),
        "Output": embedded(file.output_schema, "#/components/schemas/Output"),
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
                        "content": {JSON: {"schema": _to("schemas/Input")}},
                    },
                    "responses": _responses(status, headers, public=public),
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


def _responses(
    status: Mapping[FunctionErrorCode, int],
    headers: Mapping[FunctionErrorCode, Mapping[str, str]],
    *,
    public: bool,
) -> JsonObject:
    left_out = {*_ELSEWHERE, *([FunctionErrorCode.UNAUTHORIZED] if public else [])}
    codes: dict[int, list[FunctionErrorCode]] = {}
    for code, number in status.items():
        if code not in left_out:
            codes.setdefault(number, []).append(code)
    success = _response("The output, which satisfies its schema.", _to("schemas/Answer"), _OF_CALLS)
    return {
        "200": success,
        **{
            str(number): _response(
                _MEANING[number],
                _one_of([_error(code) for code in those]),
                [*_OF_CALLS, *sorted({name for code in those for name in headers.get(code, {})})],
            )
            for number, those in sorted(codes.items())
        },
    }


def _response(meaning: str, schema: JsonObject, headers: Iterable[str]) -> JsonObject:
    return {
        "description": meaning,
        "headers": {name: _to(f"headers/{name}") for name in headers},
        "content": {JSON: {"schema": schema}},
    }


def _error(code: FunctionErrorCode) -> JsonObject:
    raw = {"raw_output": True} if code is FunctionErrorCode.OUTPUT_INVALID else {}
    return {
        "type": "object",
        "required": ["error", "detail", *raw],
        "additionalProperties": False,
        "properties": {
            "error": {"type": "string", "const": str(code)},
            "detail": {"type": "string", "minLength": 1},
            **raw,
        },
    }


def _one_of(schemas: list[JsonObject]) -> JsonObject:
    return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}


def _to(place: str) -> JsonObject:
    return {"$ref": f"#/components/{place}"}
