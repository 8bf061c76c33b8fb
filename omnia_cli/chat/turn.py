"""What happens in one turn and when, by its frames."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from omnia_core.jsonvalue import JsonObject, json_bytes

MODEL = "model"
TOOL = "tool"
# Characters of the value of an argument that are shown.
_LONGEST_VALUE = 60


@dataclass
class Step:
    """A part of a turn; times in seconds since its beginning, `ended` None while it runs.

    Attributes:
        kind: MODEL or TOOL.
        outcome: "" while it runs; "done", or why it failed.
    """

    kind: str
    name: str
    began: float
    ended: float | None = None
    outcome: str = ""
    failed: bool = False
    arguments: object = None
    result: object = None


@dataclass
class Turn:
    """One turn, from the message to its end.

    Attributes:
        text: what was streamed.
        first_word: seconds until the first text; None before.
    """

    model: str
    message: str = ""
    clock: Callable[[], float] = time.monotonic
    steps: list[Step] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    first_word: float | None = None
    done: JsonObject | None = None
    _began: float = 0.0
    _took: float | None = None
    _tools: dict[str, Step] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = self.clock()
        self.steps.append(Step(MODEL, self.model, 0.0))

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def seconds(self) -> float:
        """Time since the beginning; how long it took, once it has ended."""
        return self.clock() - self._began if self._took is None else self._took

    @property
    def running(self) -> Step | None:
        """The step that began last and runs."""
        return next((step for step in reversed(self.steps) if step.ended is None), None)

    def take(self, frame: JsonObject) -> None:
        """Note a frame of the turn."""
        match frame["type"]:
            case "chunk":
                if self.first_word is None:
                    self.first_word = self.seconds
                self.pieces.append(str(frame["content"]))
            case "tool_call":
                self._begin_tool(frame["tool_call"])
            case "tool_result":
                self._end_tool(frame["tool_result"])
            case "done":
                self.done = frame
                self._finish()
            case "error":
                self._finish()
            case _:
                pass

    def tool(self, call_id: str) -> Step | None:
        """Return the step of a tool call."""
        return self._tools.get(call_id)

    def _begin_tool(self, call: JsonObject) -> None:
        self._end(step for step in self.steps if step.kind == MODEL)
        step = Step(TOOL, str(call["name"]), self.seconds, arguments=call.get("arguments"))
        self.steps.append(step)
        self._tools[str(call["id"])] = step

    def _end_tool(self, result: JsonObject) -> None:
        step = self._tools.get(str(result["id"]))
        if step is None:
            return
        step.ended = self.seconds
        step.failed = "error" in result
        step.outcome = str(result["error"]) if step.failed else "done"
        step.result = result.get("result")
        if self.running is None:
            self.steps.append(Step(MODEL, self.model, self.seconds))

    def _finish(self) -> None:
        self._end(self.steps)
        self._took = self.seconds

    def _end(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if step.ended is None:
                step.ended = self.seconds
                step.outcome = step.outcome or "done"


def facts(turn: Turn) -> str:
    """Return times, tokens and cost of an answer, on one line."""
    done = turn.done or {}
    times = f"{turn.seconds:.1f} s"
    if turn.first_word is not None:
        times += f", first word {turn.first_word:.1f} s"
    return " · ".join([times, *usage_facts(done, "{input_tokens:,} + {output_tokens:,} tokens")])


def usage_facts(done: JsonObject, tokens: str) -> Iterator[str]:
    """Yield tokens, cost, the version of the PromptPack and a remarkable end of an answer.

    `tokens` is a format for input_tokens and output_tokens.
    """
    usage = done.get("usage") or {}
    known = {"input_tokens": 0, "output_tokens": 0, **usage}
    if known["input_tokens"] or known["output_tokens"]:
        yield tokens.format(**known)
        if cost := dollars(known.get("cost_usd") or 0):
            yield cost
    elif done.get("finish_reason") == "cancelled":
        # The model was called, and it did not report the cost.
        yield "cost not known"
    if version := done.get("pack_version"):
        yield f"prompt {version}"
    if (reason := done.get("finish_reason")) not in (None, "", "stop"):
        yield str(reason)


def dollars(cost: float) -> str:
    """Return an amount with two significant digits at least; "" for nothing."""
    if cost <= 0:
        return ""
    return f"${cost:.{max(2, 1 - math.floor(math.log10(cost)))}f}"


def advice_line(error: JsonObject) -> str:
    """Return what the `error` of a frame says to a person; "" if it says nothing."""
    details = error.get("details") or {}
    return " ".join(filter(None, (details.get("title"), details.get("hint"))))


def arguments_line(arguments: object) -> str:
    """Return the arguments of a call as `name=value …`, each shortened."""
    if not isinstance(arguments, dict):
        return _short(arguments)
    return " ".join(f"{name}={_short(value)}" for name, value in arguments.items())


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json_bytes(value).decode()
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
