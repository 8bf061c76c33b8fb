"""One version of the agent: a prompt, compiled, with the model and the tools that it uses."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from omnia_core.sessions import Message
from omnia_runtime.agent.limits import Limits
from omnia_runtime.ports.model import ChatModel, ChatRequest
from omnia_runtime.prompts.offer import Offer
from omnia_runtime.prompts.prompt import CompiledPrompt
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.turns.asking import Context
from omnia_runtime.turns.bound_tools import CallRate
from omnia_runtime.turns.structured import StructuredOutput
from omnia_runtime.validators import Validators


class AgentVersion(Struct, frozen=True):
    """Everything that a turn needs beside its session.

    Attributes:
        version: that of the PromptPack.
        output: the shape of the answer, in function mode.
        pack_id: that of the PromptPack.
    """

    version: str
    prompt: CompiledPrompt
    model: ChatModel
    offer: Offer
    tools: ToolManager
    validators: Validators
    context: Context
    rate: CallRate | None
    output: StructuredOutput | None
    pack_id: str = ""

    @property
    def limits(self) -> Limits:
        """How much a turn may do with tools."""
        policy = self.prompt.policy
        return Limits(
            max(policy.max_rounds, 0),
            max(policy.max_tool_calls_per_turn, 0),
            policy.max_parallel_tool_calls,
            policy.max_identical_tool_calls,
            policy.max_cost_usd,
            policy.max_total_tokens,
            frozenset(policy.stop_on_tool),
        )

    def request(
        self, system: str, messages: Sequence[Message], metadata: Mapping[str, str]
    ) -> ChatRequest:
        """Return the first call of a turn."""
        policy = self.prompt.policy
        return ChatRequest(
            system,
            messages,
            () if policy.tool_choice == "none" else self.offer.tools,
            policy.tool_choice,
            self.prompt.parameters,
            metadata,
            self.output.schema if self.output else None,
        )
