"""The argument KIND/NAME, with the names that kubectl takes for a kind."""

from omnia_core.names import Kind
from omnia_operator.api import (
    AgentRuntime,
    PromptPack,
    Provider,
    RolloutAnalysis,
    SessionRetentionPolicy,
    ToolRegistry,
)

_RESOURCES = (
    AgentRuntime,
    PromptPack,
    Provider,
    RolloutAnalysis,
    SessionRetentionPolicy,
    ToolRegistry,
)


class UnknownKind(Exception):
    """The argument names no kind of ours; the message is for people."""


def kind_and_name(text: str) -> tuple[Kind, str]:
    """Return the kind and the name of `KIND/NAME`.

    Raises:
        UnknownKind: it has another form, or the kind is not known.
    """
    word, slash, name = text.partition("/")
    for resource in _RESOURCES:
        names = {resource.kind_name.lower(), resource.plural, *resource.short_names}
        if slash and name and word.lower() in names:
            return resource.kind_name, name
    known = ", ".join(resource.kind_name.lower() for resource in _RESOURCES)
    raise UnknownKind(
        f'expected KIND/NAME such as agentruntime/my-agent, found "{text}"; the kinds are {known}'
    )
