"""Builds the configuration of the agent from the mounted files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import Pack
from omnia_core.files.pack.compiled import CompiledPrompt, compile_prompt
from omnia_core.files.pack.prompt import Prompt
from omnia_core.files.reading import decode_json, read_text
from omnia_core.files.validators import parse_validators
from omnia_core.names import Mode, Variant
from omnia_runtime.agent.context_window import context_window
from omnia_runtime.agent.request_builder import ModelContext
from omnia_runtime.agent.session_name import NameLimits
from omnia_runtime.configuration.trials import Trials
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ChatModel
from omnia_runtime.prompts.offer import ToolOffer, offer_tools
from omnia_runtime.prompts.pack_versions import PackVersions, pack_files, read_packs
from omnia_runtime.providers.fitting import omitted_tools
from omnia_runtime.providers.models import Models, open_models
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.tools.routes import ToolRoute, route_tools
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.agent_version import AgentVersion, CallRate, StructuredOutput
from omnia_runtime.turns.naming import NamingTerms
from omnia_runtime.validators import compile_validators

if TYPE_CHECKING:
    from omnia_core.files.evals import EvalSpec

_log = structlog.get_logger()


class Configuration(Struct, frozen=True):
    """The agent, in each version of its PromptPack that is in use.

    Attributes:
        handler_types: the type of each tool handler, by its name.
        trials: None where sessions try nothing out.
    """

    versions: PackVersions[AgentVersion]
    models: Models
    handler_types: Mapping[str, str] = {}
    trials: Trials | None = None


class Loader:
    """Reads the mounted files."""

    def __init__(
        self,
        env: RuntimeEnv,
        client: HTTPClient,
        sources: ToolSources,
        metrics: RuntimeMetrics,
        replaced: Callable[[Mapping[str, ToolRoute]], Mapping[str, ToolRoute]] = lambda own: own,
    ) -> None:
        """Prepare; `replaced` returns the tools that are used in place of those of the servers."""
        self._env = env
        self._client = client
        self._sources = sources
        self._metrics = metrics
        self._replaced = replaced

    def load(self) -> Configuration:
        """Read every file.

        Raises:
            ConfigurationError: a file is invalid; the message names the file and the problem.
        """
        env = self._env
        packs = read_packs(env.promptpack_path)
        models = open_models(env.providers_path, env.provider_api_keys, self._client, self._metrics)
        opened = self._sources.open(env.tools_path)
        routes, problems = route_tools(opened.sources)
        builder = _AgentBuilder(
            env, self._read_function(), models, self._replaced(routes), self._metrics
        )
        versions = packs.map(builder.build)
        trials = Trials(packs, env.prompt_name, builder.build) if env.trial else None
        _warn([*opened.problems, *problems, *versions.problems, *builder.warnings])
        return Configuration(versions, models, opened.types, trials)

    def paths(self, configuration: Configuration) -> list[Path]:
        """Return the files that a configuration was read from."""
        env = self._env
        paths = [*pack_files(env.promptpack_path), Path(env.tools_path)]
        if env.mode is Mode.FUNCTION:
            paths.append(Path(env.function_path))
        return paths + configuration.models.paths

    def _read_function(self) -> FunctionFile | None:
        if self._env.mode is not Mode.FUNCTION:
            return None
        path = self._env.function_path
        return decode_json(read_text(path), FunctionFile, path)


class _AgentBuilder:
    """Builds versions of the agent.

    Attributes:
        warnings: what the versions built so far leave out.
    """

    def __init__(
        self,
        env: RuntimeEnv,
        function: FunctionFile | None,
        models: Models,
        routes: Mapping[str, ToolRoute],
        metrics: RuntimeMetrics,
    ) -> None:
        self.warnings: list[str] = []
        self._env = env
        self._prompt_name = env.prompt_name
        self._max_result = env.tools_max_result_characters
        self._function = function
        self._models = models
        self._routes = routes
        self._metrics = metrics

    def build(self, pack: Pack) -> AgentVersion:
        """Build the version of a pack.

        Raises:
            ConfigurationError: the pack is invalid; the message names the place and the problem.
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
        self.warnings += _find_omissions(pack, offered)
        for config in self._models.chained(role):
            self.warnings += omitted_tools(config, offered.tools)
        tools = [tool.name for tool in offered.tools]
        return AgentVersion(
            version=pack.version,
            pack_id=pack.id,
            prompt=prompt,
            model=self._models.chain(role),
            offer=offered,
            tools=ToolManager(self._routes, tools, self._metrics, self._max_result),
            validators=compile_validators(checks),
            context=ModelContext(context_window(provider.defaults, prompt.parameters.max_tokens)),
            metrics=self._metrics,
            rate=None if per_minute is None else CallRate(per_minute),
            output=StructuredOutput(function) if function else None,
            naming=self._naming(role),
            evals=self._evals(pack, prompt.prompt) if self._env.evals_enabled else (),
            variant="" if self._env.variant is Variant.STABLE else str(self._env.variant),
        )

    def _naming(self, role: str | None) -> NamingTerms | None:
        env = self._env
        if not env.session_naming or self._function:
            return None
        named = env.session_naming_provider
        model: ChatModel | None = None
        try:
            model = self._models.chain(named or role)
        except ConfigurationError as error:
            self.warnings.append(
                f"sessions get their first words as a name, no model makes it: {error.message}"
            )
        limits = NameLimits(env.session_naming_max_words, env.session_naming_max_length)
        return NamingTerms(model, env.session_naming_every_turns, limits)

    def _evals(self, pack: Pack, prompt: Prompt) -> "Sequence[EvalSpec]":
        """Return the evaluations of turns that need no model and no other server."""
        # Imported where conversations are evaluated, to save the memory of the other pods.
        from omnia_core.files.evals import evals_of, read_evals  # noqa: PLC0415 - as above
        from omnia_core.files.evals.metrics import metric_problems  # noqa: PLC0415 - as above

        declared = evals_of(pack, prompt)
        specs, problems = read_evals(declared)
        self.warnings += [f'pack "{pack.id}" {pack.version}: {each}' for each in problems]
        self.warnings += [
            f'pack "{pack.id}" {pack.version}: {problem}; it is not exported'
            for _, problem in metric_problems(declared)
        ]
        return tuple(spec for spec in specs if not (spec.extended or spec.session))

    def _offer(self, pack: Pack, prompt: CompiledPrompt) -> ToolOffer:
        specs = {
            name: route.spec
            for name, route in self._routes.items()
            # A blocklist names the tool itself, whatever name it is offered under.
            if route.tool not in prompt.policy.blocklist
            # A function has no client that could execute client tools.
            and not (self._function and route.spec.on_client)
        }
        return offer_tools(pack, prompt.prompt, specs)


def _find_omissions(pack: Pack, offered: ToolOffer) -> Iterable[str]:
    for name in offered.missing:
        yield f'the tool "{name}" that the prompt lists has no handler and is not offered'
    for ignored in pack.not_applied():
        yield f'pack "{pack.id}" {pack.version}: {ignored}'


def _warn(problems: Iterable[str]) -> None:
    for problem in dict.fromkeys(problems):
        _log.warning(problem)
