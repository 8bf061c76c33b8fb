"""Where the bytes of a message's media come from."""

import asyncio
import base64
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import structs

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Media, Message, Part

MAX_MEDIA_BYTES = 16 * 1024 * 1024
_ANY = "application/octet-stream"


class MediaInvalid(OmniaError):
    """A part whose bytes cannot be had."""

    def __init__(self, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, problem)


class MediaFolder:
    """The folder that `mock://` URLs lead into, and nothing outside of it."""

    def __init__(self, base: Path) -> None:
        self._base = base

    async def load_all(self, messages: Iterable[Message]) -> dict[Part, Part]:
        """Return for each part with media the one that holds its bytes, or an http(s) URL.

        Raises:
            MediaInvalid: says which part cannot be had, and why.
        """
        parts = dict.fromkeys(part for message in messages for part in message.parts if part.media)
        return {part: await self.load(part) for part in parts}

    async def load(self, part: Part) -> Part:
        """Return a part with its bytes in `media.data`, or with an http(s) URL.

        Raises:
            MediaInvalid: it cannot be had.
        """
        media = part.media
        if media is None:
            return part
        if media.storage_ref:
            raise MediaInvalid(
                "media.storage_ref is not served by this runtime; send media.data (base64) or "
                "media.url"
            )
        if media.data:
            loaded = structs.replace(media, mime_type=media.mime_type or _ANY, url="")
        elif media.url:
            loaded = await self._by_url(media)
        else:
            raise MediaInvalid(f"the {part.type} part has neither media.data nor media.url")
        return structs.replace(part, media=loaded)

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


def _inline(url: str) -> Media:
    """Read a data URL (RFC 2397)."""
    head, comma, data = url.removeprefix("data:").partition(",")
    kind, *options = head.split(";")
    if not comma:
        raise MediaInvalid("the data URL in media.url has no comma before its data")
    if "base64" not in options:
        data = base64.b64encode(unquote(data).encode()).decode()
    return Media(kind or "text/plain", data)
