"""The calls about sessions of the caller: list them, name them, end them."""

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import SessionStore, StoreUnavailable
from omnia_core.sessions.audit import timestamp
from omnia_core.sessions.given_names import name_problem
from omnia_core.sessions.own import ListedSession, list_place
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.server.port import Metadata
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.turn import Caller

# Without a limit, and at most.
MAX_LISTED = 100


class OwnConversations:
    """Answers the calls; an error that is a person's to repair has a public message."""

    def __init__(self, store: SessionStore, turns: SessionTurns) -> None:
        self._store = store
        self._turns = turns

    async def list(
        self, request: pb.ListConversationsRequest, metadata: Metadata
    ) -> pb.ListConversationsResponse:
        """Return a page of the list of the caller's sessions."""
        if not self._store.own.lists:
            raise OmniaError(Code.UNIMPLEMENTED, "this session store cannot list sessions")
        limit = min(request.limit or MAX_LISTED, MAX_LISTED)
        place = list_place(request.cursor)
        try:
            # One more than asked for tells whether there are more.
            found = await self._store.own.of_user(Caller(metadata).user_id, limit + 1, place)
        except StoreUnavailable as error:
            return pb.ListConversationsResponse(unavailable=error.message)
        return pb.ListConversationsResponse(
            conversations=map(_listed, found[:limit]),
            next=found[limit - 1].place.cursor if len(found) > limit else "",
        )

    async def name(
        self, request: pb.NameConversationRequest, metadata: Metadata
    ) -> pb.NameConversationResponse:
        """Name a session that the caller may continue."""
        _require(request.session_id)
        if problem := name_problem(request.name):
            raise OmniaError(Code.INVALID_ARGUMENT, problem)
        try:
            session = await self._store.load(request.session_id)
            open_to = session is not None and session.open_to(Caller(metadata).user_id)
            named = open_to and await self._store.own.give_name(
                request.session_id, request.name.strip()
            )
        except StoreUnavailable as error:
            return pb.NameConversationResponse(
                state=pb.RESUME_STATE_UNAVAILABLE, detail=error.message
            )
        return pb.NameConversationResponse(state=_state(done=named))

    async def delete(
        self, request: pb.DeleteConversationRequest, metadata: Metadata
    ) -> pb.DeleteConversationResponse:
        """End a session that the caller began."""
        _require(request.session_id)
        try:
            ended = await self._turns.end_session(request.session_id, Caller(metadata))
        except StoreUnavailable as error:
            return pb.DeleteConversationResponse(
                state=pb.RESUME_STATE_UNAVAILABLE, detail=error.message
            )
        return pb.DeleteConversationResponse(state=_state(done=ended))


def _require(session_id: str) -> None:
    if not session_id:
        raise OmniaError(Code.INVALID_ARGUMENT, "session_id is empty")


def _state(*, done: bool) -> pb.ResumeState:
    return pb.RESUME_STATE_RESUMABLE if done else pb.RESUME_STATE_NOT_FOUND


def _listed(session: ListedSession) -> pb.ListedConversation:
    return pb.ListedConversation(
        session_id=session.id,
        session_name=session.name,
        begun_at=timestamp(session.begun_at),
        last_at=timestamp(session.active_at),
        ends_at=timestamp(session.ends_at),
        turns=session.turns,
        status=session.status,
        tokens=session.tokens,
        cost_usd=session.cost_usd,
        first_message=session.first_message,
    )
