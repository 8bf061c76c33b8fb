"""The sessions of handlers that keep none in a runtime."""

from collections import OrderedDict

from omnia_facade.dialogue.handler import Resume

# About 10 MB when full; the oldest are forgotten first.
MAX_ANNOUNCED = 50_000


class AnnouncedSessions:
    """The ids that this process has announced, each with the user to whom it belongs."""

    def __init__(self, limit: int = MAX_ANNOUNCED) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, str] = OrderedDict()

    def add(self, session_id: str, user_id: str) -> None:
        """Remember an id; with the user id "" it belongs to nobody."""
        self._ids[session_id] = user_id
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)

    def probe(self, session_id: str, user_id: str) -> Resume:
        """Say whether the id is known, and open to this user."""
        if self._ids.get(session_id) not in ("", user_id):
            return Resume.NOT_FOUND
        self._ids.move_to_end(session_id)
        return Resume.RESUMABLE
