"""Where the bytes of a message's media come from."""

import asyncio
import base64
import mimetypes
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from msgspec import Struct, structs

from omnia_core.conversation.parts import Media, Part
from omnia_core.errors import Code, OmniaError
from omnia_core.media import StorageRef, find
from omnia_core.sessions import Message

MAX_MEDIA_BYTES = 16 * 1024 * 1024
# Uploads of earlier messages that a model is sent again, in bytes.
MAX_EARLIER_BYTES = 32 * 1024 * 1024
_ANY = "application/octet-stream"
_NOBODY = Whose()


class Gone(Struct, frozen=True):
    """Stands for a part that is not sent again; the model is told why."""

    reason: str


Loaded: TypeAlias = Part | Gone

_NOT_THERE = Gone("its file is not there any more")
_TOO_MANY = Gone("too many files came after it")


class MediaFolder:
    """The folder that `mock://` URLs lead into, and nothing outside of it; and the uploads."""

    def __init__(
        self,
        base: Path,
        uploads: UploadFolder | None = None,
        earlier_bytes: int = MAX_EARLIER_BYTES,
    ) -> None:
        """`earlier_bytes` is how much of earlier messages' uploads is sent again."""
        self._base = base
        self._uploads = uploads
        self._earlier_bytes = earlier_bytes

    @property
    def takes_uploads(self) -> bool:
        """Whether a message may mention an upload."""
        return self._uploads is not None

    async def load_all(
        self, messages: Sequence[Message], whose: Whose = _NOBODY
    ) -> dict[Part, Loaded]:
        """Return for each part with media the one that holds its bytes, or an http(s) URL.

        What cannot be had must be in the last message to be an error: a file that expires must
        not end the conversation that it was mentioned in. Uploads of earlier messages are loaded
        from the newest on, as far as there is room.

        Raises:
            MediaInvalid: says which part of the last message cannot be had, and why.
        """
        loaded: dict[Part, Loaded] = {}
        room = self._earlier_bytes
        for message in reversed(messages):
            last = message is messages[-1]
            for part in message.parts:
                if part.media is None or part in loaded:
                    continue
                upload = bool(part.media.storage_ref) and not last
                if upload and room <= 0:
                    loaded[part] = _TOO_MANY
                    continue
                try:
                    found = await self.load(part, whose)
                except MediaInvalid:
                    if last:
                        raise
                    loaded[part] = _NOT_THERE
                    continue
                room -= _size(found) if upload else 0
                loaded[part] = _TOO_MANY if upload and room < 0 else found
        return loaded

    async def load(self, part: Part, whose: Whose = _NOBODY) -> Part:
        """Return a part with its bytes in `media.data`, or with an http(s) URL.

        Raises:
            MediaInvalid: it cannot be had.
        """
        media = part.media
        if media is None:
            return part
        if media.storage_ref:
            loaded = await self._upload(media, whose)
        elif media.data:
            loaded = structs.replace(media, mime_type=media.mime_type or _ANY, url="")
        elif media.url:
            loaded = await self._by_url(media)
        else:
            raise MediaInvalid(f"the {part.type} part has neither media.data nor media.url")
        return structs.replace(part, media=loaded)

    async def _upload(self, media: Media, whose: Whose) -> Media:
        if self._uploads is None:
            raise MediaInvalid(
                "media.storage_ref is not served by this runtime; send media.data (base64) or "
                "media.url"
            )
        return await asyncio.to_thread(self._uploads.read, media.storage_ref, whose)

    async def _by_url(self, media: Media) -> Media:
        scheme = urlsplit(media.url).scheme
        if scheme in ("http", "https"):
            return media
        if scheme == "data":
            return _inline(media.url)
        if scheme == "mock":
            return await asyncio.to_thread(self._file, media)
        raise MediaInvalid(
            f'media.url has the scheme "{scheme}"; expected https, http, data, or mock'
        )

    def _file(self, media: Media) -> Media:
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
        kind = media.mime_type or mimetypes.guess_type(path.name)[0] or _ANY
        return Media(kind, base64.b64encode(content).decode())


def loaded_parts(loaded: Mapping[Part, Loaded], parts: Iterable[Part]) -> list[Part]:
    """Return the parts of a message as they were loaded, without those that are gone."""
    found = (loaded.get(part, part) for part in parts)
    return [each for each in found if not isinstance(each, Gone)]


def _size(part: Part) -> int:
    return len(part.media.data) * 3 // 4 if part.media else 0


def _inline(url: str) -> Media:
    """Read a data URL (RFC 2397)."""
    head, comma, data = url.removeprefix("data:").partition(",")
    kind, *options = head.split(";")
    if not comma:
        raise MediaInvalid("the data URL in media.url has no comma before its data")
    if "base64" in options:
        data = unquote(data)
    else:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return Media(kind or "text/plain", data)


_AGAIN = "upload the file again"


class MediaInvalid(OmniaError):
    """A part whose bytes cannot be had."""

    def __init__(self, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, problem)


class Whose(Struct, frozen=True):
    """For which session and user media are loaded."""

    session_id: str = ""
    user_id: str = ""


class UploadFolder:
    """The uploads of this agent; each is given to its session and its user only."""

    def __init__(self, root: Path, max_file_size: int) -> None:
        """`max_file_size` is in bytes."""
        self._root = root
        self._max_file_size = max_file_size

    def read(self, reference: str, whose: Whose) -> Media:
        """Return an upload with its bytes. Blocks.

        Raises:
            MediaInvalid: it cannot be had; the message says why.
        """
        ref = _parse(reference)
        if ref.session_id != whose.session_id:
            raise MediaInvalid(
                f'media.storage_ref "{ref}" is of another session; upload the file in this one'
            )
        try:
            return self._read(ref, whose)
        except OSError as error:
            raise MediaInvalid(f'the upload "{ref}" cannot be read; try again later') from error

    def _read(self, ref: StorageRef, whose: Whose) -> Media:
        found = find(self._root, ref)
        if found is None or not found[0].open_to(whose.user_id):
            if found:
                _close(found[1])
            raise MediaInvalid(f'there is no upload "{ref}"; {_AGAIN}')
        record, descriptor = found
        if descriptor < 0 or record.expires_at <= datetime.now(UTC):
            _close(descriptor)
            raise MediaInvalid(f'the upload "{ref}" has expired; {_AGAIN}')
        with os.fdopen(descriptor, "rb") as file:
            # One byte more tells that there is more.
            content = file.read(self._max_file_size + 1)
        if len(content) > self._max_file_size:
            raise MediaInvalid(f'the upload "{ref}" is larger than {self._max_file_size} bytes')
        kind = record.mime_type.partition(";")[0].strip().lower()
        return Media(kind, base64.b64encode(content).decode())


def _parse(reference: str) -> StorageRef:
    try:
        return StorageRef.parse(reference)
    except ValueError as error:
        raise MediaInvalid(f"media.storage_ref: {error}") from error


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
