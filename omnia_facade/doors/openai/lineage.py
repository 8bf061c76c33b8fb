"""Recognises a conversation by its messages, for clients that name no session.

A client of a stateless API sends all messages with every request. The messages up to the agent's
last answer are a key, under which the session of that answer is stored. A session goes on from an
answer once: a second request after the same answer (an edited or a regenerated message) is another
conversation, which begins with the same history.
"""

from collections.abc import Sequence
from hashlib import sha256

import structlog
from msgspec import Struct

from omnia_core.conversation.tools import ToolCall
from omnia_core.sessions import StoreUnavailable
from omnia_facade.auth.principal import Principal
from omnia_facade.doors.history import SentMessage
from omnia_facade.doors.openai.kept import KeptValues
from omnia_facade.doors.parts import text_part

# Conversations of one user that say the same from their beginning on: "hi", and its answer.
MAX_EQUAL = 8

_log = structlog.get_logger()


def digest_of(messages: Sequence[SentMessage], begun: bytes = b"") -> bytes:
    """Return the digest of a conversation; `begun` is that of its beginning.

    Clients trim and re-wrap texts, so white space does not count.
    """
    digest = begun
    for message in messages:
        text = " ".join(message.text.split())
        fields = [message.role, text, message.call_id, message.rejection or ""]
        for call in message.calls:
            fields += (call.id, call.name)
        for part in message.parts:
            if part.media is not None:
                media = part.media
                fields += (part.type, media.mime_type, media.url, media.data, media.storage_ref)
        if not text and len(fields) == 4 and not message.call_id:  # noqa: PLR2004 - the four above
            # An answer that failed: some clients send an empty one, some leave it out.
            continue
        state = sha256(digest)
        for field in fields:
            encoded = field.encode("utf-8", "surrogatepass")
            state.update(len(encoded).to_bytes(8, "big"))
            state.update(encoded)
        digest = state.digest()
    return digest


def answer_message(text: str, calls: Sequence[ToolCall]) -> SentMessage:
    """Return our own answer as a client sends it back."""
    return SentMessage("assistant", (text_part(text),) if text else (), tuple(calls))


class Continued(Struct, frozen=True):
    """A session that goes on, and the claim of this request on its last answer."""

    session_id: str
    key: str
    holder: str


class Lineage:
    """The sessions of one agent by the digests of their conversations.

    What the store cannot say is not an error: a conversation that is not recognised begins a new
    session with the history that the client sent.
    """

    def __init__(self, kept: KeptValues) -> None:
        self._kept = kept

    async def find(self, caller: Principal, digest: bytes, holder: str) -> Continued | None:
        """Return the session whose last answer ends a conversation, and claim the answer.

        Args:
            caller: whose sessions are looked up.
            digest: of the messages up to the last answer.
            holder: names this request.
        """
        try:
            for number in range(MAX_EQUAL):
                found = await self._kept.get(caller, _key("answer", digest, number))
                if found is None:
                    return None
                key = _key("next", digest, number)
                if await self._kept.claim(caller, key, holder):
                    return Continued(found.decode(), key, holder)
        except StoreUnavailable as error:
            _log.warning("a conversation could not be looked up", reason=error.message)
        return None

    async def answered(
        self, caller: Principal, digest: bytes, session_id: str, continued: Continued | None
    ) -> None:
        """Store the session of an answer; `digest` is of all messages with the answer."""
        try:
            if continued:
                await self._kept.confirm(caller, continued.key, continued.holder)
            for number in range(MAX_EQUAL):
                if await self._kept.put(
                    caller, _key("answer", digest, number), session_id.encode()
                ):
                    return
        except StoreUnavailable as error:
            _log.warning("a conversation could not be stored", reason=error.message)

    async def failed(self, caller: Principal, continued: Continued | None) -> None:
        """Give back the claim of a request without an answer, so that it can be sent again."""
        if continued is None:
            return
        try:
            await self._kept.release(caller, continued.key, continued.holder)
        except StoreUnavailable as error:
            _log.warning("a claim could not be released", reason=error.message)


def _key(kind: str, digest: bytes, number: int) -> str:
    return f"lineage:{kind}:{digest.hex()}:{number}"
