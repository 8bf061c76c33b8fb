"""A whole turn of the runtime, in this process and without its gRPC server."""

import json
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.pack import PACK
from omnia_core.env import RuntimeEnv
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metered_store import MeteredSessionStore
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import DiscardingListener
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.turns.turn import Caller, UserTurn


def whole_turn(url: str, client: HTTPClient, question: str) -> Callable[[], Awaitable[int]]:
    """Return a turn: each begins a session, and returns the characters of its answer."""
    conversations = _conversations(url, client)

    async def turn() -> int:
        counting = _Counting()
        begun = UserTurn(str(uuid.uuid4()), question, (), {}, [])
        await conversations.run(begun, counting, Caller())
        return counting.characters

    return turn


class _Counting(DiscardingListener):
    """Counts what is said."""

    def __init__(self) -> None:
        self.characters = 0

    def send_text(self, text: str) -> bool:
        self.characters += len(text)
        return True


def _conversations(url: str, client: HTTPClient) -> SessionTurns:
    registry = CollectorRegistry()
    metrics = RuntimeMetrics(registry, "agent", "default")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        provider = {"name": "default", "type": "vllm", "model": "m", "baseURL": url}
        (folder / "pack.json").write_text(json.dumps(PACK))
        (folder / "providers.yaml").write_text(json.dumps({"providers": [provider]}))
        env = RuntimeEnv(
            agent_name="agent",
            promptpack_path=str(folder / "pack.json"),
            providers_path=str(folder / "providers.yaml"),
            tools_path=str(folder / "tools.yaml"),
        )
        sources = ToolSources(client, lambda: None, deny_private=env.tools_deny_private_addresses)
        live = LiveConfiguration(Loader(env, client, sources, metrics))
    store = MeteredSessionStore(MemorySessionStore(env.session_ttl), metrics)
    tracing = RuntimeTracing.of(configure_tracing(env, registry), env)
    return SessionTurns(live, store, MediaLoader(Path("media"), None), metrics, tracing)
