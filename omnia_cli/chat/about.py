"""What an agent tells of itself: its model, the versions of its PromptPack, example questions."""

import http
from dataclasses import dataclass

from omnia_cli.chat.agent_api import Connected, ask_agent
from omnia_cli.counted import counted
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import INLINE_VERSION


@dataclass(frozen=True)
class About:
    """An agent as a person in a terminal sees it; "" and () for what it does not show.

    Attributes:
        pack: the name of its PromptPack.
        versions: of the PromptPack, each with the percentage of new sessions that get it.
        tools: how many the model is offered; None where the agent does not tell.
        examples: questions to begin with.
        tries: whether a session may try a version out; None where the agent does not tell.
    """

    model: str = ""
    pack: str = ""
    versions: tuple[tuple[str, int], ...] = ()
    tools: int | None = None
    examples: tuple[str, ...] = ()
    tries: bool | None = None

    @property
    def inline(self) -> bool:
        """Whether its prompt stands in the AgentRuntime: there is one, without name and version."""
        return self.versions[:1] == ((INLINE_VERSION, 100),)

    @property
    def line(self) -> str:
        """Model, PromptPack and tools on one line."""
        stable = self.versions[0][0] if self.versions else ""
        pack = "" if self.inline else f"{self.pack} {stable}".strip()
        tools = counted(self.tools, "tool") if self.tools else ""
        return " · ".join(filter(None, (self.model, pack, tools)))


def about(conversation: Connected) -> About:
    """Ask the agent for what it tells of itself."""
    found = ask_agent(conversation, "GET", "/api/agent")
    return _about(found[1]) if found and found[0] == http.HTTPStatus.OK else About()


def _about(answer: JsonObject) -> About:
    inside = answer.get("inside") or {}
    provider: JsonObject = next(iter(inside.get("providers") or ()), {})
    versions = [(str(each["version"]), int(each["weight"])) for each in inside.get("versions", ())]
    return About(
        model=str(provider.get("model") or provider.get("type", "")),
        pack=str(inside.get("pack", "")),
        versions=tuple(versions),
        tools=len(inside["tools"]) if "tools" in inside else None,
        examples=tuple(map(str, answer.get("examples", ()))),
        tries="trial" in answer["capabilities"] if "capabilities" in answer else None,
    )
