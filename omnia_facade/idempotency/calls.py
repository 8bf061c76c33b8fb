"""A call that is repeated with its Idempotency-Key gets the answer of the first one.

As in draft-ietf-httpapi-idempotency-key-header-07: a key belongs to one caller and one input, the
answer of a completed call is replayed, and no call waits for another that is in progress.
"""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256

import msgspec
import orjson
import structlog
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject, json_bytes, parse_json
from omnia_core.sessions import StoreUnavailable
from omnia_facade.auth.principal import Principal
from omnia_facade.functions.errors import RAW_OUTPUT, FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import FunctionAnswer, FunctionInvocation
from omnia_facade.idempotency.store import ExistingClaim, ReplyStore

KEPT_SECONDS = 24 * 3600.0
# What the store and the validation may take in addition to the runtime.
MARGIN_SECONDS = 15.0

_log = structlog.get_logger()


class _StoredReply(Struct, frozen=True, omit_defaults=True):
    """The stored form of an answer, or of a failure that completed a call."""

    invocation_id: str
    body: bytes
    error: FunctionErrorCode | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_StoredReply)


class IdempotentCalls:
    """Answers each call with a key once."""

    def __init__(self, store: ReplyStore, kept_seconds: float = KEPT_SECONDS) -> None:
        self._store = store
        self._kept_seconds = kept_seconds

    async def answer(
        self,
        input_json: str,
        call: FunctionInvocation,
        run: Callable[[], Awaitable[FunctionAnswer]],
    ) -> FunctionAnswer:
        """Run the call; one with a key that was completed before is answered as it was then.

        Raises:
            FunctionFailed: the call failed, now or then. Or it was not run: the key is in use,
                belongs to another input, or cannot be looked up.
        """
        if call.key is None:
            return await run()
        # The caller will repeat the call with the key, so it goes on after a disconnect.
        running = asyncio.ensure_future(self._answer_once(call.key, input_json, call, run))
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            await asyncio.wait({running})
            running.exception()  # asyncio logs an error that is not looked at
            raise
        return running.result()

    async def _answer_once(
        self,
        key: str,
        input_json: str,
        call: FunctionInvocation,
        run: Callable[[], Awaitable[FunctionAnswer]],
    ) -> FunctionAnswer:
        scope, fingerprint = scope_of(call.caller, key), fingerprint_of(input_json)
        existing = await self._claim(scope, fingerprint, call)
        if existing is not None:
            return replayed(existing, fingerprint)
        reply: bytes | None = None
        try:
            answer = await run()
            reply = _encoder.encode(_StoredReply(answer.invocation_id, answer.body))
        except FunctionFailed as failure:
            # It was completed: tools were used, the model was paid. Another try needs a new key.
            if failure.code is FunctionErrorCode.OUTPUT_INVALID:
                body = json_bytes(failure.body)
                reply = _encoder.encode(_StoredReply(call.invocation_id, body, failure.code))
            raise
        finally:
            await self._settle(scope, call.invocation_id, reply)
        return answer

    async def _claim(
        self, scope: bytes, fingerprint: bytes, call: FunctionInvocation
    ) -> ExistingClaim | None:
        lease = call.seconds + MARGIN_SECONDS
        try:
            return await self._store.claim(
                scope, fingerprint, call.invocation_id, lease_seconds=lease
            )
        except StoreUnavailable as error:
            _log.warning("an Idempotency-Key could not be looked up", reason=error.message)
            raise FunctionFailed(
                FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE,
                "the store of Idempotency-Keys cannot be reached, so the function was not called;"
                " send the call again later",
            ) from error

    async def _settle(self, scope: bytes, holder: str, reply: bytes | None) -> None:
        try:
            if reply is None:
                await self._store.release(scope, holder)
            else:
                await self._store.keep(scope, holder, reply, ttl_seconds=self._kept_seconds)
        except StoreUnavailable as error:
            # The caller gets the answer all the same; the key is free when its lease ends.
            _log.warning("a reply was not stored", invocation_id=holder, reason=error.message)


def replayed(claim: ExistingClaim, fingerprint: bytes) -> FunctionAnswer:
    """Return the answer that is stored for a key.

    Raises:
        FunctionFailed: the stored answer is a failure, is not there yet, belongs to another input,
            or cannot be read.
    """
    if claim.fingerprint != fingerprint:
        raise FunctionFailed(
            FunctionErrorCode.IDEMPOTENCY_KEY_REUSED,
            "this Idempotency-Key was used with another body; use a new key for a new call",
        )
    if claim.reply is None:
        raise FunctionFailed(
            FunctionErrorCode.IDEMPOTENCY_IN_PROGRESS,
            "a call with this Idempotency-Key is in progress; send it again later",
        )
    try:
        reply = _decoder.decode(claim.reply)
        if reply.error is None:
            return FunctionAnswer(reply.invocation_id, reply.body, replayed=True)
        failure: JsonObject = orjson.loads(reply.body)
        detail = failure["detail"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        # A pod of another version stored it, as happens during an update.
        _log.warning("a stored reply cannot be read", reason=str(error))
        raise FunctionFailed(
            FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE,
            "the reply under this Idempotency-Key cannot be read by this version of the server, so"
            " the function was not called; send the call again later",
        ) from error
    raise FunctionFailed(
        reply.error,
        detail,
        replay_of=reply.invocation_id,
        **{name: value for name, value in failure.items() if name in RAW_OUTPUT},
    )


def scope_of(caller: Principal, key: str) -> bytes:
    """Return the digest of a caller and a key: callers do not share keys."""
    parts = (caller.origin, caller.subject, caller.end_user, key)
    # Half of a surrogate pair is not text, and may come in a header or a claim.
    digests = (sha256(part.encode("utf-8", "surrogatepass")).digest() for part in parts)
    return sha256(b"".join(digests)).digest()


def fingerprint_of(input_json: str) -> bytes:
    """Return the digest of an input, which does not depend on the order of its keys."""
    return sha256(json_bytes(parse_json(input_json.encode()), sort_keys=True)).digest()
