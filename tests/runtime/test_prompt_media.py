"""What a prompt says about media is held against every message."""

import base64
from typing import Any

import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.errors import Code
from omnia_core.files.pack import MediaConfig, parse_pack
from omnia_runtime.prompts.media import MediaNotAccepted, check_parts
from tests.core.packs import text, with_prompt

MEGABYTE = 1024 * 1024


def config(**keys: Any) -> MediaConfig:
    media = parse_pack(text(with_prompt(media={"enabled": True, **keys}))).prompts["a"].media
    assert media is not None
    return media


def part(kind: str, mime_type: str = "", *, size: int = 0, url: str = "") -> Part:
    data = base64.b64encode(bytes(size)).decode()
    return Part(kind, media=Media(mime_type=mime_type, data=data, url=url))


IMAGE = part("image", "image/png")


def refusal(media: MediaConfig, *parts: Part) -> str:
    with pytest.raises(MediaNotAccepted) as caught:
        check_parts(media, parts)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


def test_a_prompt_that_says_nothing_about_media_accepts_all() -> None:
    check_parts(None, [part(kind, size=MEGABYTE) for kind in ("image", "audio", "video", "other")])
    check_parts(config(), [IMAGE, part("audio"), Part("text", "hi")])


def test_text_is_always_accepted() -> None:
    check_parts(config(enabled=False, supported_types=["image"]), [Part("text", "hi")])


def test_media_that_are_not_enabled_are_refused() -> None:
    assert refusal(config(enabled=False), IMAGE) == (
        "the message has a part of type image; this agent reads text only"
    )


def test_a_type_that_is_not_supported_is_refused_with_those_that_are() -> None:
    media = config(supported_types=["image", "audio"])
    check_parts(media, [IMAGE, part("audio", "audio/mpeg")])
    assert "of type video; this agent accepts: image, audio" in refusal(media, part("video"))


@pytest.mark.parametrize("kind", ["image", "audio", "video", "document"])
def test_the_size_of_every_type_is_limited_to_the_byte(kind: str) -> None:
    media = config(**{kind: {"max_size_mb": 1}})
    check_parts(media, [part(kind, size=MEGABYTE)])
    check_parts(media, [part("other", size=2 * MEGABYTE)])
    told = refusal(media, part(kind, size=MEGABYTE + 1))
    assert told == f"the {kind} has 1.0 MB; this agent accepts 1 MB"


def test_the_size_of_a_data_url_is_limited_too() -> None:
    data = base64.b64encode(bytes(MEGABYTE + 1)).decode()
    media = config(image={"max_size_mb": 1})
    assert "1 MB" in refusal(media, part("image", url=f"data:image/png;base64,{data}"))
    check_parts(media, [part("image", url="https://pictures.example/unknown.png")])


@pytest.mark.parametrize(
    ("kind", "allowed", "mime_type"),
    [
        ("image", "jpg", "image/jpeg"),
        ("image", "jpeg", "IMAGE/JPEG"),
        ("image", "png", "image/png; charset=binary"),
        ("image", "bmp", "image/x-bmp"),
        ("audio", "mp3", "audio/mpeg"),
        ("audio", "wav", "audio/x-wav"),
        ("audio", "opus", "audio/ogg"),
        ("video", "mov", "video/quicktime"),
        ("video", "mkv", "video/x-matroska"),
        ("document", "pdf", "application/pdf"),
        ("document", ".md", "text/markdown"),
        (
            "document",
            "docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        ("document", "text/csv", "text/csv"),
    ],
)
def test_a_format_is_known_by_its_mime_type(kind: str, allowed: str, mime_type: str) -> None:
    media = config(**{kind: {"allowed_formats": [allowed]}})
    check_parts(media, [part(kind, mime_type)])
    assert f"accepts: {allowed}" in refusal(media, part(kind, f"{kind}/other"))


def test_a_format_that_nobody_names_is_refused_where_formats_are_limited() -> None:
    media = config(image={"allowed_formats": ["png", "webp"]})
    assert refusal(media, part("image")) == (
        "the image has no mime_type; this agent accepts: png, webp"
    )
    check_parts(media, [part("image", url="data:image/png;base64,AA==")])
    assert "is image/gif" in refusal(media, part("image", url="data:image/gif;base64,AA=="))


def test_only_so_many_images_may_stand_in_a_message() -> None:
    media = config(image={"max_images_per_msg": 2})
    check_parts(media, [IMAGE, Part("text", "and"), IMAGE])
    assert "has 3 images; this agent accepts 2" in refusal(media, IMAGE, IMAGE, IMAGE)
