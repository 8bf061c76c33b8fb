"""Media that a prompt accepts, and how much of them."""

from typing import Annotated, Literal

from msgspec import Meta, field

from omnia_core.files.pack.terms import MediaType, OpenPart, Part, Positive

Detail = Literal["low", "high", "auto"]


class MediaLimits(Part, frozen=True, omit_defaults=True):
    """What every type of media may be limited by.

    Attributes:
        max_size_mb: of one file, in units of 1024 * 1024 bytes.
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


class MediaReference(Part, frozen=True, omit_defaults=True):
    """Where the bytes of an example are."""

    mime_type: str
    file_path: str = ""
    url: str = ""
    base64: str = ""
    detail: Detail | None = None
    caption: str = ""


class ExamplePart(Part, frozen=True, omit_defaults=True):
    """A piece of an example."""

    type: MediaType
    text: str = ""
    media: MediaReference | None = None


class MediaExample(Part, frozen=True, omit_defaults=True):
    """A message that shows how to use media with a prompt."""

    name: str
    role: Literal["user", "assistant", "system"]
    parts: Annotated[list[ExamplePart], Meta(min_length=1)]
    description: str = ""


class MediaConfig(OpenPart, frozen=True, omit_defaults=True):
    """The media that a prompt accepts. Limits of types of the author's own are left alone: no
    message can hold such a part.

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
