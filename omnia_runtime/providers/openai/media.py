"""From a part of a message to what OpenAI's APIs can be given."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from omnia_core.conversation.parts import Media, Part
from omnia_core.sessions import Message
from omnia_runtime.providers.failure import VendorFailure

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"
_AUDIO = {
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
    "audio/vnd.wave": "wav",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
}


class Text(Struct, frozen=True):
    """A text, or a document that is one."""

    text: str


class Image(Struct, frozen=True):
    """An image, by its http(s) or data URL."""

    url: str


class Audio(Struct, frozen=True):
    """A recording, base64; `format` is mp3 or wav."""

    data: str
    format: str


class File(Struct, frozen=True):
    """A PDF document: its name and data URL, or its http(s) URL."""

    name: str = ""
    data_url: str = ""
    url: str = ""


Piece: TypeAlias = Text | Image | Audio | File


def pieces_of(message: Message) -> list[Piece]:
    """Return the text and the media of a message, in order.

    Raises:
        VendorFailure: the APIs do not take a part's media.
    """
    pieces = [read_part(part) for part in message.parts]
    if message.content and not any(part.type == "text" for part in message.parts):
        pieces.insert(0, Text(message.content))
    return [piece for piece in pieces if piece != Text("")]


def tool_pieces(parts: Sequence[Part]) -> list[Piece]:
    """Return the media of a tool's result; what cannot be given is described instead.

    A tool must not be able to end a conversation by what it returns.
    """
    pieces: list[Piece] = []
    for part in parts:
        try:
            pieces.append(read_part(part))
        except VendorFailure:
            kind = part.media.mime_type if part.media else ""
            pieces.append(Text(f"[{part.type} {kind}: cannot be shown to you]"))
    return [piece for piece in pieces if piece != Text("")]


def read_part(part: Part) -> Piece:
    """Return what a part is given as.

    Raises:
        VendorFailure: the APIs do not take it.
    """
    media = part.media or Media()
    piece: Piece | None = None
    match part.type:
        case "text":
            piece = Text(part.text)
        case "image":
            piece = _image(media)
        case "audio" if media.data and media.mime_type in _AUDIO:
            piece = Audio(media.data, _AUDIO[media.mime_type])
        case "document":
            piece = _document(media)
        case _:
            pass
    if piece is None:
        raise VendorFailure(
            f'takes no {part.type} of the media type "{media.mime_type or "unknown"}"'
            f"{' by its URL' if media.url else ''}; it takes images (JPEG, PNG, GIF, WebP), audio "
            "(WAV and MP3, as data) and documents (PDF and text, as data)"
        )
    return piece


def _image(media: Media) -> Image | None:
    if media.url and media.mime_type in ("", *_IMAGES):
        return Image(media.url)
    if media.data and media.mime_type in _IMAGES:
        return Image(_data_url(media))
    return None


def _document(media: Media) -> Text | File | None:
    if media.url and media.mime_type in ("", _PDF):
        return File(url=media.url)
    if media.data and media.mime_type == _PDF:
        return File("document.pdf", _data_url(media))
    if media.data and media.mime_type.startswith("text/"):
        return Text(_decoded(media.data))
    return None


def _data_url(media: Media) -> str:
    return f"data:{media.mime_type};base64,{media.data}"


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise VendorFailure(f"was given a text document that is no UTF-8 text ({error})") from error
