"""How much of the volume the uploads take: of all users together, and of each one."""

from collections import Counter
from threading import Lock

from msgspec import Struct

from omnia_facade.media.port import MediaErrorCode, MediaFailed

# What a file takes besides its bytes: its last block, its record, its ticket, its share of folders.
FILE_BYTES = 16 * 1024

_RETRY = "upload again when older files have expired"


class VolumeLimits(Struct, frozen=True):
    """The limits of the volume, in bytes; a file counts `FILE_BYTES` more than its size.

    Attributes:
        volume: of all files together.
        user: of the files of one user who is known.
    """

    volume: int
    user: int


class VolumeUsage:
    """Counts what is on the volume, and adds what is requested.

    The sweep visits each file in rounds, and counts it: so the files of other pods are known, and
    those that have expired are forgotten, without an index. What this pod has reserved counts at
    once, and until a round has found it. Threads may call the methods.
    """

    def __init__(self, limits: VolumeLimits) -> None:
        self._limits = limits
        self._lock = Lock()
        # Bytes by user: of the last round, and of the round under way.
        self._counted = Counter[str]()
        self._counting = Counter[str]()
        # Reserved before the round under way began, which therefore finds them, and since then.
        self._earlier = Counter[str]()
        self._since = Counter[str]()
        self._reserved: dict[str, tuple[str, int]] = {}

    def reserve(self, media_id: str, user_id: str, size: int) -> None:
        """Reserve room for a file of this user.

        Raises:
            MediaFailed: there is not so much room.
        """
        size += FILE_BYTES
        with self._lock:
            known = (self._counted, self._earlier, self._since)
            if sum(bytes_of.total() for bytes_of in known) + size > self._limits.volume:
                raise MediaFailed(
                    MediaErrorCode.STORAGE_FULL,
                    f"the files of all users have reached the limit of {self._limits.volume} bytes;"
                    f" {_RETRY}",
                )
            own = sum(bytes_of[user_id] for bytes_of in known) + size
            if user_id and own > self._limits.user:
                raise MediaFailed(
                    MediaErrorCode.STORAGE_FULL,
                    f"the files of this user would take {own} bytes together; the limit is"
                    f" {self._limits.user}; {_RETRY}",
                )
            self._since[user_id] += size
            self._reserved[media_id] = (user_id, size)

    def release(self, media_id: str) -> None:
        """Return the room of a file that was not stored."""
        with self._lock:
            user_id, size = self._reserved.pop(media_id, ("", 0))
            self._since[user_id] -= size

    def count(self, media_id: str, user_id: str, size: int) -> None:
        """Count a file that the round has found."""
        with self._lock:
            if media_id not in self._reserved:
                self._counting[user_id] += size + FILE_BYTES

    def round_ended(self) -> None:
        """Called when the round has visited each file."""
        with self._lock:
            self._counted, self._counting = self._counting, Counter()
            self._earlier, self._since = self._since, Counter()
            self._reserved.clear()
