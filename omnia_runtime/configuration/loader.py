"""What the mounted files say, as one value that a turn keeps from its beginning to its end."""

from collections.abc import Iterable
from pathlib import Path

import structlog
from msgspec import Struct

from omnia_core.env import RuntimeEnv
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import Pack
from omnia_core.files.reading import decode_json, read_text
from omnia_core.files.validators import parse_validators
from omnia_core.names import Mode
from omnia_runtime.agent.context_window import window_of
from omnia_runtime.agent.request_builder import Context
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import Metrics
from omnia_runtime.prompts.offer import Offer, offer
from omnia_runtime.prompts.pack_versions import PackVersions, pack_files, read_packs
from omnia_runtime.prompts.prompt import CompiledPrompt, compile_prompt
from omnia_runtime.providers.choose import Models, open_models
from omnia_runtime.tools.manager import Route, ToolManager, route_tools
from omnia_runtime.tools.sources import Sources
from omnia_runtime.turns.agent_version import AgentVersion, CallRate
from omnia_runtime.turns.structured import StructuredOutput
from omnia_runtime.validators import compile_validators

_log = structlog.get_logger()


class Configuration(Struct, frozen=True):
    """The agent, in each version of its PromptPack that is in use."""

    versions: PackVersions[AgentVersion]
    models: Models

    def for_session(self, session_id: str, begun_with: str) -> AgentVersion:
        """Return the version that answers a session; `begun_with` is "" for a new one."""
        return self.versions.packs[self.versions.version_for(session_id, begun_with)]


class Loader:
    """Reads the mounted files."""

    def __init__(
        self, env: RuntimeEnv, client: HTTPClient, sources: Sources, metrics: Metrics
    ) -> None:
        self._env = env
        self._client = client
        self._sources = sources
        self._metrics = metrics

    def load(self) -> Configuration:
        """Read every file.

        Raises:
            ConfigurationError: names the file and its fault.
        """
        env = self._env
        packs = read_packs(env.promptpack_path)
        models = open_models(env.providers_path, env.provider_api_keys, self._client, self._metrics)
        opened = self._sources.open(env.tools_path)
        routes, problems = route_tools(opened.sources)
        built = _Built(env.prompt_name, self._function(), models, routes, self._metrics)
        versions = packs.built(built.version)
        _warn([*opened.problems, *problems, *versions.problems, *built.warnings])
        return Configuration(versions, models)

    def paths(self, configuration: Configuration) -> list[Path]:
        """Return the files that a configuration was read from."""
        env = self._env
        paths = [*pack_files(env.promptpack_path), Path(env.tools_path)]
        if env.mode is Mode.FUNCTION:
            paths.append(Path(env.function_path))
        return paths + configuration.models.paths

    def _function(self) -> FunctionFile | None:
        if self._env.mode is not Mode.FUNCTION:
            return None
        path = self._env.function_path
        return decode_json(read_text(path), FunctionFile, path)


class _Built:
    """Builds versions of the agent.

    Attributes:
        warnings: what is left out of them.
    """

    def __init__(
        self,
        prompt_name: str,
        function: FunctionFile | None,
        models: Models,
        routes: dict[str, Route],
        metrics: Metrics,
    ) -> None:
        self.warnings: list[str] = []
        self._prompt_name = prompt_name
        self._function = function
        self._models = models
        self._routes = routes
        self._metrics = metrics

    def version(self, pack: Pack) -> AgentVersion:
        """Build the version of a pack.

        Raises:
            ConfigurationError: names the pack's fault and its place.
        """
        function, key = self._function, pack.prompt(self._prompt_name).provider
        role = None if key in ("", "default") else key
        provider = self._models.config(role)
        prompt = compile_prompt(pack, self._prompt_name, function, provider.model)
        offered = self._offer(pack, prompt)
        checks = parse_validators(
            prompt.prompt.validators, f'pack "{pack.id}": prompts.{prompt.prompt.id}.validators'
        )
        per_minute = prompt.policy.max_calls_per_minute
        self.warnings += _left_out(pack, offered)
        return AgentVersion(
            pack.version,
            prompt,
            self._models.chain(role),
            offered,
            ToolManager(self._routes, [tool.name for tool in offered.tools], self._metrics),
            compile_validators(checks),
            Context(window_of(provider.defaults, prompt.parameters.max_tokens)),
            None if per_minute is None else CallRate(per_minute),
            StructuredOutput(function) if function else None,
            pack.id,
        )

    def _offer(self, pack: Pack, prompt: CompiledPrompt) -> Offer:
        specs = {
            name: route.spec
            for name, route in self._routes.items()
            # a tool is blocked under its own name, whatever it is offered as
            if route.tool not in prompt.policy.blocklist
            # nobody is there to execute what a client would
            and not (self._function and route.spec.on_client)
        }
        return offer(pack, prompt.prompt, specs)


def _left_out(pack: Pack, offered: Offer) -> Iterable[str]:
    for name in offered.missing:
        yield f'the tool "{name}" that the prompt lists has no handler and is not offered'
    for ignored in pack.not_applied():
        yield f'pack "{pack.id}" {pack.version}: {ignored}'


def _warn(problems: Iterable[str]) -> None:
    for problem in dict.fromkeys(problems):
        _log.warning(problem)
