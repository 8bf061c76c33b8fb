"""Runs one evaluation: from the facts to its outcome."""

import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from omnia_core.errors import ConfigurationError, OmniaError
from omnia_core.files.evals.case_results import Evaluation
from omnia_core.files.evals.definitions import EvalSpec, When
from omnia_core.files.evals.rules import (
    Cost,
    Equals,
    GuardrailTriggered,
    Judged,
    LatencyLimit,
    Remote,
    Similar,
)
from omnia_core.files.validators import (
    Excludes,
    Includes,
    Json,
    Matches,
    MaxLength,
    MaxSentences,
    MinLength,
    NoPersonalData,
)
from omnia_core.names import EvalOutcome
from omnia_core.patterns import compile_pattern, finds
from omnia_runtime.evals import calls, limits, remote
from omnia_runtime.evals.facts import Facts
from omnia_runtime.evals.judge import judge
from omnia_runtime.evals.score import Score, Unmeasurable
from omnia_runtime.evals.similar import Embedder, compare
from omnia_runtime.evals.texts import measure_of
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatModel, ProviderError

_ALWAYS = When()
_TEXT_RULES = (
    Equals,
    Excludes,
    Includes,
    Json,
    Matches,
    MaxLength,
    MaxSentences,
    MinLength,
    NoPersonalData,
)


class External(Struct, frozen=True):
    """The servers and models that evaluations may call besides judges.

    Attributes:
        http: for other servers.
        embedder: returns the embedding model of a Provider, None if there is no such Provider.
    """

    http: HTTPClient
    embedder: Callable[[str], Embedder | None]


async def evaluate(
    spec: EvalSpec,
    facts: Facts,
    judges: Mapping[str, ChatModel],
    external: External | None = None,
    *,
    raise_transient: bool = False,
) -> Evaluation:
    """Run an evaluation; whatever goes wrong is its outcome.

    Args:
        spec: what to run.
        facts: what it looks at.
        judges: models by the name of their Provider.
        external: None in a program that asks no other servers.
        raise_transient: whether what may pass is raised, and not an outcome.

    Raises:
        ProviderError, TimeoutError: the judge, or another server, is away; see `raise_transient`.
    """
    started = time.perf_counter()
    score, outcome, error = None, EvalOutcome.SKIPPED, not_met(spec.when, facts)
    if not error:
        try:
            score = await _measure(spec, facts, judges, external)
            outcome = spec.requirement.outcome(score.value, passed=score.passed)
        except Unmeasurable as missing:
            error = str(missing)
        except OmniaError as failed:
            if raise_transient and isinstance(failed, ProviderError) and failed.retryable:
                raise
            outcome, error = EvalOutcome.ERROR, failed.message
        except TimeoutError:
            if raise_transient:
                raise
            outcome, error = EvalOutcome.ERROR, "the judge took too long"
    return Evaluation(
        id=spec.id,
        type=spec.type,
        turn=0 if spec.session else facts.turn,
        outcome=outcome,
        score=score.value if score else None,
        explanation=score.explanation if score else "",
        error=error,
        threshold=str(spec.requirement),
        duration_ms=(time.perf_counter() - started) * 1000,
    )


def not_met(when: When, facts: Facts) -> str:
    """Return which condition of `when` a turn does not meet; "" if it meets all."""
    if when == _ALWAYS:
        return ""
    names = [each.name for each in facts.calls_of(session=False)]
    if when.tool_called and when.tool_called not in names:
        return f"{when.tool_called} was not called"
    if when.tool_called_pattern:
        pattern = compile_pattern(when.tool_called_pattern)
        if not any(finds(pattern, name) for name in names):
            return f"no tool was called that matches {when.tool_called_pattern}"
    if len(names) < max(when.min_tool_calls, int(when.any_tool_called)):
        return f"{len(names)} tools were called"
    return ""


def _wants(rule: object) -> bool:
    return rule.expected if isinstance(rule, Matches) else isinstance(rule, Includes | Equals)


async def _measure(
    spec: EvalSpec, facts: Facts, judges: Mapping[str, ChatModel], external: External | None
) -> Score:
    rule = spec.rule
    match rule:
        case Judged():
            model = judges.get(rule.judge)
            if model is None:
                there = ", ".join(judges) or "none"
                raise ConfigurationError(
                    f'the agent has no usable provider named "{rule.judge}" to judge: add it to'
                    f" spec.providers; usable: {there}"
                )
            return await judge(rule, facts, model)
        case Similar() | Remote():
            return await _external(rule, facts, external)
        case Cost() | LatencyLimit() | GuardrailTriggered():
            return limits.measure(rule, facts)
        case _ if isinstance(rule, _TEXT_RULES):
            measure = measure_of(rule)
            scores = [measure(text) for text in facts.answers(session=spec.session)]
            if not scores:
                raise Unmeasurable("there is no answer")
            # Required texts may be in any answer; forbidden texts must be in no answer.
            choose = max if _wants(rule) else min
            return choose(scores, key=lambda each: each.value)
        case _:
            return calls.measure(rule, facts.calls_of(session=spec.session))


async def _external(rule: Similar | Remote, facts: Facts, external: External | None) -> Score:
    if external is None:
        raise ConfigurationError("this program asks no other servers")
    if isinstance(rule, Remote):
        return await remote.ask(rule, facts, external.http)
    embedder = external.embedder(rule.provider)
    if embedder is None:
        raise ConfigurationError(
            f'the agent has no provider named "{rule.provider}": add one whose model makes'
            " embeddings to spec.providers"
        )
    return await compare(rule, facts, embedder)
