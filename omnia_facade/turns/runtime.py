"""The backend that relays turns and calls to the runtime."""

from collections.abc import Coroutine
from typing import Any

import structlog

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.listener import TurnListener
from omnia_core.errors import Code
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import (
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import BackendConnection, Resume
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed
from omnia_facade.timings import USUAL
from omnia_facade.turns.call import RuntimeCall
from omnia_facade.turns.relayed import InterruptedAnswerStore
from omnia_facade.turns.text import RuntimeTurns

_log = structlog.get_logger()


class RuntimeBackend:
    """Relays to a runtime, which may be silent for `silence_seconds`."""

    def __init__(
        self,
        client: RuntimeClient,
        silence_seconds: float,
        cancel_seconds: float = USUAL.cancel,
        store: InterruptedAnswerStore | None = None,
    ) -> None:
        self._client = client
        self._silence_seconds = silence_seconds
        self._cancel_seconds = cancel_seconds
        self._store = store

    def begin(
        self,
        session_id: str,  # noqa: ARG002 - the port's
        principal: Principal,
    ) -> BackendConnection:
        return _RuntimeConnection(
            self._client, principal, self._silence_seconds, self._cancel_seconds, self._store
        )


class _RuntimeConnection:
    __slots__ = (
        "_call",
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
        store: InterruptedAnswerStore | None,
    ) -> None:
        self._client = client
        self._caller = caller
        self._cancel_seconds = cancel_seconds
        self._silence_seconds = silence_seconds
        self._turns = RuntimeTurns(client, caller, silence_seconds, cancel_seconds, store)
        self._call: RuntimeCall | None = None

    async def probe(self, session_id: str) -> Resume:
        try:
            return await self._client.has_conversation(session_id, self._caller)
        except RuntimeFailed as failed:
            if failed.code is Code.UNIMPLEMENTED:
                return Resume.RESUMABLE
            _log.warning("session not probed", session_id=session_id, reason=failed.message)
            return Resume.UNAVAILABLE

    def turn(
        self, request: TurnRequest, listener: TurnListener[TurnEvent]
    ) -> Coroutine[Any, Any, Done | Failed]:
        return self._turns.run(request, listener)

    async def call(
        self, request: CallRequest, audio: AudioQueue, listener: TurnListener[TurnEvent]
    ) -> Done | Failed:
        if self._turns.cancelled:
            self._turns.cancelled = False
            return Done("", finish_reason=CANCELLED)
        stream = self._client.converse(request.session_id, self._caller)
        self._call = RuntimeCall(
            stream, request, audio, self._silence_seconds, self._cancel_seconds
        )
        try:
            return await self._call.run(listener)
        finally:
            self._call = None

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

    def send_tool_result(self, result: ClientToolResult) -> None:
        if self._call:
            self._call.send_tool_result(result)
        else:
            self._turns.send_tool_result(result)

    def close(self) -> None:
        self._turns.close()
