"""One call of a function: input in, the model's text out, nothing remembered."""

import time
from collections.abc import Mapping
from contextlib import aclosing

from msgspec import Struct

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Message
from omnia_runtime.agent.events import TurnFinished
from omnia_runtime.agent.loop import run_turn
from omnia_runtime.metrics import Metrics
from omnia_runtime.prompts.prompt import input_values
from omnia_runtime.providers.port import Usage
from omnia_runtime.reload import Live


class Invoked(Struct, frozen=True):
    """The answer of a function; `output` is the text as the model gave it."""

    output: str
    usage: Usage
    duration_ms: int


class Invocations:
    """Runs function calls."""

    def __init__(self, live: Live, metrics: Metrics) -> None:
        self._live = live
        self._metrics = metrics

    async def run(self, input_json: str, metadata: Mapping[str, str]) -> Invoked:
        """Run a call.

        Raises:
            OmniaError: INVALID_ARGUMENT when the input is at fault, else the call failed.
        """
        began, status = time.monotonic(), "error"
        try:
            finished = await self._run(input_json, metadata)
            status = "success"
        finally:
            took = time.monotonic() - began
            self._metrics.turn_ended(status, took)
        return Invoked(finished.text, finished.usage, round(took * 1000))

    async def _run(self, input_json: str, metadata: Mapping[str, str]) -> TurnFinished:
        use = self._live.current
        system = use.prompt.render(input_values(input_json))
        messages = [Message("user", input_json)]
        request = use.request(system, messages, metadata)
        async with aclosing(
            run_turn(use.model, use.tools, request, messages, use.limits)
        ) as events:
            async for event in events:
                if isinstance(event, TurnFinished):
                    return event
        raise OmniaError(Code.INTERNAL, "the call ended without an answer")
