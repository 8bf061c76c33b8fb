"""From the parts of a message to the inputs that OpenAI's APIs accept."""

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from omnia_core.conversation.parts import Media, Part
from omnia_core.sessions import Message
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_request import decoded_text

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


class InputText(Struct, frozen=True):
    """A text, or a document of text."""

    text: str


class InputImage(Struct, frozen=True):
    """An image, by its http(s) or data URL."""

    url: str


class InputAudio(Struct, frozen=True):
    """A recording, base64; `format` is mp3 or wav."""

    data: str
    format: str


class InputFile(Struct, frozen=True):
    """A PDF document: its name and data URL, or only its http(s) URL."""

    name: str = ""
    data_url: str = ""
    url: str = ""


Input: TypeAlias = InputText | InputImage | InputAudio | InputFile


def message_inputs(message: Message) -> list[Input]:
    """Return the text and the media of a message, in order.

    Raises:
        VendorFailure: the APIs do not accept the media of a part.
    """
    inputs = [_input(part) for part in message.parts]
    if not any(part.type == "text" for part in message.parts):
        inputs.insert(0, InputText(message.content))
    return _without_blanks(inputs)


def result_inputs(parts: Sequence[Part]) -> list[Input]:
    """Return the media of a tool's result; media that the APIs do not accept become a description.

    The result of a tool must never make a conversation fail.
    """
    inputs: list[Input] = []
    for part in parts:
        try:
            inputs.append(_input(part))
        except VendorFailure:
            mime_type = part.media.mime_type if part.media else ""
            inputs.append(InputText(f"[{part.type} {mime_type}: cannot be shown to you]"))
    return _without_blanks(inputs)


def _without_blanks(inputs: Sequence[Input]) -> list[Input]:
    return [found for found in inputs if not isinstance(found, InputText) or found.text.strip()]


def _input(part: Part) -> Input:
    media = part.media or Media()
    found: Input | None = None
    match part.type:
        case "text":
            found = InputText(part.text)
        case "image":
            found = _image(media)
        case "audio" if media.data and media.mime_type in _AUDIO:
            found = InputAudio(media.data, _AUDIO[media.mime_type])
        case "document":
            found = _document(media)
        case _:
            pass
    if found is None:
        raise VendorFailure(
            f'does not accept {part.type} parts of the media type "{media.mime_type or "unknown"}"'
            f"{' by its URL' if media.url else ''}; it accepts images (JPEG, PNG, GIF, WebP), "
            "audio (WAV and MP3, as data) and documents (PDF and text, as data)"
        )
    return found


def _image(media: Media) -> InputImage | None:
    if media.url and media.mime_type in ("", *_IMAGES):
        return InputImage(media.url)
    if media.data and media.mime_type in _IMAGES:
        return InputImage(_data_url(media))
    return None


def _document(media: Media) -> InputText | InputFile | None:
    if media.url and media.mime_type in ("", _PDF):
        return InputFile(url=media.url)
    if media.data and media.mime_type == _PDF:
        return InputFile("document.pdf", _data_url(media))
    if media.data and media.mime_type.startswith("text/"):
        return InputText(decoded_text(media))
    return None


def _data_url(media: Media) -> str:
    return f"data:{media.mime_type};base64,{media.data}"
