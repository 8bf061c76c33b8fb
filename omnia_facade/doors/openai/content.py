"""The content of messages: text, images, audio and files, in the forms of both APIs."""

from typing import Literal, TypeAlias

from msgspec import Struct, structs

from omnia_core.conversation.parts import Part
from omnia_core.errors import abridged
from omnia_facade.doors.openai.refusals import invalid, unsupported
from omnia_facade.doors.parts import data_part, media_part

_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_DETAILS: dict[str | None, Literal["low", "high", "auto"]] = {
    "low": "low",
    "high": "high",
    "auto": "auto",
}


class Link(Struct, frozen=True):
    """The URL of an image or a video, in chat completions."""

    url: str
    detail: str | None = None


class Sound(Struct, frozen=True):
    """Audio, base64."""

    data: str
    format: str = "wav"


class File(Struct, frozen=True):
    """A file: a data URL, base64 or an URL."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None
    file_url: str | None = None


class ContentPart(Struct, frozen=True):
    """A part of any type; fields of other types are absent."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | Link | None = None
    video_url: Link | None = None
    input_audio: Sound | None = None
    file: File | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


Content: TypeAlias = str | tuple[ContentPart, ...] | None


def read_content(content: Content, parameter: str, public_url: str) -> tuple[Part, ...]:
    """Return the parts of a message.

    Args:
        content: as the client sent it.
        parameter: where it is in the request.
        public_url: the address of this agent, for the URLs of its uploads.

    Raises:
        DoorFailed: a part cannot be taken.
    """
    if content is None:
        return ()
    if isinstance(content, str):
        return (Part("text", content),) if content else ()
    return tuple(
        _part(part, f"{parameter}[{index}]", public_url) for index, part in enumerate(content)
    )


def _part(part: ContentPart, parameter: str, public_url: str) -> Part:
    if part.type in ("text", "input_text", "output_text", "refusal"):
        return Part("text", part.text or part.refusal or "")
    if part.type == "input_audio":
        if part.input_audio is None:
            raise invalid(
                f'{parameter}: expected an object "input_audio" with "data" and "format"', parameter
            )
        sound = part.input_audio
        mime_type = _AUDIO.get(sound.format, f"audio/{sound.format}")
        return data_part(sound.data, mime_type, parameter=parameter)
    if part.type in ("file", "input_file"):
        return _file(part, parameter, public_url)
    if part.type in ("image_url", "input_image"):
        link = part.image_url if isinstance(part.image_url, Link) else None
        url = link.url if link else part.image_url
        detail = link.detail if link else part.detail
        found = _linked("image", url if isinstance(url, str) else "", part, parameter, public_url)
        if found.media is None or detail not in _DETAILS:
            return found
        return Part("image", media=structs.replace(found.media, detail=_DETAILS[detail]))
    if part.type == "video_url":
        url = part.video_url.url if part.video_url else ""
        return _linked("video", url, part, parameter, public_url)
    raise invalid(
        f"{parameter}: expected a part with text, an image, audio or a file, found the type"
        f' "{abridged(part.type, 64)}"',
        f"{parameter}.type",
    )


def _linked(kind: str, url: str, part: ContentPart, parameter: str, public_url: str) -> Part:
    """Return the part of media behind a URL, which need not say of which type they are."""
    if part.file_id:
        raise _no_files(parameter)
    found = media_part(url, parameter=parameter, public_url=public_url)
    return structs.replace(found, type=kind)


def _file(part: ContentPart, parameter: str, public_url: str) -> Part:
    file = part.file or File(part.file_data, part.file_id, part.filename, part.file_url)
    if file.file_id:
        raise _no_files(parameter)
    data = file.file_data or ""
    if data and data[:5].lower() != "data:":
        return data_part(data, "application/pdf", parameter=parameter, filename=file.filename)
    return media_part(
        data or file.file_url or "",
        parameter=parameter,
        filename=file.filename,
        public_url=public_url,
    )


def _no_files(parameter: str) -> Exception:
    return unsupported(parameter, "this agent stores no files; send the bytes as a data URL")
