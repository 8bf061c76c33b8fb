"""Responses that are kept after their end, in the database of the sessions."""

import msgspec
import structlog
from msgspec import Raw, Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.sessions import StoreUnavailable
from omnia_facade.auth.principal import Principal
from omnia_facade.doors.errors import DoorFailed
from omnia_facade.doors.openai.kept import KeptValues

# An input may have media of 16 MiB; a response is kept without one that is larger than this.
MAX_INPUT_BYTES = 256 * 1024
_NULL = b"null"

_log = structlog.get_logger()


class StoredResponse(Struct, frozen=True):
    """A response after its end.

    Attributes:
        response: the document.
        items: the input as a list of items; null if it was too large.
    """

    response: Raw
    items: Raw = Raw(_NULL)


_decoder = msgspec.json.Decoder(StoredResponse)


class StoredResponses:
    """The responses of one agent. Each belongs to its caller: others do not find it."""

    def __init__(self, kept: KeptValues) -> None:
        self._kept = kept

    async def keep(
        self, caller: Principal, response_id: str, response: bytes, items: bytes
    ) -> None:
        """Store a response; without the store it can be read from its run, for some time."""
        kept = items if len(items) <= MAX_INPUT_BYTES else _NULL
        data = msgspec.json.encode(StoredResponse(Raw(response), Raw(kept)))
        try:
            await self._kept.put(caller, f"response:{response_id}", data)
        except StoreUnavailable as error:
            _log.warning("a response could not be stored", reason=error.message)

    async def find(self, caller: Principal, response_id: str) -> StoredResponse | None:
        """Return a response; None if it is unknown, not complete, deleted or expired.

        Raises:
            DoorFailed: the store cannot answer.
        """
        try:
            if await self._kept.get(caller, f"response-deleted:{response_id}"):
                return None
            data = await self._kept.get(caller, f"response:{response_id}")
        except StoreUnavailable as error:
            raise _unavailable() from error
        return _decoder.decode(data) if data else None

    async def delete(self, caller: Principal, response_id: str) -> None:
        """Delete a response.

        Raises:
            DoorFailed: the store cannot answer.
        """
        try:
            await self._kept.put(caller, f"response-deleted:{response_id}", b"1")
        except StoreUnavailable as error:
            raise _unavailable() from error

    async def claim_next(self, caller: Principal, response_id: str, holder: str) -> bool:
        """Claim the place after a response; False if it has a successor.

        Raises:
            DoorFailed: the store cannot answer.
        """
        try:
            return await self._kept.claim(caller, f"response-next:{response_id}", holder)
        except StoreUnavailable as error:
            raise _unavailable() from error

    async def end_next(
        self, caller: Principal, response_id: str, holder: str, *, answered: bool
    ) -> None:
        """Keep the claim of a successor that has its answer; give back that of another one."""
        end = self._kept.confirm if answered else self._kept.release
        try:
            await end(caller, f"response-next:{response_id}", holder)
        except StoreUnavailable as error:
            _log.warning("a claim could not be stored", reason=error.message)


def _unavailable() -> DoorFailed:
    return DoorFailed(
        ErrorCode.AGENT_UNAVAILABLE, "the store of responses cannot be reached; try again"
    )
