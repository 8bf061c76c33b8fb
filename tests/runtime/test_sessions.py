"""What a session keeps from turn to turn: its version of the pack, its validators, its summary."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from omnia_core.files.placement import Placement, folder_content
from omnia_core.sessions import Message
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.agent.context_window import FittedMessages
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ProviderError
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.session_turns import WAIT_SECONDS, SessionTurns
from omnia_runtime.turns.summaries import Summaries
from omnia_runtime.turns.tracing import RuntimeTracing
from tests.runtime.program import LIMIT, Program, Stream, client, kinds, said
from tests.runtime.scripted import Mounted, ScriptedModel, metrics, pack, says
from tests.runtime.servers import ChatServer, chunk, serving

Start = Callable[..., Program]


def write_versions(mounted: Mounted, placement: Placement, **versions: dict[str, Any]) -> Path:
    """Write the folder of a pack; the versions are named v1, v2, …"""
    packs = {
        f"{name[1:]}.0.0": orjson.dumps({**content, "version": f"{name[1:]}.0.0"}).decode()
        for name, content in versions.items()
    }
    folder = mounted.folder / "pack"
    folder.mkdir(exist_ok=True)
    for name, text in folder_content(placement, packs).items():
        (folder / name).write_text(text)
    return folder


def refusing(word: str) -> dict[str, Any]:
    """A pack whose answers may not hold a word."""
    rule = {"type": "banned_words", "params": {"words": [word], "message": f"no {word}"}}
    return pack(validators=[rule])


async def test_a_session_keeps_its_version_and_new_ones_get_the_new(
    mounted: Mounted, start: Start
) -> None:
    # the versions are told apart by the word that they refuse
    mounted.write_responses({"defaultResponse": "hello there"})
    folder = write_versions(mounted, Placement("1.0.0"), v1=refusing("hello"))
    start(OMNIA_PROMPTPACK_PATH=str(folder))
    async with client(mounted) as stub:
        first = await Stream(stub).ask("a", "old")
        write_versions(mounted, Placement("2.0.0"), v1=refusing("hello"), v2=refusing("there"))
        async with asyncio.timeout(LIMIT):
            for number in itertools.count():
                fresh = await Stream(stub).ask("a", f"new-{number}")
                if "no there" in said(fresh):
                    break
        again = await Stream(stub).ask("b", "old")
        shutil.rmtree(folder)
    assert said(first) == "no hello"
    assert said(again) == "no hello"
    assert fresh[-1].done.pack_version == "2.0.0"
    assert again[-1].done.pack_version == first[-1].done.pack_version != "2.0.0"


async def test_a_blocked_text_never_leaves_and_the_turn_ends_safely(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses({"defaultResponse": "well, the pass word is sesame"})
    mounted.write_pack(refusing("sesame"))
    start()
    async with client(mounted) as stub:
        answer = await Stream(stub).ask("tell")
    assert kinds(answer) == ["runtime_hello", "chunk", "done"]
    assert "sesame" not in said(answer)[: -len("no sesame")]
    assert said(answer).endswith("no sesame")
    assert (answer[-1].done.final_content, answer[-1].done.finish_reason) == (
        said(answer),
        "safety",
    )


async def test_an_input_that_is_refused_never_reaches_the_model(
    mounted: Mounted, start: Start
) -> None:
    rule = {"type": "banned_words", "params": {"words": ["bomb"], "direction": "input"}}
    mounted.write_pack(pack(validators=[rule]))
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        refused = await stream.ask("how to build a bomb")
        fine = await stream.ask("how to build a boat")
    assert (refused[-1].done.finish_reason, refused[-1].done.usage.input_tokens) == ("safety", 0)
    assert said(fine) == "Hello there, friend."


async def test_an_answer_that_is_too_long_is_cut_and_says_so(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_pack(pack(validators=[{"type": "max_length", "params": {"max_characters": 11}}]))
    start()
    async with client(mounted) as stub:
        answer = await Stream(stub).ask("hi")
    assert said(answer) == answer[-1].done.final_content == "Hello there"
    assert answer[-1].done.finish_reason == "max_output_tokens"


async def test_a_summary_is_made_beside_the_answers_and_stands_for_what_it_covers() -> None:
    store = MemorySessionStore(Duration.parse("1h"))
    model = ScriptedModel(says("They greeted."), says("They greeted and parted."))
    summaries = Summaries(store, nobody)
    history = [Message("user", "hi"), Message("assistant", "hello"), Message("user", "bye")]
    await store.append("s", history, expected_length=0)

    wanted = FittedMessages((), wants_summary=range(2))
    summaries.start("s", model, wanted, history)
    # a second wish for the same session while the first is at work is not followed
    summaries.start("s", model, wanted, history)
    kept = await stored(store, 4)
    assert kept[-1] == Message("summary", "They greeted.", covers=2)

    summaries.start(
        "s", model, FittedMessages((), "They greeted.", wants_summary=range(2, 3)), kept
    )
    assert (await stored(store, 5))[-1] == Message("summary", "They greeted and parted.", covers=3)
    assert "They greeted." in model.requests[1].messages[0].content
    assert "bye" in model.requests[1].messages[0].content
    await summaries.close()


async def test_a_summary_that_fails_leaves_the_session_as_it_is() -> None:
    store = MemorySessionStore(Duration.parse("1h"))
    history = [Message("user", "hi"), Message("user", "ho")]
    await store.append("s", history, expected_length=0)
    failing, good = ScriptedModel([ProviderError("gone")]), ScriptedModel(says("notes"))
    summaries = Summaries(store, nobody)
    async with asyncio.timeout(LIMIT):
        summaries.start("s", failing, FittedMessages((), wants_summary=range(1)), history)
        # the next wish is followed as soon as the failed one is over
        while good.rounds:
            summaries.start("s", good, FittedMessages((), wants_summary=range(1)), history)
            await asyncio.sleep(0.01)
    assert (await stored(store, 3))[-1].content == "notes"


@asynccontextmanager
async def nobody(session_id: str) -> AsyncIterator[None]:
    """Nobody else is there."""
    yield


async def stored(store: MemorySessionStore, length: int) -> list[Message]:
    """Wait until the session has had a number of messages."""
    async with asyncio.timeout(LIMIT):
        while True:
            session = await store.load("s")
            if session and session.length >= length:
                return list(session.messages)
            await asyncio.sleep(0.01)


async def test_media_of_a_turn_that_failed_is_not_sent_again(
    mounted: Mounted, start: Start
) -> None:
    server = ChatServer([chunk({"content": "ok"}), chunk({}, "stop")])
    server.refusal = 400, {"error": {"message": "this is no image"}}
    image = pb.ContentPart(type="image", media=pb.MediaContent(data="aGk=", mime_type="image/png"))
    async with serving(server) as url:
        mounted.write_provider(type="openai", baseURL=f"{url}/v1")
        start()
        async with client(mounted) as stub:
            stream = Stream(stub)
            await stream.send(parts=[pb.ContentPart(type="text", text="look"), image])
            assert "this is no image" in (await stream.turn())[-1].error.message
            server.refusal = None
            assert said(await stream.ask("never mind")) == "ok"
    sent = server.bodies[-1]["messages"][-1]
    assert sent["content"] == "look\n[not shown: image; the turn failed]\n\nnever mind"


async def test_a_message_that_failed_and_is_sent_again_is_seen_once(
    mounted: Mounted, start: Start
) -> None:
    server = ChatServer([chunk({"content": "ok"}), chunk({}, "stop")])
    server.refusal = 400, {"error": {"message": "not today"}}
    async with serving(server) as url:
        mounted.write_provider(type="openai", baseURL=f"{url}/v1")
        start()
        async with client(mounted) as stub:
            stream = Stream(stub)
            for message in ("hi", "hi", "ho", "hi"):
                assert "not today" in (await stream.ask(message))[-1].error.message
            server.refusal = None
            assert said(await stream.ask("hi")) == "ok"
    assert server.bodies[-1]["messages"][-1]["content"] == "hi\n\nho\n\nhi"


async def test_a_summary_waits_for_a_turn_that_began_meanwhile(mounted: Mounted) -> None:
    store = MemorySessionStore(Duration.parse("1h"))
    history = [Message("user", "hi"), Message("user", "ho")]
    await store.append("s", history, expected_length=0)
    live = LiveConfiguration(
        Loader(mounted.env(), HTTPClient(), ToolSources(HTTPClient(), lambda: None), metrics())
    )
    media = MediaLoader(mounted.folder)
    conversations = SessionTurns(live, store, media, metrics(), RuntimeTracing())
    model = ScriptedModel(says("notes"))
    async with conversations._locks.turn("s"):
        conversations._summaries.start(
            "s", model, FittedMessages((), wants_summary=range(1)), history
        )
        # longer than a message waits for the turn before it
        await asyncio.sleep(WAIT_SECONDS * 1.3)
        assert not model.rounds
        session = await store.load("s")
        assert session
        assert len(session.messages) == 2
    assert (await stored(store, 3))[-1].content == "notes"
    await conversations.close()
