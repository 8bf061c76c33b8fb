"""The console of `omnia up`: one address for everything that runs."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from omnia_cli.hub.server import PORT
from tests.end_to_end.conftest import LIMIT, OMNIA, ROOT, Example, Start, Up
from tests.services import free_port


class Console:
    """The address of a console, and requests to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.netloc = urlsplit(url).netloc

    @contextlib.contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[HTTPResponse]:
        connection = HTTPConnection(self.netloc, timeout=LIMIT)
        try:
            connection.request("GET", path, headers=headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, Any]:
        with self.stream(path) as answer:
            body = answer.read()
            return answer.status, orjson.loads(body)

    def agents(self) -> dict[str, dict[str, Any]]:
        return {agent["name"]: agent for agent in self.get("/hub/agents")[1]["agents"]}


def console_of(up: Up) -> Console:
    return Console(up.wait("serving")["hub"])


def event(answer: HTTPResponse, kind: str, **fields: object) -> dict[str, Any]:
    """Return the next event of a kind with these fields."""
    for line in iter(answer.readline, b""):
        if line.startswith(b"data: "):
            found: dict[str, Any] = orjson.loads(line[6:])
            if found["event"] == kind and fields.items() <= found.items():
                return found
    pytest.fail(f"the stream ended before {kind} {fields}")


def test_everything_is_reached_through_one_address(start: Start, example: Example) -> None:
    up = start(example("support-agent"), example("summarizer-function"))
    console = console_of(up)
    agents = console.agents()
    assert {name: each["state"] for name, each in agents.items()} == {
        "support-agent": "ready",
        "summarizer-function": "ready",
    }
    agent = agents["support-agent"]
    assert (agent["mode"], agent["model"], agent["version"]) == ("agent", "mock", "1.0.0")
    assert agent["description"] == "Answers questions about the orders of a shop."

    status, described = console.get(f"/{agent['base']}api/agent")
    assert (status, described["title"]) == (200, agent["description"])
    address = f"ws://{console.netloc}/{agent['base']}ws"
    with connect(address, origin=Origin(console.url.rstrip("/"))) as client:
        session = orjson.loads(client.recv(LIMIT))["session_id"]
        client.send(orjson.dumps({"type": "message", "content": "hello"}).decode())
        while orjson.loads(client.recv(LIMIT))["type"] != "done":
            pass
    # The history of the file is started by its first reader.
    status, kept = console.get("/history/api/v1/sessions?agent=support-agent")
    assert (status, [each["id"] for each in kept["sessions"]]) == (200, [session])
    assert console.get("/hub/agents")[1]["has_history"] is True


def test_an_agent_that_ends_leaves_the_console_to_the_others(
    start: Start, example: Example
) -> None:
    up = start(example("support-agent"), example("summarizer-function"))
    pids = up.wait("ready", name="support-agent")["pids"]
    console = console_of(up)
    with console.stream("/hub/events") as events:
        os.kill(pids["facade"], signal.SIGKILL)
        assert "facade ended: SIGKILL" in event(events, "failed", name="support-agent")["reason"]
        assert console.agents()["summarizer-function"]["state"] == "ready"
        assert console.get("/agents/default/summarizer-function/openapi.json")[0] == 200
        event(events, "ready", name="support-agent")
    assert console.get("/agents/default/support-agent/api/agent")[0] == 200


def test_an_agent_that_cannot_run_says_why(start: Start, example: Example) -> None:
    folder = example("support-agent")
    broken = folder / "broken.yaml"
    broken.write_text((folder / "agent.yaml").read_text().replace("name: support-agent", "name: b"))
    broken.write_text(broken.read_text().replace("name: support-pack", "name: nowhere"))
    up = start(folder)
    console = console_of(up)
    agent = console.agents()["b"]
    assert agent["state"] == "failed"
    assert "broken.yaml:" in agent["message"]
    assert console.get("/agents/default/b/api/agent") == (
        502,
        {"error": "not_running", "detail": agent["message"]},
    )


def test_a_reload_says_from_which_version_to_which(start: Start, example: Example) -> None:
    folder = example("support-agent")
    up = start(folder)
    console = console_of(up)
    pack = folder / "promptpack.yaml"
    with console.stream("/hub/events") as events:
        pack.write_text(pack.read_text().replace("version: 1.0.0", "version: 1.0.1"))
        reloaded = event(events, "reloaded", name="support-agent")
        assert (reloaded["from"], reloaded["to"]) == ("1.0.0", "1.0.1")
        assert up.wait("reloaded")["to"] == "1.0.1"
        # A change that leaves the prompt as it is names no version.
        provider = folder / "provider.yaml"
        provider.write_text(provider.read_text().replace("type: mock", "type: mock\n  model: m"))
        assert "to" not in event(events, "reloaded", name="support-agent")
    assert console.agents()["support-agent"]["version"] == "1.0.1"
    # A page that comes back gets what it missed.
    with console.stream("/hub/events", **{"Last-Event-ID": "of-another-run-9"}) as events:
        assert event(events, "reloaded")["to"] == "1.0.1"


def test_a_second_console_gets_the_next_port(start: Start, example: Example) -> None:
    port = free_port()
    first = start(example("support-agent"), options=("--console-port", str(port)))
    assert console_of(first).netloc == f"127.0.0.1:{port}"
    second = start(example("summarizer-function"), options=("--console-port", str(port)))
    reason = second.wait("failed", name="console")["reason"]
    assert f"port {port} is occupied by the console of another `omnia up`" in reason
    assert "--console-port" in reason
    assert second.process.wait(LIMIT) == 1


def test_a_console_without_a_port_takes_the_next_free_one(start: Start, example: Example) -> None:
    with contextlib.ExitStack() as stack:
        ours = False
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", PORT)))
            ours = True
        up = start(example("summarizer-function"))
        elsewhere = urlsplit(console_of(up).url).port != PORT
        # Where another test had the port, it may have given it back meanwhile.
        assert elsewhere or not ours
        assert (f"[console] port {PORT} is occupied by" in up.errors.read_text()) == elsewhere


def opened(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [*OMNIA, "open", *arguments],
        env={**environment, "BROWSER": "true"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_open_shows_the_console(
    start: Start, example: Example, environment: dict[str, str]
) -> None:
    up = start(example("support-agent"))
    console = console_of(up)
    assert opened(environment) == console.url
    place = opened(environment, "support-agent")
    assert place == f"{console.url}#/a/default/support-agent"
