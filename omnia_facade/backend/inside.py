"""The configuration of an agent for its developers, without keys and addresses."""

from typing import Any

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject


class DeclaredVariable(Struct, frozen=True, omit_defaults=True):
    """A variable of the prompt, which the metadata of a message may set.

    Attributes:
        default: None without one.
        enum: the allowed values; empty: any.
    """

    name: str
    type: str
    required: bool
    description: str = ""
    default: Any = None
    enum: tuple[Any, ...] = ()


class AgentTool(Struct, frozen=True, omit_defaults=True):
    """A tool that the model is offered.

    Attributes:
        execution: "client" if the client of the conversation executes it.
        type: of its handler: http, openapi, grpc, mcp or client.
        unreachable: whether calls of its handler are refused for a while, because its last ones
            failed.
    """

    name: str
    description: str
    input_schema: JsonObject
    execution: str = ""
    handler: str = ""
    type: str = ""
    unreachable: bool = False


class PackVersion(Struct, frozen=True, omit_defaults=True):
    """A version of the PromptPack, and the percentage of new sessions that get it.

    Attributes:
        template: of its prompt, with its fragments in place; "" of a runtime that does not say.
    """

    version: str
    weight: int
    template: str = ""


class ModelProvider(Struct, frozen=True):
    """A provider; the prices are US dollars per million tokens."""

    name: str
    type: str
    model: str
    input_usd: float
    output_usd: float


class ContextLimit(Struct, frozen=True):
    """How many tokens a request may have, and what happens to more: sliding or summarize."""

    tokens: int
    then: str


class AgentInside(Struct, frozen=True):
    """The stable version of an agent.

    Attributes:
        template: of the prompt, with its fragments in place.
        providers: in the order in which they are called.
        window: None without a limit.
    """

    pack: str
    versions: tuple[PackVersion, ...]
    variables: tuple[DeclaredVariable, ...]
    tools: tuple[AgentTool, ...]
    template: str
    providers: tuple[ModelProvider, ...]
    window: ContextLimit | None
    validators: tuple[str, ...]
    evals: tuple[str, ...]


class PromptText(Struct, frozen=True, omit_defaults=True):
    """A part of a composed prompt; `variable` is the path whose value it is."""

    text: str
    variable: str = ""


class ComposedPrompt(Struct, frozen=True):
    """The system prompt as a turn would have it.

    Attributes:
        tokens: an estimate, without tools and messages.
        missing: variables without a value that is needed.
        problems: why a turn with these values would fail.
    """

    version: str
    parts: tuple[PromptText, ...]
    tokens: int
    tools: tuple[str, ...]
    missing: tuple[str, ...]
    problems: tuple[str, ...]
