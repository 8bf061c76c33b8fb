"""`omnia open -n`: the console of a namespace, with a kubectl that only pretends."""

import asyncio
import base64
import contextlib
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from omnia_cli.cluster import KubectlFailed
from omnia_cli.hub.directory import HubAgent, HubState
from omnia_cli.hub.server import PORT
from omnia_cli.local.ports import Ports
from omnia_cli.reaper import Reaper
from omnia_cli.remote.forwards import Forwards, ForwardTarget, ends_at
from omnia_cli.remote.listing import UnreadableList, agents, changes, models
from tests.cli.test_tokens import ROOT, omnia
from tests.facade.scripted_runtime import LIMIT
from tests.facade.test_auth_program import secured_program
from tests.programs import PYTHON

# Notes how it was called. Lists are files; a line into a pipe rings its watch.
KUBECTL = """\
#!{python}
import json, os, pathlib, signal, sys
folder = pathlib.Path({folder!r})
with (folder / "log").open("a") as log:
    print(*sys.argv[1:], file=log)
if sys.argv[1] == "create":
    print("k3y")
elif "--watch" in sys.argv:
    for line in (folder / "bell").open():
        print(line, end="", flush=True)
elif sys.argv[1] == "get" and sys.argv[2] == "services":
    print(json.dumps(dict(items=[dict(metadata=dict(name="omnia-history", namespace="system"))])))
elif sys.argv[1] == "get":
    file = folder / (sys.argv[2].partition(".")[0] + ".json")
    if not file.exists():
        sys.exit("Error from server (Forbidden): " + sys.argv[2] + " is forbidden")
    listed = json.loads(file.read_text())
    if sys.argv[3].startswith("-"):
        print(json.dumps(listed))
    else:
        named = [each for each in listed["items"] if each["metadata"]["name"] == sys.argv[3]]
        print(json.dumps(named[0])) if named else sys.exit("Error (NotFound): " + sys.argv[3])
elif "service/broken" in sys.argv:
    sys.exit("error: unable to forward port because pod is not running")
else:
    (folder / "pid").write_text(str(os.getpid()))
    print("Forwarding from 127.0.0.1:{port} -> 8080", flush=True)
    # More than a pipe holds: somebody has to read it.
    for _ in range(4000):
        print("Handling connection for 8080")
    sys.stdout.flush()
    (folder / "printed").touch()
    signal.pause()
"""


def document(name: str, phase: str = "Running", version: str = "1.0.0", **spec: Any) -> Any:
    message = "" if phase == "Running" else f"{name} waits for a Provider"
    ready = {"type": "Ready", "status": str(phase == "Running"), "message": message}
    return {
        "metadata": {"name": name, "namespace": "space", "uid": "1"},
        "spec": {"providers": [{"name": "default", "providerRef": {"name": "fast"}}], **spec},
        "status": {"phase": phase, "activeVersion": version, "conditions": [ready]},
    }


PROVIDER = {"metadata": {"name": "fast"}, "spec": {"type": "openai", "model": "gpt-4.1-mini"}}


class Kubectl:
    """The program, what it lists, and what it was asked."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder / "kubectl"
        program = self.folder / "bin" / "kubectl"
        program.parent.mkdir(parents=True)
        program.write_text(
            KUBECTL.format(python=sys.executable, folder=str(self.folder), port=port)
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        os.mkfifo(self.folder / "bell")
        self.path = f"{program.parent}:{os.environ['PATH']}"

    def lists(self, kind: str, *documents: Any) -> None:
        """List these objects from now on."""
        file = self.folder / f"{kind}.json"
        beside = file.with_suffix(".new")
        beside.write_bytes(orjson.dumps({"items": documents}))
        beside.replace(file)

    async def ring(self) -> None:
        """Let the watch say that something has changed."""
        await asyncio.to_thread((self.folder / "bell").write_text, "agentruntime/agent\n")

    @property
    def asked(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@contextlib.asynccontextmanager
async def console(
    kubectl: Kubectl, *arguments: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run the command; yield the address that it prints."""
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", "omnia_cli", "open", "-n", "space", *arguments),
        cwd=ROOT,
        env={**os.environ, "PATH": kubectl.path, "BROWSER": "true"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(LIMIT):
            yield (await process.stdout.readline()).decode().strip(), process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(LIMIT):
            await process.wait()


async def test_the_console_of_a_namespace_makes_its_ways_and_tokens(tmp_path: Path) -> None:
    async with (
        secured_program(tmp_path, "agent", OMNIA_CONSOLE="true") as agent,
        aiohttp.ClientSession() as session,
    ):
        kubectl = Kubectl(tmp_path, agent.port)
        kubectl.lists("agentruntimes", document("agent", description="Answers."))
        kubectl.lists("providers", PROVIDER)
        async with console(kubectl, "agent", "--service-account", "person") as (url, process):
            base, _, place = url.partition("#")
            assert place == "/a/space/agent"
            async with session.get(f"{base}hub/agents") as answer:
                overview = await answer.text()
            found = orjson.loads(overview)
            assert (found["title"], found["has_history"]) == ("space", True)
            assert found["agents"] == [
                {
                    "namespace": "space",
                    "name": "agent",
                    "mode": "agent",
                    "state": "ready",
                    "base": "agents/space/agent/",
                    "description": "Answers.",
                    "model": "gpt-4.1-mini",
                    "version": "1.0.0",
                }
            ]
            # Nothing is forwarded before it is needed.
            assert not [line for line in kubectl.asked if line.startswith("port-forward")]
            async with session.ws_connect(
                f"{base}agents/space/agent/ws", origin=base.rstrip("/")
            ) as client:
                assert (await client.receive_json())["type"] == "connected"
                await client.send_json({"type": "message", "content": "hi"})
                while (frame := await client.receive_json())["type"] != "done":
                    pass
                assert frame["content"] == "you said hi"
            asked = [line for line in kubectl.asked if not line.startswith("get")]
            assert asked == [
                "create token person --namespace=space --audience=omnia://space/agent",
                "port-forward service/agent :facade --namespace=space --pod-running-timeout=30s",
            ]
            async with session.get(base) as answer:
                assert "k3y" not in await answer.text() + overview

            # A way that has ended is made again; the token is kept.
            first = int((kubectl.folder / "pid").read_text())
            os.kill(first, signal.SIGKILL)
            status = 0
            while status != 200:
                async with session.get(f"{base}agents/space/agent/api/agent") as answer:
                    status = answer.status
                    assert status in (200, 502)
            assert sum("create token" in line for line in kubectl.asked) == 1
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
        second = int((kubectl.folder / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(second, 0)


async def test_the_history_has_a_way_and_a_token_of_its_own(tmp_path: Path) -> None:
    async def history(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))
        writer.close()

    server = await asyncio.start_server(history, "127.0.0.1", 0)
    kubectl = Kubectl(tmp_path, server.sockets[0].getsockname()[1])
    kubectl.lists("agentruntimes")
    async with (
        server,
        aiohttp.ClientSession() as session,
        console(kubectl) as (url, _),
        session.get(f"{url}history/api/v1/sessions?limit=1") as answer,
    ):
        head = await answer.text()
    assert head.startswith("GET /api/v1/sessions?limit=1 HTTP/1.1")
    assert "Authorization: Bearer k3y" in head
    asked = [line for line in kubectl.asked if not line.startswith("get")]
    assert asked == [
        "create token default --namespace=space --audience=omnia://space/history",
        "port-forward service/omnia-history :http --namespace=system --pod-running-timeout=30s",
    ]


PACK = {
    "id": "support",
    "name": "Support",
    "version": "1.0.0",
    "template_engine": {"version": "v1", "syntax": "{{variable}}"},
    "fragments": {"tone": "Be kind."},
    "prompts": {
        "default": {
            "id": "default",
            "name": "Default",
            "version": "1.0.0",
            "system_template": "{{fragment:tone}} On {{plan}}.",
            "validators": [
                {"type": "max_length", "enabled": True, "params": {"max_characters": 100}}
            ],
        }
    },
    "evals": [{"id": "polite", "type": "contains", "trigger": "every_turn",
               "params": {"patterns": ["please"]}}],
}  # fmt: skip


def promptpack(version: str, **status: Any) -> Any:
    place = {"name": f"support-{version}", "key": "pack.json"}
    spec = {"packName": "support", "version": version,
            "source": {"type": "configmap", "configMapRef": place}}  # fmt: skip
    return {"metadata": {"name": f"support-{version}"}, "spec": spec, "status": status}


def content(version: str, template: str) -> Any:
    prompt = {**PACK["prompts"]["default"], "system_template": template}  # type: ignore[index]
    pack = {**PACK, "version": version, "prompts": {"default": prompt}}
    name = f"support-{version}"
    return {"metadata": {"name": name}, "data": {"pack.json": orjson.dumps(pack).decode()}}


REGISTRY = {
    "metadata": {"name": "tools"},
    "spec": {
        "handlers": [
            {
                "name": "crm",
                "type": "http",
                "tool": {"name": "lookup", "description": "Looks.", "inputSchema": {"a": 1}},
                "httpConfig": {"endpoint": "http://crm.internal/v1"},
            },
            {"name": "desk", "type": "mcp"},
        ]
    },
    "status": {
        "discoveredTools": [
            {"name": "ticket", "handlerName": "desk", "description": "Opens one.",
             "endpoint": "http://desk.internal", "status": "Unavailable"}
        ]
    },
}  # fmt: skip
MODEL = {
    "type": "openai",
    "model": "m-1",
    "secretRef": {"name": "model-key"},
    "defaults": {"contextWindow": 8000, "truncationStrategy": "summarize"},
    "pricing": {"inputCostPer1K": 0.5, "outputCostPer1K": 2},
}


REFERRING = document("agent", promptPackRef={"name": "support"}, toolRegistryRef={"name": "tools"})


async def test_what_is_inside_is_read_with_the_rights_of_the_person(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, 1)
    kubectl.lists("agentruntimes", REFERRING)
    kubectl.lists(
        "promptpacks",
        promptpack("1.0.0", canaryVersion="1.1.0", canaryWeight=25),
        promptpack("1.1.0"),
    )
    kubectl.lists(
        "configmap",
        content("1.0.0", "{{fragment:tone}} On {{plan}}."),
        content("1.1.0", "On {{plan}}."),
    )
    kubectl.lists("toolregistries", REGISTRY)
    kubectl.lists("providers", {"metadata": {"name": "fast"}, "spec": MODEL})
    async with aiohttp.ClientSession() as session, console(kubectl) as (url, _):
        async with session.get(f"{url}hub/agents/space/agent/inside") as answer:
            text = await answer.text()
        for other in ("space/nobody", "elsewhere/agent"):
            async with session.get(f"{url}hub/agents/{other}/inside") as answer:
                assert answer.status == 404
    found = orjson.loads(text)
    assert found["versions"] == [
        {"version": "1.0.0", "weight": 75, "template": "Be kind. On {{plan}}."},
        {"version": "1.1.0", "weight": 25, "template": "On {{plan}}."},
    ]
    assert found["template"] == "Be kind. On {{plan}}."
    assert (found["validators"], found["evals"]) == (["max_length"], ["polite"])
    ticket, lookup = found["tools"]
    assert (ticket["handler"], ticket["type"], ticket["unreachable"]) == ("desk", "mcp", True)
    assert (lookup["name"], lookup["handler"], lookup["input_schema"]) == (
        "lookup", "crm", {"a": 1},
    )  # fmt: skip
    assert found["providers"] == [
        {"name": "default", "type": "openai", "model": "m-1", "input_usd": 500, "output_usd": 2000}
    ]
    assert found["window"] == {"tokens": 8000, "then": "summarize"}
    assert found["notes"] == []
    for hidden in ("internal", "model-key"):
        assert hidden not in text


async def test_what_of_the_inside_may_not_be_read_is_left_out_and_noted(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, 1)
    kubectl.lists("agentruntimes", REFERRING)
    kubectl.lists("promptpacks", promptpack("1.0.0"))
    kubectl.lists("toolregistries", {"metadata": {"name": "tools"}, "spec": 7})
    async with (
        aiohttp.ClientSession() as session,
        console(kubectl) as (url, _),
        session.get(f"{url}hub/agents/space/agent/inside") as answer,
    ):
        found = await answer.json()
    assert found["versions"] == [{"version": "1.0.0", "weight": 100, "template": ""}]
    assert (found["tools"], found["providers"], found["window"]) == ([], [], None)
    prompt, provider, tools = found["notes"]
    assert prompt.startswith("the prompt of version 1.0.0 is left out: configmap/support-1.0.0")
    assert "forbidden" in prompt
    assert provider.startswith('the provider "default" is left out: ')
    assert tools.startswith("tools are left out: the output of kubectl is not what was expected")


async def test_what_changes_in_the_cluster_is_published(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, 1)
    kubectl.lists("agentruntimes", document("agent"), document("other"))
    async with (
        aiohttp.ClientSession() as session,
        console(kubectl) as (url, _),
        session.get(f"{url}hub/events") as answer,
    ):
        kubectl.lists("agentruntimes", document("agent", version="1.1.0"))
        await kubectl.ring()
        events: list[Any] = []
        while len(events) < 2:
            line = await answer.content.readline()
            if line.startswith(b"data: "):
                events.append(orjson.loads(line[6:]))
        assert events == [
            {
                "event": "reloaded",
                "namespace": "space",
                "name": "agent",
                "from": "1.0.0",
                "to": "1.1.0",
            },
            {"event": "removed", "namespace": "space", "name": "other"},
        ]
        async with session.get(f"{url}hub/agents") as overview:
            found = await overview.json()
        # What a person may not read is left out, and said.
        assert "model" not in found["agents"][0]
        assert any("providers.omnia.altairalabs.ai is forbidden" in each for each in found["notes"])


async def test_an_agent_that_cannot_be_reached_says_why(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, 1)
    kubectl.lists("agentruntimes", document("broken", "Pending"), document("gone", "Failed"))
    async with aiohttp.ClientSession() as session, console(kubectl) as (url, _):
        async with session.get(f"{url}agents/space/broken/api/agent") as answer:
            assert (answer.status, await answer.json()) == (
                502,
                {"error": "not_running", "detail": "broken waits for a Provider"},
            )
        async with session.get(f"{url}agents/other/gone/api/agent") as answer:
            assert answer.status == 404


async def test_a_namespace_that_cannot_be_shown_ends_the_command(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, 1)
    code, said = await omnia("open", "-n", "space", PATH=kubectl.path)
    assert code == 1
    assert 'the agentruntimes of the namespace "space" cannot be listed; kubectl says: Err' in said
    kubectl.lists("agentruntimes", document("agent"))
    code, said = await omnia("open", "nobody", "-n", "space", PATH=kubectl.path)
    assert (code, said) == (
        1,
        'there is no agent "nobody" in the namespace "space"; it has: agent\n',
    )


async def test_a_port_that_another_command_holds_is_left_to_it(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, 1)
    kubectl.lists("agentruntimes")
    with contextlib.closing(Ports()) as ports:
        # It is handed out, and no program listens on it yet.
        held = ports.from_(PORT)
        wanted = ("open", "-n", "space", "--console-port", str(held))
        code, said = await omnia(*wanted, PATH=kubectl.path)
        assert code == 1
        assert said.startswith(f"port {held} is occupied by another program: choose another one")
        assert "leave --console-port out" in said
        async with console(kubectl) as (url, _):
            assert urlsplit(url).port not in (None, held)


def token(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (token(exp=5000), 4940),
        (token(exp="5000"), 1300),
        (token(), 1300),
        ("k3y", 1300),
        ("a.!.c", 1300),
        ("a.w6k.c", 1300),
    ],
)
def test_a_token_is_used_until_shortly_before_its_end(text: str, end: float) -> None:
    assert ends_at(text, 1000) == end


async def test_a_token_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = Kubectl(tmp_path, 1)
    monkeypatch.setenv("PATH", kubectl.path)
    now = 1000.0
    with Reaper() as reaper:
        forwards = Forwards("default", reaper, lambda: now)
        place = ForwardTarget("agent", "space", "facade", "agent", "space")
        try:
            for time, made in ((1000, 1), (1299, 1), (1301, 2)):
                now = time
                await forwards.upstream(place)
                assert sum("create token" in line for line in kubectl.asked) == made
            assert sum("port-forward" in line for line in kubectl.asked) == 1
            # Its output is read, so that it goes on.
            async with asyncio.timeout(LIMIT):
                # Another process has no event to wait for.
                while not (kubectl.folder / "printed").exists():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            with pytest.raises(KubectlFailed, match="pod is not running"):
                await forwards.upstream(
                    ForwardTarget("broken", "space", "facade", "broken", "space")
                )
        finally:
            await forwards.close()


def described(name: str, state: HubState = HubState.READY, **more: str) -> HubAgent:
    return HubAgent(namespace="space", name=name, mode="agent", state=state, **more)


def test_only_what_differs_is_an_event() -> None:
    before = [described("a"), described("b", HubState.STARTING), described("c"), described("d")]
    after = [
        described("a"),
        described("b"),
        described("c", HubState.FAILED, message="no"),
        described("e"),
    ]
    assert [(each["event"], each["name"]) for each in changes(before, after)] == [
        ("ready", "b"),
        ("failed", "c"),
        ("ready", "e"),
        ("removed", "d"),
    ]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"items": [{}]}', '{"items": 1}', "Error"])
def test_what_is_no_list_is_refused(text: str) -> None:
    for read in (lambda: agents(text, "space", {}), lambda: models(text)):
        with pytest.raises(UnreadableList):
            read()


def test_a_model_is_that_of_the_agent_or_of_its_provider() -> None:
    own = document("own", providers=[], provider={"type": "mock"})
    elsewhere = {"name": "default", "providerRef": {"name": "fast", "namespace": "other"}}
    listed = orjson.dumps(
        {"items": [document("a"), own, document("c", providers=[elsewhere]), {**own, "status": {}}]}
    ).decode()
    found = agents(listed, "space", {"fast": "gpt-4.1-mini"})
    assert [agent.model for agent in found] == ["gpt-4.1-mini", "mock", "", "mock"]
    # Without a status the operator has not seen it yet.
    assert found[3].state is HubState.STARTING
