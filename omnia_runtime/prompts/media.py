"""Whether a message's media keep to what the prompt accepts."""

from collections.abc import Sequence

from omnia_core.conversation.parts import Media, Part
from omnia_core.errors import Code, OmniaError
from omnia_core.files.pack import MediaConfig
from omnia_core.files.pack.media import ImageLimits, MediaLimits

_TEXT = "text"
_MEGABYTE = 1024 * 1024
_BASE64 = ";base64,"


class MediaRefused(OmniaError):
    """A message with media that the prompt does not accept."""

    def __init__(self, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, problem)


def check_parts(media: MediaConfig | None, parts: Sequence[Part]) -> None:
    """Check the parts of one message against the prompt's `media`; None accepts everything.

    The size is that of `media.data` or of a data URL, else it is unknown here and not checked.
    Captions, metadata, durations and pages cannot be checked: a part does not say them.

    Raises:
        MediaRefused: says what was sent, and what the prompt accepts.
    """
    if media is None:
        return
    for part in parts:
        if part.type != _TEXT:
            _check(media, part)
    _count(media, parts)


def _check(config: MediaConfig, part: Part) -> None:
    if not config.enabled:
        raise MediaRefused(
            f"the message has a part of type {part.type}; this agent reads text only"
        )
    if config.supported_types and part.type not in config.supported_types:
        accepted = ", ".join(config.supported_types)
        raise MediaRefused(
            f"the message has a part of type {part.type}; this agent accepts: {accepted}"
        )
    limits: MediaLimits | None = getattr(config, part.type, None) if _limited(part.type) else None
    if limits is not None and part.media is not None:
        _format(limits, part.type, part.media)
        _size(limits, part.type, part.media)


def _limited(kind: str) -> bool:
    return kind in ("image", "audio", "video", "document")


def _format(limits: MediaLimits, kind: str, media: Media) -> None:
    allowed = limits.allowed_formats
    if allowed is None:
        return
    found = media.mime_type or _mime_of_data(media.url)
    if not any(matches_format(found, each) for each in allowed):
        told = f"is {found}" if found else "has no mime_type"
        raise MediaRefused(f"the {kind} {told}; this agent accepts: {', '.join(allowed)}")


def _size(limits: MediaLimits, kind: str, media: Media) -> None:
    size = _bytes(media.data or media.url.partition(_BASE64)[2])
    if limits.max_size_mb is not None and size > limits.max_size_mb * _MEGABYTE:
        raise MediaRefused(
            f"the {kind} has {size / _MEGABYTE:.1f} MB; this agent accepts {limits.max_size_mb} MB"
        )


def _count(config: MediaConfig, parts: Sequence[Part]) -> None:
    limits: ImageLimits | None = config.image
    images = sum(part.type == "image" for part in parts)
    if limits is None or limits.max_images_per_msg is None or images <= limits.max_images_per_msg:
        return
    raise MediaRefused(
        f"the message has {images} images; this agent accepts {limits.max_images_per_msg} a message"
    )


def _bytes(base64: str) -> int:
    """Return how many bytes a base64 text stands for, without decoding it."""
    return len(base64) * 3 // 4 - base64[-2:].count("=")


def _mime_of_data(url: str) -> str:
    return url.removeprefix("data:").partition(";")[0] if url.startswith("data:") else ""


_MIME: dict[str, tuple[str, ...]] = {
    "jpg": ("image/jpeg",),
    "svg": ("image/svg+xml",),
    "tif": ("image/tiff",),
    "mp3": ("audio/mpeg",),
    "wav": ("audio/wave", "audio/vnd.wave"),
    "opus": ("audio/ogg",),
    "m4a": ("audio/mp4", "audio/aac"),
    "ogg": ("application/ogg",),
    "mov": ("video/quicktime",),
    "avi": ("video/msvideo", "video/vnd.avi"),
    "mkv": ("video/matroska",),
    "txt": ("text/plain",),
    "text": ("text/plain",),
    "md": ("text/markdown",),
    "doc": ("application/msword",),
    "xls": ("application/vnd.ms-excel",),
    "ppt": ("application/vnd.ms-powerpoint",),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",),
    "pptx": ("application/vnd.openxmlformats-officedocument.presentationml.presentation",),
    "odt": ("application/vnd.oasis.opendocument.text",),
    "ods": ("application/vnd.oasis.opendocument.spreadsheet",),
    "odp": ("application/vnd.oasis.opendocument.presentation",),
}


def matches_format(mime_type: str, allowed: str) -> bool:
    """Whether a MIME type is of a format: a name such as `png`, or a MIME type itself."""
    # x- marks what has no registered name: audio/x-wav
    kind, _, subtype = _plain(mime_type).partition("/x-")
    found = f"{kind}/{subtype}" if subtype else kind
    name = _plain(allowed).removeprefix(".")
    return bool(found) and (
        name in (_plain(mime_type), found.partition("/")[2]) or found in _MIME.get(name, ())
    )


def _plain(text: str) -> str:
    """Without parameters such as `; charset=utf-8`, in small letters."""
    return text.partition(";")[0].strip().lower()
