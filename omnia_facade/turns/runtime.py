"""Whatever the runtime answers on one connection: turns, and calls."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.errors import Code
from omnia_facade.auth.principal import Principal
from omnia_facade.dialogue.audio import AudioQueue
from omnia_facade.dialogue.events import CallRequest, Done, ToolAnswer, TurnEvent, TurnRequest
from omnia_facade.dialogue.handler import Dialogue, Resume, Say
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed
from omnia_facade.timings import USUAL
from omnia_facade.turns.call import RuntimeCall
from omnia_facade.turns.relayed import Keeper
from omnia_facade.turns.text import RuntimeTurns

_log = structlog.get_logger()


class RuntimeHandler:
    """Relays turns to a runtime; `silence_seconds` is how long it may say nothing."""

    def __init__(
        self,
        client: RuntimeClient,
        silence_seconds: float,
        cancel_seconds: float = USUAL.cancel,
        keeper: Keeper | None = None,
    ) -> None:
        self._client = client
        self._silence_seconds = silence_seconds
        self._cancel_seconds = cancel_seconds
        self._keeper = keeper

    def begin(self, session_id: str, principal: Principal) -> Dialogue:  # noqa: ARG002 - the port's
        return _RuntimeDialogue(
            self._client, principal, self._silence_seconds, self._cancel_seconds, self._keeper
        )


class _RuntimeDialogue:
    __slots__ = (
        "_call",
        "_call_cancelled",
        "_caller",
        "_cancel_seconds",
        "_client",
        "_silence_seconds",
        "_turns",
    )

    def __init__(
        self,
        client: RuntimeClient,
        caller: Principal,
        silence_seconds: float,
        cancel_seconds: float,
        keeper: Keeper | None,
    ) -> None:
        self._client = client
        self._caller = caller
        self._silence_seconds = silence_seconds
        self._cancel_seconds = cancel_seconds
        self._turns = RuntimeTurns(client, caller, silence_seconds, cancel_seconds, keeper)
        self._call: RuntimeCall | None = None

    async def probe(self, session_id: str) -> Resume:
        try:
            return await self._client.has_conversation(session_id, self._caller)
        except RuntimeFailed as failed:
            if failed.code is Code.UNIMPLEMENTED:
                return Resume.RESUMABLE
            _log.warning("session not probed", session_id=session_id, reason=failed.message)
            return Resume.UNAVAILABLE

    def turn(self, request: TurnRequest, say: Say) -> AsyncGenerator[TurnEvent, None]:
        return self._turns.run(request, say)

    def call(self, request: CallRequest, audio: AudioQueue) -> AsyncGenerator[TurnEvent, None]:
        return self._hold(request, audio)

    def hang_up(self) -> None:
        if self._call:
            self._call.hang_up()
        else:
            self._turns.cancel()

    def cancel(self) -> None:
        if self._call:
            self._call.cancel()
        else:
            self._turns.cancel()

    def answer(self, answer: ToolAnswer) -> None:
        if self._call:
            self._call.answer(answer)
        else:
            self._turns.answer(answer)

    def close(self) -> None:
        self._turns.close()

    async def _hold(
        self, request: CallRequest, audio: AudioQueue
    ) -> AsyncGenerator[TurnEvent, None]:
        if self._turns.cancelled:
            self._turns.cancelled = False
            yield Done("", finish_reason=CANCELLED)
            return
        stream = self._client.converse(request.session_id, self._caller)
        self._call = RuntimeCall(
            stream, request, audio, self._silence_seconds, self._cancel_seconds
        )
        try:
            async with aclosing(self._call.events()) as events:
                async for event in events:
                    yield event
        finally:
            self._call = None
