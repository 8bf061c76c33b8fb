"""An agent that is made in Python: its instructions, its model and its tools."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import structs
from prometheus_client import CollectorRegistry

from omnia_core.conversation.trial import Trial
from omnia_core.env import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import Pack
from omnia_core.files.pack.compiled import compile_prompt
from omnia_core.files.pack.document import TemplateEngine
from omnia_core.files.pack.prompt import Prompt, PromptVariable, ToolPolicy
from omnia_core.files.providers import ProviderConfig
from omnia_core.sessions import SessionStore
from omnia_runner.tools import PythonTools
from omnia_runner.tracing import LIBRARY_TRACER
from omnia_runtime.agent.context_window import context_window
from omnia_runtime.agent.request_builder import ModelContext
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.prompts.offer import offer_tools
from omnia_runtime.providers.models import build_models
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.tools.routes import route_tools
from omnia_runtime.turns.agent_version import AgentVersion, TrialInvalid
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.naming import NamingTerms
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.validators import compile_validators
from omnia_tools import Tool

MAX_STEPS = 10
_TYPES = ("claude", "gemini", "mock", "ollama", "openai", "vllm")
# Where each vendor's own client looks for its key.
_KEYS = {
    "claude": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
}
_INSTRUCTIONS = "instructions"
_PROMPT = "default"


class Agent:
    """Instructions, a model and tools. One agent serves any number of conversations at once."""

    def __init__(
        self,
        name: str,
        instructions: str,
        model: str | ProviderConfig,
        tools: Sequence[Tool | Callable[..., Any]] = (),
        *,
        api_key: str = "",
        environ: Mapping[str, str] = {},
        max_steps: int = MAX_STEPS,
        naming: bool = False,
    ) -> None:
        """Check the settings; nothing is connected yet.

        Args:
            name: for logs, metrics and traces.
            instructions: the system prompt. Braces in it are plain text.
            model: `TYPE:MODEL`, such as `openai:gpt-4.1-mini`, or all settings of a provider.
            tools: what the model may call.
            api_key: the key of the provider.
            environ: where the key is looked for when `api_key` is "", such as the program's
                environment: `OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY`.
            max_steps: the model calls of a turn that may ask for tools.
            naming: whether the model names sessions, in five words at most: in the first turn and
                in every twentieth.

        Raises:
            ConfigurationError: a setting is invalid; the message says what was expected.
        """
        if max_steps < 1:
            raise ConfigurationError(f"max_steps: expected 1 or more, found {max_steps}")
        self.name = name
        self.instructions = instructions
        self.tools = tuple(tools)
        self._client = HTTPClient()
        self._metrics = RuntimeMetrics(CollectorRegistry(), name, "")
        self._turns: WeakKeyDictionary[SessionStore, SessionTurns] = WeakKeyDictionary()
        config = model if isinstance(model, ProviderConfig) else parse_model(model)
        self._version = self._build(config, api_key or _find_key(config.type, environ), max_steps)
        if naming:
            self._version = structs.replace(self._version, naming=NamingTerms(self._version.model))

    def turns(self, store: SessionStore) -> SessionTurns:
        """Return what runs the turns of the sessions in a store."""
        turns = self._turns.get(store)
        if turns is None:
            tracing = RuntimeTracing(LIBRARY_TRACER, self.name)
            # No folder of media: they come with a message, as bytes or by a URL.
            media = MediaLoader(Path(os.devnull))
            turns = SessionTurns(_OneVersion(self._version), store, media, self._metrics, tracing)
            self._turns[store] = turns
        return turns

    async def close(self) -> None:
        """Close the connections to the model, and end what runs in the background."""
        for turns in list(self._turns.values()):
            await turns.close()
        await self._client.close()

    def _build(self, config: ProviderConfig, key: str, max_steps: int) -> AgentVersion:
        keys = {config.name.lower(): SecretStr(key)} if key else {}
        models = build_models([config], keys, self._client, self._metrics)
        routes, _ = route_tools([PythonTools(self.tools)])
        pack = _pack(self.name, self.instructions, max_steps)
        prompt = compile_prompt(pack, _PROMPT, None, config.model)
        offer = offer_tools(
            pack, prompt.prompt, {name: route.spec for name, route in routes.items()}
        )
        return AgentVersion(
            version="",
            pack_id=pack.id,
            prompt=prompt,
            model=models.chain(),
            offer=offer,
            tools=ToolManager(routes, list(routes), self._metrics),
            validators=compile_validators([]),
            context=ModelContext(context_window(config.defaults, None)),
            metrics=self._metrics,
        )


class _OneVersion:
    """An agent that is made in Python has one version."""

    def __init__(self, version: AgentVersion) -> None:
        self._version = version

    def for_session(self, session_id: str, begun_with: str) -> AgentVersion:  # noqa: ARG002
        return self._version

    def for_trial(self, session_id: str, begun_with: str, trial: Trial) -> AgentVersion:  # noqa: ARG002
        raise TrialInvalid("an agent that is made in Python has one version")


def parse_model(text: str) -> ProviderConfig:
    """Read `TYPE:MODEL`.

    Raises:
        ConfigurationError: the type is missing or unknown.
    """
    kind, colon, model = text.partition(":")
    if not colon or kind not in _TYPES:
        expected = ", ".join(_TYPES)
        raise ConfigurationError(
            f'model: expected TYPE:MODEL with one of the types {expected}, found "{text}"'
        )
    return ProviderConfig("default", kind, model)


def _find_key(kind: str, environ: Mapping[str, str]) -> str:
    return next((environ[name] for name in _KEYS.get(kind, ()) if environ.get(name)), "")


def _pack(name: str, instructions: str, max_steps: int) -> Pack:
    """Return the instructions as a PromptPack, in which their braces are plain text."""
    prompt = Prompt(
        id=_PROMPT,
        name=name,
        version="1.0.0",
        system_template=f"{{{{{_INSTRUCTIONS}}}}}",
        variables=[
            PromptVariable(name=_INSTRUCTIONS, type="string", required=False, default=instructions)
        ],
        tool_policy=ToolPolicy(max_rounds=max_steps, max_tool_calls_per_turn=10 * max_steps),
    )
    return Pack(
        id=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "agent",
        name=name,
        version="1.0.0",
        template_engine=TemplateEngine("v1", "{{variable}}"),
        prompts={_PROMPT: prompt},
    )
