"""One call of a function, and what came of it."""

import orjson
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_facade.auth.principal import Principal
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed


class Call(Struct, frozen=True):
    """Who calls.

    Attributes:
        invocation_id: a UUID; the logs of facade and runtime name it.
        seconds: the longest that the runtime may take.
        key: the caller's Idempotency-Key; a call that is repeated with it is answered once.
    """

    invocation_id: str
    caller: Principal
    seconds: float
    key: str | None = None


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What the caller is told.

    Attributes:
        invocation_id: of the call that was answered first, where this is its repetition.
        body: JSON.
        error: None for a success.
        replayed: whether an earlier call was answered with the same.
    """

    invocation_id: str
    body: bytes
    error: FunctionErrorCode | None = None
    replayed: bool = False


def succeeded(call: Call, answer: JsonObject) -> Outcome:
    """Return the outcome of a call that has an output."""
    return Outcome(call.invocation_id, orjson.dumps(answer))


def failed(call: Call, why: FunctionFailed) -> Outcome:
    """Return the outcome of a call that has none."""
    return Outcome(call.invocation_id, orjson.dumps(why.body), why.code)
