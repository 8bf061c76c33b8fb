"""Which sessions files may be uploaded into: those that this agent has begun, or knows."""

import hmac
import os
import uuid
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import TypeAlias

from omnia_core.media import is_session_id
from omnia_core.session_ids import stamped
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Resume
from omnia_facade.media.port import MediaErrorCode, MediaFailed

Probe: TypeAlias = Callable[[str, Principal], Awaitable[Resume]]

_RANDOM_BYTES = 11
_PROOF_BYTES = 5


class SessionIds:
    """Makes the ids of new sessions, and recognises them without a list.

    A session has no record before its first message, but files may be uploaded for that message,
    and the upload may reach another pod than the WebSocket. So an id proves that a pod with the
    same key has made it for this user. Like other ids of sessions, it is a UUID of version 7.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def new(self, user_id: str) -> str:
        """Return the id of a new session of this user."""
        random = stamped(os.urandom(_RANDOM_BYTES))
        return str(uuid.UUID(bytes=random + self._proof(random, user_id)))

    def made_for(self, session_id: str, user_id: str) -> bool:
        """Whether `new` has made this id for this user, or for a user who is not known."""
        try:
            found = uuid.UUID(session_id)
        except ValueError:
            return False
        random, proof = found.bytes[:_RANDOM_BYTES], found.bytes[_RANDOM_BYTES:]
        return str(found) == session_id and any(
            hmac.compare_digest(proof, self._proof(random, owner)) for owner in (user_id, "")
        )

    def _proof(self, random: bytes, user_id: str) -> bytes:
        content = random + user_id.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, content, sha256)[:_PROOF_BYTES]


class UploadSessions:
    """The sessions of one agent."""

    def __init__(self, ids: SessionIds, probe: Probe | None) -> None:
        """`probe` looks a session up; None where there are no sessions, and any id is accepted."""
        self.ids = ids
        self._probe = probe

    async def require(self, session_id: str, caller: Principal) -> None:
        """Require that the caller may upload into a session.

        Raises:
            MediaFailed: there is no such session, or it cannot be looked up.
        """
        if self._probe is None or not is_session_id(session_id):
            # An invalid id is refused with the other fields of the request.
            return
        if self.ids.made_for(session_id, caller.user_id):
            return
        found = await self._probe(session_id, caller)
        if found is Resume.NOT_FOUND:
            raise MediaFailed(
                MediaErrorCode.NOT_FOUND,
                "there is no such session; expected the session_id of a connected message",
            )
        if found is Resume.UNAVAILABLE:
            raise MediaFailed(
                MediaErrorCode.AGENT_UNAVAILABLE,
                "the session cannot be looked up at present; try again",
            )
