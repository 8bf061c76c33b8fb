"""Conversations that `omnia up` keeps in the state folder."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.sync.client import connect

from omnia_core.sessions.sqlite.connection import connect as open_file
from tests.end_to_end.conftest import LIMIT, OMNIA, Example, Start
from tests.end_to_end.test_sessions import ask
from tests.runtime.servers import USAGE, ChatServer, chunk, serving
from tests.services import free_port

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: remembers
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: You remember.
{session}
  provider:
    type: openai
    model: small
    baseURL: {url}/v1
"""
SQLITE = "  session:\n    type: sqlite\n    persistentVolumeClaim: {claimName: sessions}"
MOCK = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: {name}
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: You remember.
  provider:
    type: mock
    mock:
      responses:
        scenarios:
          default:
            turns:
              1: first
              2: second
              3: third
"""


# Each command starts programs, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(240)


def write_mock(folder: Path, name: str = "remembers") -> Path:
    folder.mkdir(exist_ok=True)
    manifest = folder / f"{name}.yaml"
    manifest.write_text(MOCK.format(port=free_port(), name=name))
    return manifest


def omnia(environment: dict[str, str], *arguments: str, **options: Any) -> Any:
    return subprocess.run(
        [*OMNIA, *arguments],
        capture_output=True,
        check=False,
        timeout=LIMIT,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        **options,
    )


def assert_private(file: Path, above: Path) -> None:
    assert file.is_relative_to(above)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def said(url: str, session: str | None = None) -> tuple[str, str]:
    """Ask once; return the id of the session and the answer."""
    with connect(f"{url}?session_id={session}" if session else url) as socket:
        known = str(orjson.loads(socket.recv(LIMIT))["session_id"])
        return known, ask(socket)


@pytest.mark.parametrize("session", ["", SQLITE])
async def test_the_model_sees_all_of_a_conversation_after_omnia_up_was_stopped(
    start: Start, tmp_path: Path, environment: dict[str, str], session: str
) -> None:
    chunks = [chunk({"content": "yes"}), chunk({}, "stop"), chunk({}, usage=USAGE)]
    server = ChatServer(chunks)
    async with serving(server) as url:
        manifest = tmp_path / "agent.yaml"
        manifest.write_text(AGENT.format(port=free_port(), url=url, session=session))
        up = start(manifest)
        file = (await asyncio.to_thread(up.wait, "serving"))["sessions"]
        first = await asyncio.to_thread(
            omnia, environment, "chat", "remembers", input=b"one\ntwo\nthree\n"
        )
        assert first.returncode == 0, first.stderr.decode()
        known = first.stdout.decode().split()[1]
        assert await asyncio.to_thread(up.stop) == 0

        again = start(manifest)
        await asyncio.to_thread(again.wait, "serving")
        second = await asyncio.to_thread(
            omnia, environment, "chat", "remembers", "--session", known, input=b"four\n"
        )
    assert second.returncode == 0, second.stderr.decode()
    heard = [message["content"] for message in server.bodies[-1]["messages"][1:]]
    assert heard == ["one", "yes", "two", "yes", "three", "yes", "four"]
    assert_private(Path(file), Path(environment["XDG_STATE_HOME"]) / "omnia")


def test_a_reload_and_a_killed_runtime_lose_nothing(start: Start, tmp_path: Path) -> None:
    manifest = write_mock(tmp_path)
    up = start(manifest)
    url, pids = (ready := up.wait("ready"))["url"], ready["pids"]
    up.wait("serving")
    session, answer = said(url)
    assert answer == "first"

    os.kill(pids["runtime"], signal.SIGKILL)
    up.wait("ready")
    assert said(url, session)[1] == "second"

    manifest.write_text(f"{manifest.read_text()}  session:\n    ttl: 2h\n")
    up.wait("ready")
    assert said(url, session)[1] == "third"
    assert "are lost" not in up.errors.read_text()


def test_commands_read_what_was_kept_with_and_without_omnia_up(
    start: Start, tmp_path: Path, environment: dict[str, str], example: Example
) -> None:
    folder = tmp_path / "project"
    write_mock(folder)
    function = example("echo-function")
    up = start(folder, function)
    url = up.wait("ready", name="remembers")["url"]
    file = up.wait("serving")["sessions"]
    session, _ = said(url)
    called = omnia(environment, "call", "echo-function", '{"message": "hello"}')
    assert called.returncode == 0, called.stderr.decode()

    def listed(*options: str, cwd: Path = folder) -> list[Any]:
        done = omnia(environment, "sessions", "list", "--json", *options, cwd=cwd)
        assert done.returncode == 0, done.stderr.decode()
        return [orjson.loads(line) for line in done.stdout.splitlines()]

    with contextlib.closing(sqlite3.connect(file)) as connection:
        deadline = time.monotonic() + LIMIT
        # The record of a call is stored after its answer.
        while connection.execute("SELECT count(*) FROM sessions").fetchone() != (2,):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    running = listed()
    up.stop()
    found = {row["agent"]: row for row in listed()}
    assert (found["remembers"]["id"], found["remembers"]["tag"]) == (session, "agent")
    assert found["echo-function"]["tag"] == "function"
    assert found["remembers"]["cost_usd"] > 0
    assert running == listed(cwd=tmp_path) == listed("-f", str(folder), cwd=Path("/"))

    shown = omnia(environment, "sessions", "show", session, cwd=folder)
    assert "user: hi" in shown.stdout.decode()
    assert "assistant: first" in shown.stdout.decode()
    with subprocess.Popen(
        [*OMNIA, "sessions", "tail", session],
        stdout=subprocess.PIPE,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=folder,
    ) as tail:
        assert tail.stdout
        assert any(b"assistant: first" in tail.stdout.readline() for _ in range(20))
        tail.send_signal(signal.SIGINT)
        assert tail.wait(LIMIT) == 130

    nothing = omnia(environment, "sessions", "list", "-f", str(function))
    assert nothing.returncode == 1
    assert b"has kept a conversation on this machine" in nothing.stderr
    both = omnia(environment, "sessions", "list", "-f", str(folder), "--url", "http://127.0.0.1:1")
    assert b"--url and --file exclude each other" in both.stderr


def test_ephemeral_conversations_are_kept_nowhere(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    manifest = write_mock(tmp_path)
    up = start(manifest, options=("--ephemeral",))
    url = up.wait("ready")["url"]
    assert up.wait("serving")["sessions"] == ""
    said(url)
    up.stop()
    assert not list(Path(environment["XDG_STATE_HOME"]).rglob("*.db*"))
    none = omnia(environment, "sessions", "list", cwd=tmp_path)
    assert none.returncode == 1
    assert b"no agent has kept a conversation on this machine: run `omnia up`" in none.stderr


def test_two_of_one_folder_share_the_conversations_and_the_second_says_so(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    first = start(write_mock(folder, "first"))
    second_manifest = write_mock(folder, "second")
    at = first.wait("ready")["url"]
    file = first.wait("serving")["sessions"]
    second = start(second_manifest)
    other = second.wait("ready")["url"]
    assert second.wait("serving")["sessions"] == file
    assert "both use the same conversations" in second.errors.read_text()
    assert "both use the same conversations" not in first.errors.read_text()
    assert said(at)[1] == said(other)[1] == "first"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        agents = connection.execute("SELECT agent FROM sessions ORDER BY 1").fetchall()
    assert agents == [("first",), ("second",)]


def test_a_file_that_cannot_be_used_names_the_way_out(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    manifest = write_mock(tmp_path)
    up = start(manifest)
    file = Path(up.wait("serving")["sessions"])
    up.stop()
    with contextlib.closing(open_file(file)) as connection:
        connection.execute("PRAGMA user_version = 99")

    refused = start(manifest)
    reason = refused.wait("failed", name="remembers")["reason"]
    assert "a newer version of Omnia wrote it: expected schema " in reason
    assert " or older, found 99" in reason
    assert "`omnia up --ephemeral` keeps conversations in memory instead" in reason
    assert refused.process.wait(LIMIT) == 1

    beside = tmp_path / "state-is-a-file"
    beside.write_text("")
    refused = start(manifest, XDG_STATE_HOME=str(beside))
    reason = refused.wait("failed")["reason"]
    assert "set XDG_STATE_HOME to a folder that can be written" in reason
    assert str(beside) in reason
    assert refused.process.wait(LIMIT) == 1
    assert "Traceback" not in refused.errors.read_text()

    up = start(manifest, options=("--ephemeral",))
    assert said(up.wait("ready")["url"])[1] == "first"
