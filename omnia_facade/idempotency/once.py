"""A call that is repeated with its key gets the answer of the first one.

As in draft-ietf-httpapi-idempotency-key-header-07: the key belongs to one caller and one input, the
answer of a call that was completed is given again, and nobody waits for a call that runs.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256

import msgspec
import orjson
import structlog

from omnia_core.sessions import StoreUnavailable
from omnia_facade.auth.principal import Principal
from omnia_facade.functions.call import Call, Outcome
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.idempotency.port import ReplyStore, Standing

KEPT_SECONDS = 24 * 3600.0
# What the store and the checks may take on top of the runtime.
MARGIN_SECONDS = 15.0

# The call was completed: tools were used, the model was paid. To ask it again takes another key.
_COMPLETED = frozenset({None, FunctionErrorCode.OUTPUT_INVALID})

_log = structlog.get_logger()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outcome)


class Once:
    """Answers calls that have a key."""

    def __init__(self, store: ReplyStore, kept_seconds: float = KEPT_SECONDS) -> None:
        self._store = store
        self._kept_seconds = kept_seconds

    async def answer(
        self, key: str, input_json: str, call: Call, run: Callable[[], Awaitable[Outcome]]
    ) -> Outcome:
        """Run the call, or return what an earlier one with this key was answered.

        Raises:
            FunctionFailed: the key is in use, or was used for another input, or the store cannot
                say so: then nothing was run.
        """
        scope, fingerprint = scope_of(call.caller, key), fingerprint_of(input_json)
        lease = call.seconds + MARGIN_SECONDS
        try:
            standing = await self._store.claim(
                scope, fingerprint, call.invocation_id, lease_seconds=lease
            )
        except StoreUnavailable as error:
            _log.warning("an Idempotency-Key could not be looked up", reason=error.message)
            raise FunctionFailed(
                FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE,
                "the store of Idempotency-Keys cannot be reached, so the function was not called;"
                " send the call again later",
            ) from error
        if standing is not None:
            return repeated(standing, fingerprint)
        outcome: Outcome | None = None
        try:
            outcome = await run()
        finally:
            await self._settle(scope, call, outcome)
        return outcome

    async def _settle(self, scope: bytes, call: Call, outcome: Outcome | None) -> None:
        holder = call.invocation_id
        try:
            if outcome is not None and outcome.error in _COMPLETED:
                reply = _encoder.encode(outcome)
                await self._store.keep(scope, holder, reply, ttl_seconds=self._kept_seconds)
            else:
                await self._store.release(scope, holder)
        except StoreUnavailable as error:
            # The caller gets the answer all the same; the key is free when its lease is over.
            _log.warning("a reply was not kept", invocation_id=holder, reason=error.message)


def repeated(standing: Standing, fingerprint: bytes) -> Outcome:
    """Return the answer that stands under a key.

    Raises:
        FunctionFailed: it is not there yet, belongs to another input, or cannot be read.
    """
    if standing.fingerprint != fingerprint:
        raise FunctionFailed(
            FunctionErrorCode.IDEMPOTENCY_KEY_REUSED,
            "this Idempotency-Key was used with another body; take a new key for a new call",
        )
    if standing.reply is None:
        raise FunctionFailed(
            FunctionErrorCode.IDEMPOTENCY_IN_PROGRESS,
            "a call with this Idempotency-Key is being answered; send it again later",
        )
    try:
        outcome = _decoder.decode(standing.reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # A pod of another version kept it, as happens during an update.
        _log.warning("a kept reply cannot be read", reason=str(error))
        raise FunctionFailed(
            FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE,
            "the reply under this Idempotency-Key cannot be read by this version of the server, so"
            " the function was not called; send the call again later",
        ) from error
    return msgspec.structs.replace(outcome, replayed=True)


def scope_of(caller: Principal, key: str) -> bytes:
    """Return the digest of a caller and their key: nobody meets another's."""
    parts = (caller.origin, caller.subject, caller.end_user, key)
    # Half of a surrogate pair is no text, and may come in a header or a claim.
    digests = (sha256(part.encode("utf-8", "surrogatepass")).digest() for part in parts)
    return sha256(b"".join(digests)).digest()


def fingerprint_of(input_json: str) -> bytes:
    """Return the digest of an input, the same in whichever order its keys come."""
    value = orjson.loads(input_json)
    return sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()
