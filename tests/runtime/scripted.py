"""A model and tools that do as they are told, and the files of a runtime."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import yaml
from prometheus_client import CollectorRegistry

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.env import RuntimeEnv
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import AgentEvent
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    ModelEvent,
    ProviderError,
    TextDelta,
    ToolCallRequest,
)
from tests.services import free_port
from tests.transport import VARIABLES

Round = Sequence[ModelEvent | ProviderError | asyncio.Event]


def says(*words: str) -> Round:
    """A round that ends the turn."""
    return [*(TextDelta(word) for word in words), Finished("stop", Usage(10, 5, 0, 0.5))]


def asks(*names: str, arguments: str = "{}") -> Round:
    """A round that asks for tools."""
    calls = [
        ToolCallRequest(f"{index}-{name}", name, arguments) for index, name in enumerate(names)
    ]
    return [*calls, Finished("tool_use", Usage(10, 5, 0, 0.5))]


class ScriptedModel:
    """Plays one round per call; an event in a round is waited for."""

    def __init__(self, *rounds: Round) -> None:
        self.rounds = list(rounds)
        self.requests: list[ChatRequest] = []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        # The loop goes on to fill the list of messages.
        self.requests.append(msgspec.structs.replace(request, messages=tuple(request.messages)))
        for step in self.rounds.pop(0):
            if isinstance(step, ProviderError):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield step


class ScriptedTools:
    """Answers with the name of the tool; those in `waits` only when their event is set."""

    def __init__(self, waits: Mapping[str, asyncio.Event] | None = None) -> None:
        self.waits = waits or {}
        self.called: list[str] = []
        self.answered: list[str] = []

    async def call(self, call: ToolCall) -> ToolResult:
        self.called.append(call.name)
        if call.name in self.waits:
            await self.waits[call.name].wait()
        self.answered.append(call.name)
        for event in self.waits.values():
            event.set()
        return ToolResult(f'"{call.name}"')


class Heard:
    """Listens to a turn.

    Attributes:
        events: what it was told, in order; pieces of the answer as text.
        said: whether there was text.
        told: whether there was something beside it.
    """

    def __init__(self) -> None:
        self.events: list[str | AgentEvent] = []
        self.said, self.told = asyncio.Event(), asyncio.Event()

    def send_text(self, text: str) -> bool:
        self.events.append(text)
        self.said.set()
        return True

    async def drain(self) -> None:
        """There is always room."""

    async def send_event(self, event: AgentEvent) -> None:
        self.events.append(event)
        self.told.set()


def metrics() -> RuntimeMetrics:
    """Metrics that nobody reads."""
    return RuntimeMetrics(CollectorRegistry(), "agent", "default")


def pack(template: str = "You help.", **prompt: Any) -> dict[str, Any]:
    """A pack with one prompt; `fragments` and `tools` go where they belong."""
    root = {key: prompt.pop(key) for key in ("fragments", "pack_tools") if key in prompt}
    return {
        "id": "support",
        "name": "Support",
        "version": "1.0.0",
        "template_engine": {"version": "v1", "syntax": "{{variable}}"},
        "fragments": root.get("fragments", {}),
        "tools": root.get("pack_tools", {}),
        "prompts": {
            "main": {
                "id": "main",
                "name": "Main",
                "version": "1.0.0",
                "system_template": template,
                **prompt,
            }
        },
    }


def http_tool(
    endpoint: str, name: str = "lookup", schema: Any = None, **config: Any
) -> dict[str, Any]:
    """A handler of type http."""
    return {
        "name": f"{name}-handler",
        "type": "http",
        "timeout": "5s",
        "tool": {
            "name": name,
            "description": f"does {name}",
            "inputSchema": schema or {"type": "object"},
        },
        "httpConfig": {"endpoint": endpoint, **config},
    }


class Mounted:
    """The mounted files of one runtime, and its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.grpc_port, self.health_port = free_port(), free_port()
        self.write_pack(pack())
        self.write_provider()
        self.write_responses({"defaultResponse": "Hello there, friend."})

    def write_pack(self, content: dict[str, Any]) -> None:
        (self.folder / "pack.json").write_bytes(orjson.dumps(content))

    def write_provider(self, **fields: Any) -> None:
        provider = {
            "name": "default",
            "type": "mock",
            "model": "m",
            "mockResponsesPath": str(self.folder / "mock.yaml"),
            **fields,
        }
        self._yaml("providers.yaml", {"providers": [provider]})

    def write_responses(self, content: dict[str, Any]) -> None:
        self._yaml("mock.yaml", content)

    def write_tools(self, *handlers: dict[str, Any]) -> None:
        self._yaml("tools.yaml", {"handlers": list(handlers)})

    def write_function(self, input_schema: Any, output_schema: Any) -> None:
        content = {"name": "fn", "inputSchema": input_schema, "outputSchema": output_schema}
        (self.folder / "function.json").write_bytes(orjson.dumps(content))

    def _yaml(self, name: str, content: object) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False))

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "OMNIA_AGENT_NAME": "agent",
            "OMNIA_PROMPTPACK_PATH": str(self.folder / "pack.json"),
            "OMNIA_PROVIDERS_PATH": str(self.folder / "providers.yaml"),
            "OMNIA_TOOLS_CONFIG_PATH": str(self.folder / "tools.yaml"),
            "OMNIA_FUNCTION_PATH": str(self.folder / "function.json"),
            "OMNIA_GRPC_PORT": str(self.grpc_port),
            "OMNIA_HEALTH_PORT": str(self.health_port),
            "OMNIA_BIND_ADDRESS": "127.0.0.1",
            "OMNIA_DRAIN_TIMEOUT": "5s",
            **VARIABLES,
            **more,
        }

    def env(self, **more: str) -> RuntimeEnv:
        return RuntimeEnv.parse(self.environment(**more))
