"""Media that a prompt accepts, and their limits."""

from typing import Annotated, Literal

from msgspec import Meta, field

from omnia_core.files.pack.terms import MediaType, OpenPackObject, PackObject, Positive

Detail = Literal["low", "high", "auto"]


class MediaLimits(PackObject, frozen=True, omit_defaults=True):
    """Limits of every type of media.

    Attributes:
        max_size_mb: the size of one file, in units of 1024 * 1024 bytes.
        allowed_formats: names such as `png`; None accepts all.
    """

    max_size_mb: Positive | None = None
    allowed_formats: list[str] | None = None


class ImageLimits(MediaLimits, frozen=True, omit_defaults=True):
    """Limits of images."""

    default_detail: str = "auto"
    require_caption: bool = False
    max_images_per_msg: Positive | None = None


class RecordingLimits(MediaLimits, frozen=True, omit_defaults=True):
    """Limits of audio and video."""

    max_duration_sec: Positive | None = None
    require_metadata: bool = False


class DocumentLimits(MediaLimits, frozen=True, omit_defaults=True):
    """Limits of documents."""

    max_pages: Positive | None = None
    require_metadata: bool = False
    extraction_mode: Literal["text", "structured", "raw"] = "text"


class MediaReference(PackObject, frozen=True, omit_defaults=True):
    """The content of an example, or where it is."""

    mime_type: str
    file_path: str = ""
    url: str = ""
    base64: str = ""
    detail: Detail | None = None
    caption: str = ""


class ExamplePart(PackObject, frozen=True, omit_defaults=True):
    """A part of an example."""

    type: MediaType
    text: str = ""
    media: MediaReference | None = None


class MediaExample(PackObject, frozen=True, omit_defaults=True):
    """An example message with media."""

    name: str
    role: Literal["user", "assistant", "system"]
    parts: Annotated[list[ExamplePart], Meta(min_length=1)]
    description: str = ""


class MediaConfig(OpenPackObject, frozen=True, omit_defaults=True):
    """The media that a prompt accepts. Limits of unknown types are ignored.

    Attributes:
        supported_types: types of parts; empty accepts all.
    """

    enabled: bool
    supported_types: list[MediaType] = field(default_factory=list)
    image: ImageLimits | None = None
    audio: RecordingLimits | None = None
    video: RecordingLimits | None = None
    document: DocumentLimits | None = None
    examples: list[MediaExample] = field(default_factory=list)
