"""A session that tries out another version, provider or prompt."""

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import yaml

from omnia_core.conversation.trial import Trial
from omnia_core.env import RuntimeEnv
from omnia_core.sessions.factory import open_sessions
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.server.mapping import RejectedMessage, read_message
from tests.runtime.program import LIMIT, Program, Stream, client
from tests.runtime.scripted import Mounted, pack
from tests.runtime.servers import ChatServer, chunk, serving

Start = Callable[..., Program]

ALLOWED = {"OMNIA_TRIAL": "true"}


def versions(mounted: Mounted) -> dict[str, str]:
    """Mount two versions of the pack; 1.0.0 is the stable one."""
    folder = mounted.folder / "pack"
    folder.mkdir()
    for version, template in (("1.0.0", "You help."), ("2.0.0", "You help {{who}}.")):
        variables = [{"name": "who", "type": "string", "required": False, "default": "all"}]
        content = pack(template, variables=variables) | {"version": version}
        (folder / f"{version}.json").write_bytes(orjson.dumps(content))
    (folder / "placement.json").write_text('{"stable": "1.0.0"}')
    return {"OMNIA_PROMPTPACK_PATH": str(folder)}


def providers(mounted: Mounted, model: str) -> None:
    both = [
        {"name": name, "type": "openai", "model": name, "baseURL": f"{model}/v1"}
        for name in ("default", "other")
    ]
    (mounted.folder / "providers.yaml").write_text(yaml.safe_dump({"providers": both}))


async def ask(stub: Any, session: str, text: str, **trial: str) -> pb.ServerMessage:
    stream = Stream(stub)
    given = {"trial": pb.Trial(**trial)} if trial else {}
    await stream.send(text, session, **given)
    return (await stream.turn())[-1]


@pytest.mark.covers("websocket.md#trial-holds")
async def test_a_trial_holds_for_the_whole_session_and_for_no_other(
    mounted: Mounted, start: Start
) -> None:
    tried: dict[str, dict[str, str]] = {
        "none": {},
        "version": {"version": "2.0.0"},
        "provider": {"provider": "other"},
        "all": {"system": "Be short, {{who}}.", "version": "2.0.0", "provider": "other"},
    }
    server = ChatServer([chunk({"content": "fine"}), chunk({}, "stop")])
    async with serving(server) as model:
        providers(mounted, model)
        start(**versions(mounted), **ALLOWED)
        async with client(mounted) as stub:
            for session, trial in tried.items():
                for text in ("one", "two"):
                    end = await ask(stub, session, text, **(trial if text == "one" else {}))
                    assert end.done.final_content == "fine"
                    assert end.done.pack_version == trial.get("version", "1.0.0")
                    assert end.done.trial is bool(trial)
            fork = pb.ForkConversationRequest(session_id="all", new_session_id="fork", after_turn=1)
            await stub.ForkConversation(fork, timeout=LIMIT)
            assert (await ask(stub, "fork", "three")).done.trial
    seen = [(body["model"], body["messages"][0]["content"]) for body in server.bodies]
    assert seen[0::2][:4] == seen[1::2]
    assert seen[0::2] == [
        ("default", "You help."),
        ("default", "You help all."),
        ("other", "You help."),
        ("other", "Be short, all."),
        ("other", "Be short, all."),
    ]


@pytest.mark.covers("websocket.md#trial-invalid")
async def test_what_cannot_be_tried_out_is_refused_with_what_there_is(
    mounted: Mounted, start: Start
) -> None:
    start(**versions(mounted), **ALLOWED)
    async with client(mounted) as stub:
        refused = [
            await ask(stub, "a", "hi", version="3.0.0"),
            await ask(stub, "b", "hi", provider="none"),
            await ask(stub, "c", "hi", system="{{nobody}}"),
            await ask(stub, "d", "hi", system="x" * 40_000),
        ]
        assert (await ask(stub, "e", "hi")).HasField("done")
        refused.append(await ask(stub, "e", "again", version="2.0.0"))
        # A refused message began no session.
        assert (await ask(stub, "a", "hi", version="2.0.0")).HasField("done")
        # A client that lost the answer to its first message says the same again.
        assert (await ask(stub, "a", "hi", version="2.0.0")).HasField("done")
    errors = [each.error for each in refused]
    assert {each.code for each in errors} == {"INVALID_MESSAGE"}
    for error, words in zip(
        errors,
        (
            'no version "3.0.0" of the PromptPack; there is 1.0.0, 2.0.0',
            'no provider named "none"; it has: default',
            "nobody",
            "has 40000 characters; expected at most 32768",
            "only the first message of a session",
        ),
        strict=True,
    ):
        assert words in error.message


@pytest.mark.covers("websocket.md#trial-not-allowed")
async def test_a_runtime_that_allows_no_trials_refuses_them(mounted: Mounted, start: Start) -> None:
    start(**versions(mounted))
    async with client(mounted) as stub:
        error = (await ask(stub, "a", "hi", version="2.0.0")).error
        assert error.trial
    assert error.code == "INVALID_MESSAGE"
    assert "OMNIA_TRIAL" in error.message


@pytest.mark.covers("websocket.md#trial-marked")
async def test_a_trial_is_marked_and_counts_among_no_turns(mounted: Mounted, start: Start) -> None:
    path = mounted.folder / "sessions.db"
    kept = {"OMNIA_SESSION_TYPE": "sqlite", "OMNIA_SESSION_PATH": str(path)}
    environment = {**versions(mounted), **ALLOWED, **kept}
    start(**environment)
    async with client(mounted) as stub:
        for session in ("plain", "tried"):
            first = {"version": "2.0.0"} if session == "tried" else {}
            assert (await ask(stub, session, "one", **first)).HasField("done")
            assert (await ask(stub, session, "two")).HasField("done")
    store = open_sessions(RuntimeEnv.parse(mounted.environment(**environment)))
    tried, plain = await store.load("tried"), await store.load("plain")
    await store.close()
    assert tried
    assert plain
    assert (tried.trial, plain.trial) == (Trial("2.0.0"), None)
    variants = [
        {each.variant for each in session.messages if each.role == "user"}
        for session in (plain, tried)
    ]
    assert variants == [{""}, {"trial"}]

    with contextlib.closing(sqlite3.connect(path)) as connection:
        tags = dict(connection.execute("SELECT id, tag FROM sessions"))
        turns = connection.execute("SELECT sum(turns) FROM daily_turns").fetchone()
    assert tags == {"plain": "agent", "tried": "trial"}
    assert turns == (2,)


def test_the_names_of_a_trial_are_cut() -> None:
    message = pb.ClientMessage(session_id="s", content="hi", trial=pb.Trial(version="v" * 10_000))
    turn = read_message(message)
    assert not isinstance(turn, RejectedMessage)
    assert turn.trial
    assert len(turn.trial.version) == 256
