"""Loads the media of messages: inline data, URLs, the agent's media folder, and uploads."""

import asyncio
import base64
import mimetypes
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from msgspec import Struct, structs

from omnia_core.conversation.parts import Media, Part
from omnia_core.errors import Code, OmniaError
from omnia_core.media import StorageRef, find
from omnia_core.sessions import Message
from omnia_runtime.agent.request_builder import LoadedPart, OmittedMedia

MAX_MEDIA_BYTES = 16 * 1024 * 1024
# The total size of earlier messages' uploads that are sent again.
MAX_EARLIER_BYTES = 32 * 1024 * 1024
_DEFAULT_MIME_TYPE = "application/octet-stream"

_NOT_THERE = OmittedMedia("its file is not there any more")
_TOO_MANY = OmittedMedia("too many files came after it")


class MediaInvalid(OmniaError):
    """The bytes of a part cannot be loaded."""

    def __init__(self, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, problem)


class MediaOwner(Struct, frozen=True):
    """The session and the user that may read an upload."""

    session_id: str = ""
    user_id: str = ""


_NO_OWNER = MediaOwner()


class UploadFolder:
    """The folder where the facade writes uploads."""

    def __init__(self, root: Path, max_file_size: int) -> None:
        """`max_file_size` is in bytes."""
        self._root = root
        self._max_file_size = max_file_size

    def read(self, reference: str, owner: MediaOwner) -> Media:
        """Return an upload with its bytes. Blocks.

        Raises:
            MediaInvalid: the upload cannot be read; the message says why.
        """
        ref = _parse_reference(reference)
        if ref.session_id != owner.session_id:
            raise MediaInvalid(
                f'media.storage_ref "{ref}" is of another session; upload the file in this one'
            )
        try:
            return self._read(ref, owner)
        except OSError as error:
            raise MediaInvalid(f'the upload "{ref}" cannot be read; try again later') from error

    def _read(self, ref: StorageRef, owner: MediaOwner) -> Media:
        found = find(self._root, ref)
        if found is None or not found[0].open_to(owner.user_id):
            if found:
                _close(found[1])
            raise MediaInvalid(f'there is no upload "{ref}"; upload the file again')
        record, descriptor = found
        if descriptor < 0 or record.expires_at <= datetime.now(UTC):
            _close(descriptor)
            raise MediaInvalid(f'the upload "{ref}" has expired; upload the file again')
        with os.fdopen(descriptor, "rb") as file:
            # One byte beyond the limit shows that the file is too large.
            content = file.read(self._max_file_size + 1)
        if len(content) > self._max_file_size:
            raise MediaInvalid(f'the upload "{ref}" is larger than {self._max_file_size} bytes')
        mime_type = record.mime_type.partition(";")[0].strip().lower()
        return Media(mime_type, base64.b64encode(content).decode())


def _parse_reference(reference: str) -> StorageRef:
    try:
        return StorageRef.parse(reference)
    except ValueError as error:
        raise MediaInvalid(f"media.storage_ref: {error}") from error


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


class MediaLoader:
    """Loads media; `mock://` URLs are paths inside the agent's media folder."""

    def __init__(
        self,
        base: Path,
        uploads: UploadFolder | None = None,
        earlier_bytes: int = MAX_EARLIER_BYTES,
    ) -> None:
        """Create a loader.

        Args:
            base: the agent's media folder.
            uploads: None if this agent accepts no uploads.
            earlier_bytes: the total size of earlier messages' uploads that are sent again.
        """
        self._base = base
        self._uploads = uploads
        self._earlier_bytes = earlier_bytes

    @property
    def accepts_uploads(self) -> bool:
        """Whether a message may refer to an upload."""
        return self._uploads is not None

    async def load_all(
        self, messages: Sequence[Message], owner: MediaOwner = _NO_OWNER
    ) -> dict[Part, LoadedPart]:
        """Return for each part with media the one with its bytes, or with an http(s) URL.

        Only a failure in the last message is an error: a file that expired must not end the
        conversation. Uploads of earlier messages are loaded from the newest on, up to the limit.

        Raises:
            MediaInvalid: a part of the last message cannot be loaded.
        """
        loaded: dict[Part, LoadedPart] = {}
        left = self._earlier_bytes
        for message in reversed(messages):
            last = message is messages[-1]
            # A message that was copied from another session refers to the uploads of that one.
            origin = message.forked_from or owner.session_id
            reader = structs.replace(owner, session_id=origin)
            for part in message.parts:
                if part.media is None or part in loaded:
                    continue
                earlier_upload = bool(part.media.storage_ref) and not last
                if earlier_upload and left <= 0:
                    loaded[part] = _TOO_MANY
                    continue
                try:
                    found = await self.load(part, reader)
                except MediaInvalid:
                    if last:
                        raise
                    loaded[part] = _NOT_THERE
                    continue
                left -= _size(found) if earlier_upload else 0
                loaded[part] = _TOO_MANY if earlier_upload and left < 0 else found
        return loaded

    async def load(self, part: Part, owner: MediaOwner = _NO_OWNER) -> Part:
        """Return a part with its bytes in `media.data`, or with an http(s) URL.

        Raises:
            MediaInvalid: the part cannot be loaded.
        """
        media = part.media
        if media is None:
            return part
        if media.storage_ref:
            loaded = await self._load_upload(media, owner)
        elif media.data:
            loaded = structs.replace(media, mime_type=media.mime_type or _DEFAULT_MIME_TYPE, url="")
        elif media.url:
            loaded = await self._load_url(media)
        else:
            raise MediaInvalid(f"the {part.type} part has neither media.data nor media.url")
        return structs.replace(part, media=loaded)

    async def _load_upload(self, media: Media, owner: MediaOwner) -> Media:
        if self._uploads is None:
            raise MediaInvalid(
                "media.storage_ref is not served by this runtime; send media.data (base64) or "
                "media.url"
            )
        return await asyncio.to_thread(self._uploads.read, media.storage_ref, owner)

    async def _load_url(self, media: Media) -> Media:
        scheme = urlsplit(media.url).scheme
        if scheme in ("http", "https"):
            return media
        if scheme == "data":
            return _decode_data_url(media.url)
        if scheme == "mock":
            return await asyncio.to_thread(self._read_file, media)
        raise MediaInvalid(
            f'media.url has the scheme "{scheme}"; expected https, http, data, or mock'
        )

    def _read_file(self, media: Media) -> Media:
        name = unquote(media.url.removeprefix("mock://"))
        base = self._base.resolve()
        try:
            path = (base / name.lstrip("/")).resolve()
            if not path.is_relative_to(base) or not path.is_file():
                raise MediaInvalid(f'there is no "{name}" in the agent\'s media folder')
            if path.stat().st_size > MAX_MEDIA_BYTES:
                raise MediaInvalid(f'"{name}" is larger than {MAX_MEDIA_BYTES >> 20} MiB')
            content = path.read_bytes()
        except (OSError, ValueError) as error:
            raise MediaInvalid(f'"{name}" cannot be read from the agent\'s media folder') from error
        mime_type = media.mime_type or mimetypes.guess_type(path.name)[0] or _DEFAULT_MIME_TYPE
        return Media(mime_type, base64.b64encode(content).decode())


def loaded_parts(loaded: Mapping[Part, LoadedPart], parts: Iterable[Part]) -> list[Part]:
    """Return the loaded parts of a message, without the omitted ones."""
    found = (loaded.get(part, part) for part in parts)
    return [part for part in found if not isinstance(part, OmittedMedia)]


def _size(part: Part) -> int:
    return len(part.media.data) * 3 // 4 if part.media else 0


def _decode_data_url(url: str) -> Media:
    """Return the content of a data URL (RFC 2397)."""
    head, comma, data = url.removeprefix("data:").partition(",")
    mime_type, *options = head.split(";")
    if not comma:
        raise MediaInvalid("the data URL in media.url has no comma before its data")
    if "base64" in options:
        data = unquote(data)
    else:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return Media(mime_type or "text/plain", data)
