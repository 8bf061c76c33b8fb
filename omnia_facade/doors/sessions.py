"""The rules of session ids at the doors: one session id everywhere, never replaced silently."""

from collections.abc import Callable
from typing import Literal, cast

import structlog

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.errors import OmniaError
from omnia_core.sessions import Message, Session
from omnia_core.sessions.factory import OnDemandSessionStore
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Backend, Resume, SaidMessage
from omnia_facade.backend.session_ids import SESSION_ID_PATTERN, SESSION_ID_RULE
from omnia_facade.doors.errors import NOT_SUPPORTED, DoorFailed, invalid

_log = structlog.get_logger()

UNKNOWN = "the session is unknown or has expired"


def check_session_id(text: str, parameter: str) -> str:
    """Return a client's id of a conversation, which is the session id everywhere.

    Raises:
        DoorFailed: it cannot be one. It is not changed to fit: it has to work at other doors.
    """
    if not SESSION_ID_PATTERN.fullmatch(text) or text in (".", ".."):
        raise invalid(f"{parameter} has {SESSION_ID_RULE}", parameter)
    return text


def _message(said: SaidMessage) -> Message:
    return Message(
        # A runtime returns messages of these roles.
        cast("Literal['user', 'assistant', 'tool']", said.role),
        said.content,
        said.parts,
        said.tool_calls,
        said.tool_call_id,
        said.is_error,
        said.finish_reason,
        created_at=said.created_at,
    )


class SessionRules:
    """Chooses the session of a turn."""

    def __init__(
        self,
        backend: Backend,
        new_id: Callable[[Principal], str],
        store: OnDemandSessionStore | None = None,
    ) -> None:
        """Use the sessions of an agent.

        Args:
            backend: knows whether a session can be continued.
            new_id: makes the id of a new session.
            store: has the messages; None where the runtime's memory has them.
        """
        self._backend = backend
        self._new_id = new_id
        self._store = store

    async def said(self, session_id: str, caller: Principal) -> Session:
        """Return a session with its messages: from the store, or from the runtime's memory.

        Raises:
            DoorFailed: it is unknown or somebody else's, or the runtime does not tell.
        """
        if self._store is None:
            return await self._told(session_id, caller)
        try:
            session = await (await self._store.open()).load(session_id)
        except OmniaError as error:
            _log.warning("session not loaded", session_id=session_id, reason=error.message)
            raise DoorFailed(
                ErrorCode.AGENT_UNAVAILABLE, "the session cannot be read at present; try again"
            ) from error
        if session is None or not session.open_to(caller.user_id):
            raise DoorFailed(ErrorCode.SESSION_EXPIRED, UNKNOWN)
        return session

    async def _told(self, session_id: str, caller: Principal) -> Session:
        reading = await self._backend.read(session_id, caller, 0)
        match reading.resume:
            case Resume.RESUMABLE:
                messages = tuple(map(_message, reading.messages))
                return Session(session_id, messages, name=reading.session_name)
            case Resume.NOT_FOUND:
                raise DoorFailed(ErrorCode.SESSION_EXPIRED, UNKNOWN)
            case Resume.UNAVAILABLE:
                raise DoorFailed(
                    ErrorCode.AGENT_UNAVAILABLE,
                    "the session cannot be read at present; try again",
                )
            case None:
                raise DoorFailed(
                    NOT_SUPPORTED,
                    "this agent keeps its sessions in memory, and its runtime does not return"
                    " earlier turns: set session.type",
                )

    async def session_of(self, session_id: str, caller: Principal, *, known: bool) -> str:
        """Return the id of the session, a new one for "".

        An id that the client made needs no look-up: the turn's own load decides, and refuses the
        session of somebody else as if it were unknown.

        Raises:
            DoorFailed: the session has to exist and does not.
        """
        if not session_id:
            return self._new_id(caller)
        check_session_id(session_id, "the session id")
        if known:
            resume = await self._backend.probe(session_id, caller)
            if resume is Resume.NOT_FOUND:
                raise DoorFailed(ErrorCode.SESSION_EXPIRED, UNKNOWN)
            if resume is Resume.UNAVAILABLE:
                raise DoorFailed(
                    ErrorCode.AGENT_UNAVAILABLE, "the session cannot be looked up; try again"
                )
        return session_id
