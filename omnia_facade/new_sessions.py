"""Makes the ids of new sessions."""

from typing import TYPE_CHECKING

from omnia_core.session_ids import new_session_id
from omnia_facade.backend.port import NewId

if TYPE_CHECKING:
    from omnia_facade.media.opening import MediaService


def session_ids(media: "MediaService | None") -> NewId:
    """Return what makes session ids: where uploads are kept, they know their owner."""
    if media is None:
        return lambda _: new_session_id()
    ids = media.sessions.ids
    return lambda caller: ids.new(caller.user_id)
