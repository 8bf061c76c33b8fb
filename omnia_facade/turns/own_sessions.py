"""What users do with sessions of their own, by a runtime."""

import structlog

from omnia_core.errors import Code
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.own_sessions import Change, OwnSessionsPage
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed

_log = structlog.get_logger()

_FAILURES = {
    Code.INVALID_ARGUMENT: Change.INVALID,
    Code.FAILED_PRECONDITION: Change.TURN_RUNNING,
    Code.UNIMPLEMENTED: Change.UNSUPPORTED,
}


class RuntimeSessions:
    """Asks a runtime. One of an earlier version does not know these calls."""

    def __init__(self, client: RuntimeClient) -> None:
        self._client = client

    async def list(self, principal: Principal, limit: int, cursor: str) -> OwnSessionsPage:
        try:
            return await self._client.list_conversations(principal, limit, cursor)
        except RuntimeFailed as failed:
            return OwnSessionsPage(_change(failed))

    async def rename(self, session_id: str, principal: Principal, name: str) -> Change:
        try:
            return await self._client.name_conversation(session_id, principal, name)
        except RuntimeFailed as failed:
            return _change(failed)

    async def delete(self, session_id: str, principal: Principal) -> Change:
        try:
            return await self._client.delete_conversation(session_id, principal)
        except RuntimeFailed as failed:
            return _change(failed)


def _change(failed: RuntimeFailed) -> Change:
    change = _FAILURES.get(failed.code, Change.UNAVAILABLE)
    if change is Change.UNAVAILABLE:
        _log.warning("the request about the caller's sessions failed", reason=failed.message)
    return change
