"""An agent with a check of its answers and a tool whose server is gone, as `omnia up` runs it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.conftest import Up, running_up
from tests.services import free_port

NAME = "careful"
ANSWERS = [
    {"when": "tool_result", "contains": "", "content": "I could not look it up."},
    {"contains": "look", "tool_calls": [{"name": "lookup_order", "arguments": {"id": "Z-9"}}]},
    {"contains": "phone", "content": "You can reach him at 0170 forbidden"},
    {"contains": "fail", "error": {"kind": "auth"}},
    {"contains": "wait", "content": "slow", "latency_ms": 600000},
    {"contains": "write", "content": " ".join(["word"] * 5000), "inter_chunk_ms": 20},
    {"contains": "", "content": "You said {{message}}"},
]
PACK = {
    "id": NAME,
    "name": "Careful",
    "version": "1.0.0",
    "template_engine": {"version": "v1", "syntax": "{{variable}}"},
    "prompts": {
        NAME: {
            "id": NAME,
            "name": "Careful",
            "version": "1.0.0",
            "system_template": "You are careful.",
            "tools": ["lookup_order"],
            "validators": [
                {
                    "type": "banned_words",
                    "message": "I cannot share phone numbers.",
                    "params": {"words": ["forbidden"]},
                }
            ],
        }
    },
    "tools": {
        "lookup_order": {
            "name": "lookup_order",
            "description": "Looks up an order.",
            "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
        }
    },
}


def manifests() -> str:
    """Return the agent and what it refers to."""
    scenarios = {"default": {"matches": ANSWERS}}
    tool = {
        "name": "orders",
        "type": "http",
        "tool": {
            "name": "lookup_order",
            "description": "Looks up an order.",
            "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
        },
        # Nothing listens there.
        "httpConfig": {"endpoint": f"http://127.0.0.1:{free_port()}/", "method": "POST"},
    }
    specs: list[tuple[str, str, dict[str, Any]]] = [
        ("Provider", "model", {"type": "mock", "mock": {"responses": {"scenarios": scenarios}}}),
        ("ToolRegistry", "tools", {"handlers": [tool]}),
        (
            "PromptPack",
            "pack",
            {
                "version": "1.0.0",
                "source": {"type": "configmap", "configMapRef": {"name": "content"}},
            },
        ),
        (
            "AgentRuntime",
            NAME,
            {
                "promptPackRef": {"name": "pack"},
                "providers": [{"name": "default", "providerRef": {"name": "model"}}],
                "toolRegistryRef": {"name": "tools"},
                "facade": {"type": "websocket", "port": free_port()},
            },
        ),
    ]
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "omnia.altairalabs.ai/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        for kind, name, spec in specs
    ]
    content = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "content"},
        "data": {"pack.json": json.dumps(PACK)},
    }
    return yaml.safe_dump_all([*objects, content])


@dataclass
class Careful:
    """The agent: its page, its processes, and what is said of them."""

    page: str
    pids: dict[str, int]
    up: Up


@contextmanager
def careful(folder: Path, *options: str) -> Iterator[Careful]:
    """Run the agent, with options of `omnia up`."""
    file = folder / "careful.yaml"
    file.write_text(manifests())
    with running_up(folder, "-f", str(file), *options) as up:
        ready = up.wait("ready", name=NAME)
        yield Careful(str(ready["console"]), ready["pids"], up)
