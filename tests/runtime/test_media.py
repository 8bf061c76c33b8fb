"""Where the bytes of media come from, and what is refused."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.sessions import Message
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.turns.media import MAX_MEDIA_BYTES, MediaInvalid, MediaLoader
from tests.runtime.program import Program, Stream, client
from tests.runtime.scripted import Mounted

Start = Callable[..., Program]

PIXEL = base64.b64encode(b"not really a picture").decode()


@pytest.fixture
def folder(tmp_path: Path) -> MediaLoader:
    base = tmp_path / "media"
    (base / "sub").mkdir(parents=True)
    (base / "cat.png").write_bytes(b"meow")
    (base / "sub" / "clip.mp3").write_bytes(b"la")
    (tmp_path / "secret.txt").write_text("key")
    (base / "link").symlink_to(tmp_path / "secret.txt")
    return MediaLoader(base)


def image(mime_type: str = "", data: str = "", url: str = "", storage_ref: str = "") -> Part:
    return Part("image", media=Media(mime_type, data, url, storage_ref))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Media(url="mock://cat.png"), Media("image/png", base64.b64encode(b"meow").decode())),
        (Media(url="mock://sub/clip.mp3"), Media("audio/mpeg", base64.b64encode(b"la").decode())),
        (
            Media("image/x-own", url="mock://cat.png"),
            Media("image/x-own", base64.b64encode(b"meow").decode()),
        ),
        (Media("image/png", data=PIXEL), Media("image/png", data=PIXEL)),
        (Media(data=PIXEL), Media("application/octet-stream", data=PIXEL)),
        (Media(url=f"data:image/gif;base64,{PIXEL}"), Media("image/gif", data=PIXEL)),
        (
            Media(url="data:image/x,%FF%00a"),
            Media("image/x", base64.b64encode(b"\xff\x00a").decode()),
        ),
        (Media(url="data:x/y;base64,%2Bw%3D%3D"), Media("x/y", "+w==")),
        (Media(url="data:,a%20b"), Media("text/plain", base64.b64encode(b"a b").decode())),
        (Media(url="https://example.org/a.png"), Media(url="https://example.org/a.png")),
    ],
)
async def test_media_is_loaded_from_each_place(
    folder: MediaLoader, given: Media, expected: Media
) -> None:
    assert await folder.load(Part("image", media=given)) == Part("image", media=expected)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mock://../secret.txt", "no .* in the agent's media folder"),
        ("mock://%2e%2e/secret.txt", "no .* in the agent's media folder"),
        ("mock://sub/../../secret.txt", "no .* in the agent's media folder"),
        ("mock://link", "no .* in the agent's media folder"),
        ("mock:///etc/passwd", "no .* in the agent's media folder"),
        ("mock://", "no .* in the agent's media folder"),
        ("mock://none.png", "no .* in the agent's media folder"),
        ("mock://a%00b", "cannot be read"),
        ("file:///etc/passwd", 'the scheme "file"; expected https'),
        ("data:image/png;base64", "no comma"),
        ("", "neither media.data nor media.url"),
    ],
)
async def test_nothing_outside_of_the_folder_is_read(
    folder: MediaLoader, url: str, problem: str
) -> None:
    with pytest.raises(MediaInvalid, match=problem):
        await folder.load(image(url=url))


async def test_an_upload_that_nobody_serves_is_refused(folder: MediaLoader) -> None:
    with pytest.raises(MediaInvalid, match="storage_ref is not served"):
        await folder.load(image(storage_ref="upl-1"))


async def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        os.truncate(file.fileno(), MAX_MEDIA_BYTES + 1)
    with pytest.raises(MediaInvalid, match="larger than 16 MiB"):
        await MediaLoader(tmp_path).load(image(url="mock://big"))


async def test_the_parts_of_a_whole_conversation_are_loaded_once_each(folder: MediaLoader) -> None:
    cat = image(url="mock://cat.png")
    messages = [Message("user", "look", (cat,)), Message("user", "again", (cat, Part("text", "a")))]
    assert list(await folder.load_all(messages)) == [cat]


async def test_a_message_may_be_media_alone_and_what_cannot_be_had_is_an_error(
    mounted: Mounted, start: Start
) -> None:
    folder = mounted.folder / "media"
    folder.mkdir()
    (folder / "cat.png").write_bytes(b"meow")
    start(OMNIA_MEDIA_BASE_PATH=str(folder))

    def part(kind: str, url: str) -> pb.ContentPart:
        return pb.ContentPart(type=kind, media=pb.MediaContent(url=url))

    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.read()
        await stream.send(parts=[part("image", "mock://cat.png")])
        good = await stream.turn()
        await stream.send(parts=[part("image", "mock://../x")])
        outside = await stream.turn()
        await stream.send(parts=[part("hologram", "mock://cat.png")])
        unknown = await stream.turn()
    assert good[-1].done.final_content == "Hello there, friend."
    assert outside[-1].error.code == "INVALID_MESSAGE"
    assert 'has the type "hologram"; expected one of text' in unknown[-1].error.message


async def test_media_of_the_model_reaches_the_client_with_its_bytes(
    mounted: Mounted, start: Start
) -> None:
    folder = mounted.folder / "media"
    folder.mkdir()
    (folder / "cat.png").write_bytes(b"meow")
    parts = [
        {"type": "text", "text": "a cat"},
        {"type": "image", "image_url": {"url": "mock://cat.png"}},
        {"type": "document", "document_url": {"url": "https://example.org/cat.pdf"}},
    ]
    turn = {"type": "multimodal", "parts": parts}
    mounted.write_responses({"scenarios": {"default": {"turns": {1: turn}}}})
    start(OMNIA_MEDIA_BASE_PATH=str(folder))
    async with client(mounted) as stub:
        end = (await Stream(stub).ask("draw"))[-1].done
    assert [(each.type, each.text) for each in end.parts] == [
        ("text", "a cat"),
        ("image", ""),
        ("document", ""),
    ]
    image, document = end.parts[1].media, end.parts[2].media
    assert (image.mime_type, base64.b64decode(image.data)) == ("image/png", b"meow")
    assert (document.mime_type, document.url) == ("application/pdf", "https://example.org/cat.pdf")


async def test_media_of_the_model_that_is_not_there_fails_the_turn_once(
    mounted: Mounted, start: Start
) -> None:
    parts = [
        {"type": "text", "text": "a cat"},
        {"type": "image", "image_url": {"url": "mock://gone.png"}},
    ]
    turns = {1: {"type": "multimodal", "parts": parts}, 2: "second", 3: "third"}
    mounted.write_responses({"scenarios": {"default": {"turns": turns}}})
    start(OMNIA_MEDIA_BASE_PATH=str(mounted.folder))
    async with client(mounted) as stub:
        stream = Stream(stub)
        error = (await stream.ask("draw"))[-1].error
        # The answer that failed is one message, so the next turn is the second.
        after = (await stream.ask("again"))[-1].done
    assert error.code == "INTERNAL_ERROR"
    assert error.message == (
        'the model\'s answer has media that cannot be loaded: there is no "gone.png" in the'
        " agent's media folder"
    )
    assert after.final_content == "second"
