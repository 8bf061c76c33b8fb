"""Checks the media of a message against what the prompt accepts."""

from collections.abc import Sequence

from omnia_core.conversation.parts import Media, Part
from omnia_core.errors import Code, OmniaError
from omnia_core.files.pack import MediaConfig
from omnia_core.files.pack.media import ImageLimits, MediaLimits

_MEGABYTE = 1024 * 1024
_BASE64 = ";base64,"

# The MIME types of a pack's formats, registered (iana.org/assignments/media-types) and as browsers
# send them, where the subtype is not the name of the format.
_MIME_TYPES: dict[str, tuple[str, ...]] = {
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


class MediaNotAccepted(OmniaError):
    """A message has media that the prompt does not accept."""

    def __init__(self, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, problem)


def check_parts(config: MediaConfig | None, parts: Sequence[Part]) -> None:
    """Check the parts of a message against the prompt's `media`; None accepts everything.

    The size is that of `media.data` or of a data URL; other sizes are unknown here. Captions,
    metadata, durations and pages are not checked, because a part does not contain them.

    Raises:
        MediaNotAccepted: the message names what was sent, and what the prompt accepts.
    """
    if config is None:
        return
    for part in parts:
        if part.type != "text":
            _check_part(config, part)
    _check_count(config, parts)


def _check_part(config: MediaConfig, part: Part) -> None:
    if not config.enabled:
        raise MediaNotAccepted(
            f"the message has a part of type {part.type}; this agent reads text only"
        )
    if config.supported_types and part.type not in config.supported_types:
        accepted = ", ".join(config.supported_types)
        raise MediaNotAccepted(
            f"the message has a part of type {part.type}; this agent accepts: {accepted}"
        )
    limits: MediaLimits | None = None
    if part.type in ("image", "audio", "video", "document"):
        limits = getattr(config, part.type)
    if limits is not None and part.media is not None:
        _check_format(limits, part.type, part.media)
        _check_size(limits, part.type, part.media)


def _check_format(limits: MediaLimits, part_type: str, media: Media) -> None:
    allowed = limits.allowed_formats
    if allowed is None:
        return
    mime_type = media.mime_type or _data_url_type(media.url)
    if not any(matches_format(mime_type, name) for name in allowed):
        found = f"is {mime_type}" if mime_type else "has no mime_type"
        raise MediaNotAccepted(f"the {part_type} {found}; this agent accepts: {', '.join(allowed)}")


def _check_size(limits: MediaLimits, part_type: str, media: Media) -> None:
    size = _decoded_size(media.data or media.url.partition(_BASE64)[2])
    if limits.max_size_mb is not None and size > limits.max_size_mb * _MEGABYTE:
        raise MediaNotAccepted(
            f"the {part_type} has {size / _MEGABYTE:.1f} MB;"
            f" this agent accepts {limits.max_size_mb} MB"
        )


def _check_count(config: MediaConfig, parts: Sequence[Part]) -> None:
    limits: ImageLimits | None = config.image
    images = sum(part.type == "image" for part in parts)
    if limits is None or limits.max_images_per_msg is None or images <= limits.max_images_per_msg:
        return
    raise MediaNotAccepted(
        f"the message has {images} images; this agent accepts {limits.max_images_per_msg} a message"
    )


def matches_format(mime_type: str, allowed: str) -> bool:
    """Whether a MIME type is of a format: a name such as `png`, or a MIME type itself."""
    # Unregistered subtypes have the prefix x-, as in audio/x-wav.
    kind, _, subtype = _normalize(mime_type).partition("/x-")
    found = f"{kind}/{subtype}" if subtype else kind
    name = _normalize(allowed).removeprefix(".")
    return bool(found) and (
        name in (_normalize(mime_type), found.partition("/")[2])
        or found in _MIME_TYPES.get(name, ())
    )


def _normalize(mime_type: str) -> str:
    """Remove parameters such as `; charset=utf-8`, and convert to lower case."""
    return mime_type.partition(";")[0].strip().lower()


def _decoded_size(base64: str) -> int:
    """Return the number of bytes that a base64 text encodes."""
    return len(base64) * 3 // 4 - base64[-2:].count("=")


def _data_url_type(url: str) -> str:
    return url.removeprefix("data:").partition(";")[0] if url.startswith("data:") else ""
