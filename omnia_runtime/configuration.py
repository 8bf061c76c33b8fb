"""What the mounted files say, as one value that a turn keeps from its beginning to its end."""

from collections.abc import Mapping
from pathlib import Path

import structlog
from msgspec import Struct, structs

from omnia_core.env import RuntimeEnv
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import Pack, Parameters, ToolPolicy, parse_pack
from omnia_core.files.providers import ProviderConfig
from omnia_core.files.reading import decode_json, read_text
from omnia_core.names import Mode
from omnia_core.sessions import Message
from omnia_runtime.agent.loop import Limits
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.metrics import Metrics
from omnia_runtime.prompts.offer import Offer, offer
from omnia_runtime.prompts.prompt import CompiledPrompt, compile_prompt
from omnia_runtime.providers.choose import build_model, choose_provider
from omnia_runtime.providers.metered import MeteredModel
from omnia_runtime.providers.port import ChatModel, ChatRequest, OutputSchema
from omnia_runtime.tools.handlers import open_sources
from omnia_runtime.tools.manager import ToolManager, route_tools

_log = structlog.get_logger()


class Configuration(Struct, frozen=True):
    """Everything that a turn needs beside its session."""

    prompt: CompiledPrompt
    provider: ProviderConfig
    model: ChatModel
    offer: Offer
    tools: ToolManager
    policy: ToolPolicy
    parameters: Parameters
    output: OutputSchema | None

    @property
    def limits(self) -> Limits:
        """How much a turn may do with tools."""
        return Limits(max(self.policy.max_rounds, 0), max(self.policy.max_tool_calls_per_turn, 0))

    def request(
        self, system: str, messages: list[Message], metadata: Mapping[str, str]
    ) -> ChatRequest:
        """Return the first call of a turn."""
        return ChatRequest(
            system,
            messages,
            () if self.policy.tool_choice == "none" else self.offer.tools,
            self.policy.tool_choice,
            self.parameters,
            metadata,
            self.output,
        )


class Loader:
    """Reads the mounted files."""

    def __init__(self, env: RuntimeEnv, client: HTTPClient, metrics: Metrics) -> None:
        self._env = env
        self._client = client
        self._metrics = metrics

    def load(self) -> Configuration:
        """Read every file.

        Raises:
            ConfigurationError: names the file and its fault.
        """
        env = self._env
        pack = parse_pack(read_text(env.promptpack_path), env.promptpack_path)
        function = self._function()
        prompt = compile_prompt(pack, env.prompt_name, function)
        provider = choose_provider(env.providers_path)
        model = build_model(provider, env.provider_api_keys, self._client)
        found = open_sources(env.tools_path, self._client)
        routes, problems = route_tools(found.sources)
        offered = offer(pack, prompt.prompt, {name: each.spec for name, each in routes.items()})
        _warn(pack, offered, [*found.problems, *problems])
        return Configuration(
            prompt,
            provider,
            MeteredModel(model, provider.name, provider.model, self._metrics),
            offered,
            ToolManager(routes, [tool.name for tool in offered.tools], self._metrics),
            prompt.prompt.tool_policy or ToolPolicy(),
            _parameters(prompt.prompt.parameters or Parameters(), provider),
            OutputSchema(function.name, function.output_schema) if function else None,
        )

    def paths(self, configuration: Configuration) -> list[Path]:
        """Return the files that a configuration was read from."""
        env = self._env
        paths = [env.promptpack_path, env.tools_path, env.providers_path]
        if env.mode is Mode.FUNCTION:
            paths.append(env.function_path)
        if configuration.provider.mock_responses_path:
            paths.append(configuration.provider.mock_responses_path)
        return [Path(path) for path in paths]

    def _function(self) -> FunctionFile | None:
        if self._env.mode is not Mode.FUNCTION:
            return None
        path = self._env.function_path
        return decode_json(read_text(path), FunctionFile, path)


def _warn(pack: Pack, offered: Offer, problems: list[str]) -> None:
    for problem in problems:
        _log.warning(problem)
    for name in offered.missing:
        _log.warning("a tool that the prompt lists has no handler and is not offered", tool=name)
    for ignored in pack.not_applied():
        _log.warning("the pack declares what is not applied", pack=pack.id, what=ignored)


def _parameters(own: Parameters, provider: ProviderConfig) -> Parameters:
    """The pack's parameters win over the Provider's; 0 is a value, None is none."""
    defaults = provider.defaults
    return structs.replace(
        own,
        temperature=defaults.temperature if own.temperature is None else own.temperature,
        top_p=defaults.top_p if own.top_p is None else own.top_p,
        max_tokens=defaults.max_tokens if own.max_tokens is None else own.max_tokens,
    )
