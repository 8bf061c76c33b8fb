"""The configuration of the agent and its prompt with values, as messages for its developers."""

from collections.abc import Iterator, Mapping

from omnia_core.errors import Code, OmniaError, abridged
from omnia_core.files.pack import PromptVariable
from omnia_core.files.pack.composed import composed
from omnia_core.jsonvalue import json_bytes
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.agent.tokens import estimate_text
from omnia_runtime.configuration.loader import Configuration
from omnia_runtime.prompts.pack_versions import PackVersions
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.turns.agent_version import AgentVersion


def describe_agent(
    configuration: Configuration, broken: Mapping[str, bool]
) -> pb.DescribeAgentResponse:
    """Return the configuration of the stable version, without keys, addresses and headers.

    `broken`: whether the circuit breaker of a handler is open, by its name.
    """
    agent = configuration.versions.stable
    window = agent.context.window
    return pb.DescribeAgentResponse(
        pack=agent.pack_id,
        versions=_versions(configuration.versions),
        variables=map(_variable, agent.prompt.variables.values()),
        tools=_tools(agent, configuration.handler_types, broken),
        template=agent.prompt.template.source,
        providers=_providers(configuration),
        window_tokens=window.tokens if window else 0,
        window_strategy=window.strategy if window else "",
        validators=agent.validators.types,
        evals=[spec.id for spec in agent.evals],
    )


def compose_prompt(
    versions: PackVersions[AgentVersion], request: pb.ComposePromptRequest
) -> pb.ComposePromptResponse:
    """Return the system prompt as a turn with these variables would have it.

    Raises:
        OmniaError: there is no such version.
    """
    version = request.version or versions.placement.stable
    agent = versions.packs.get(version)
    if agent is None:
        there = ", ".join(versions.packs)
        raise OmniaError(
            Code.INVALID_ARGUMENT,
            f'there is no version "{abridged(version)}" of the pack; there are: {there}',
        )
    made = composed(agent.prompt, agent.prompt.declared(request.variables))
    return pb.ComposePromptResponse(
        version=version,
        pieces=[pb.PromptPiece(text=each.text, variable=each.variable) for each in made.pieces],
        tokens=agent.context.calibration.to_count(estimate_text(made.text)),
        tools=[tool.name for tool in agent.offer.tools],
        missing=[each.name for each in made.variables if each.problem and each.value is None],
        problems=made.problems,
    )


def _versions(versions: PackVersions[AgentVersion]) -> Iterator[pb.PackVersion]:
    """Yield the versions that new sessions get, the stable one first."""
    placement = versions.placement
    candidate = placement.candidate if placement.candidate in versions.packs else ""
    weight = placement.weight if candidate else 0
    yield _version(placement.stable, 100 - weight, versions.stable)
    if candidate:
        yield _version(candidate, weight, versions.packs[candidate])


def _version(version: str, weight: int, agent: AgentVersion) -> pb.PackVersion:
    template = agent.prompt.template.source
    return pb.PackVersion(version=version, weight=weight, template=template)


def _variable(variable: PromptVariable) -> pb.PromptVariable:
    allowed = variable.validation.enum if variable.validation else None
    return pb.PromptVariable(
        name=variable.name,
        type=variable.type,
        description=variable.description,
        required=variable.required,
        default_json="" if variable.default is None else _json(variable.default),
        enum_json=map(_json, allowed or ()),
    )


def _tools(
    agent: AgentVersion, types: Mapping[str, str], broken: Mapping[str, bool]
) -> Iterator[pb.OfferedTool]:
    for tool in agent.offer.tools:
        handler = agent.tools.handler_of(tool.name)
        yield pb.OfferedTool(
            name=tool.name,
            description=tool.description,
            input_schema_json=_json(tool.input_schema),
            execution=(pb.TOOL_EXECUTION_CLIENT if tool.on_client else pb.TOOL_EXECUTION_SERVER),
            handler=handler,
            type=types.get(handler, ""),
            unreachable=broken.get(handler, False),
        )


def _providers(configuration: Configuration) -> Iterator[pb.ModelProvider]:
    key = configuration.versions.stable.prompt.prompt.provider
    for config in configuration.models.chained(None if key in ("", "default") else key):
        prices = prices_of(config)
        yield pb.ModelProvider(
            name=config.name,
            type=config.type,
            model=config.model,
            input_usd=prices.input,
            output_usd=prices.output,
        )


def _json(value: object) -> str:
    return json_bytes(value).decode()
