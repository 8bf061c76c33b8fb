"""The parts of a message, and media."""

from typing import Literal

from msgspec import Struct

# The types of parts that are not text.
MEDIA_TYPES = ("image", "audio", "video", "document")


class Media(Struct, frozen=True, omit_defaults=True):
    """Content that is not text. Exactly one of `data`, `url` and `storage_ref` is set.

    The fields from `filename` on describe the content. The runtime's protocol does not carry them.

    Attributes:
        data: the bytes, base64.
        url: an https, http or data URL, or `mock://name` below the agent's media folder.
        storage_ref: the name of an upload in the agent's media store.
    """

    mime_type: str = ""
    data: str = ""
    url: str = ""
    storage_ref: str = ""
    filename: str | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    detail: Literal["low", "high", "auto"] | None = None
    duration_ms: int | None = None
    sample_rate: int | None = None
    channels: int | None = None


class Part(Struct, frozen=True, omit_defaults=True):
    """A piece of a message.

    Attributes:
        type: text, image, audio, video or document; the WebSocket and gRPC protocols say file
            where this says document.
    """

    type: str
    text: str = ""
    media: Media | None = None
