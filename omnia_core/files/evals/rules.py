"""What an evaluation measures: parsed parameters, a type for each kind.

Those of texts are the rules of validators (`omnia_core.files.validators`).
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from omnia_core.files.validators import Rule


class Equals(Struct, frozen=True):
    """The answer is this text, without the white space around it."""

    text: str
    ignore_case: bool = False


class ToolsCalled(Struct, frozen=True):
    """Each of these tools was called without an error, from `least` to `most` times."""

    tools: tuple[str, ...]
    least: int = 1
    most: int | None = None


class ToolsNotCalled(Struct, frozen=True):
    """None of these tools was called."""

    tools: tuple[str, ...]


class CallCount(Struct, frozen=True):
    """The number of calls of a tool, or of all tools for ""."""

    tool: str
    least: int
    most: int | None


class CallSequence(Struct, frozen=True):
    """The tools were called in this order; others may come between."""

    tools: tuple[str, ...]


class CallArguments(Struct, frozen=True):
    """Calls of a tool have these arguments: one of them (`every` is False), or all.

    Attributes:
        expected: values by argument; None: the argument is there.
        patterns: RE2 patterns by argument, for its text.
    """

    tool: str
    expected: Mapping[str, Any]
    patterns: Mapping[str, str]
    every: bool


class CallResult(Struct, frozen=True):
    """The results of a tool contain these texts, or match the pattern, at least so many times."""

    tool: str
    texts: tuple[str, ...]
    pattern: str
    occurrence: int


class CallsRepeated(Struct, frozen=True):
    """No tool of these, or none at all for (), is called more than `most` times in a row."""

    tools: tuple[str, ...]
    most: int


class CallErrors(Struct, frozen=True):
    """The share of calls of these tools, or of all for (), that did not fail."""

    tools: tuple[str, ...]


class Cost(Struct, frozen=True):
    """Limits of money and tokens."""

    usd: float | None
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None


class LatencyLimit(Struct, frozen=True):
    """The answer took at most so many milliseconds."""

    milliseconds: float


class GuardrailTriggered(Struct, frozen=True):
    """A validator blocked the answer, or did not."""

    validator: str
    expected: bool


JudgedContent: TypeAlias = Literal["answer", "session", "tool_calls"]


class Judged(Struct, frozen=True):
    """A model judges.

    Attributes:
        criteria: what it looks for.
        rubric: how it grades; "" for none.
        judge: the name of the Provider.
        content: what it is shown.
        tools: of `tool_calls`, the tools whose calls it is shown; all for ().
        system_prompt: instead of the usual one; "" for none.
        contexts: texts that the answer is compared with.
        question: instead of the user's last message; "" for none.
        reference: the answer that was expected; "" for none.
    """

    criteria: str
    rubric: str = ""
    judge: str = "judge"
    content: JudgedContent = "answer"
    tools: tuple[str, ...] = ()
    system_prompt: str = ""
    contexts: tuple[str, ...] = ()
    question: str = ""
    reference: str = ""


class Similar(Struct, frozen=True):
    """The answer means the same as one of these texts: by the cosine of their embeddings.

    Attributes:
        provider: the name of the Provider of an embedding model.
        least: the similarity that is enough; None to only measure it.
    """

    references: tuple[str, ...]
    provider: str = "embeddings"
    least: float | None = None


class Remote(Struct, frozen=True):
    """Another server judges, over HTTP.

    Attributes:
        seconds: how long it may take.
        criteria: what it is told to look for; "" for nothing.
        extra: sent as it is.
        messages: whether it is sent the messages of the session up to the turn.
        calls: whether it is sent the tool calls.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    seconds: float = 30.0
    criteria: str = ""
    extra: Mapping[str, Any] = {}
    messages: bool = True
    calls: bool = False


EvalRule: TypeAlias = (
    Rule
    | Equals
    | ToolsCalled
    | ToolsNotCalled
    | CallCount
    | CallSequence
    | CallArguments
    | CallResult
    | CallsRepeated
    | CallErrors
    | Cost
    | LatencyLimit
    | GuardrailTriggered
    | Judged
    | Similar
    | Remote
)
