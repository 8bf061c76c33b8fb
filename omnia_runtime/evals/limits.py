"""Evaluations of what a turn cost and how long it took."""

from omnia_core.files.evals.rules import Cost, GuardrailTriggered, LatencyLimit
from omnia_runtime.evals.facts import Facts
from omnia_runtime.evals.score import Score, Unmeasurable, right


def measure(rule: Cost | LatencyLimit | GuardrailTriggered, facts: Facts) -> Score:
    """Measure a turn.

    Raises:
        Unmeasurable: what the rule is about is not known.
    """
    match rule:
        case Cost():
            return _cost(rule, facts)
        case LatencyLimit():
            if facts.latency_ms is None:
                raise Unmeasurable("the duration of the turn is not recorded")
            within = facts.latency_ms <= rule.milliseconds
            value = 1.0 if within else rule.milliseconds / facts.latency_ms
            return Score(value, within, "" if within else f"it took {facts.latency_ms:.0f} ms")
        case GuardrailTriggered():
            if facts.blocked is None:
                raise Unmeasurable("what the validators blocked is not recorded")
            triggered = facts.blocked == rule.validator
            said = "blocked the answer" if triggered else "did not block the answer"
            return right(triggered is rule.expected, f"{rule.validator} {said}")


def _cost(rule: Cost, facts: Facts) -> Score:
    usage = facts.usage
    if usage is None:
        raise Unmeasurable("the cost of the turn is not recorded")
    total = usage.input_tokens + usage.output_tokens
    limits = (
        ("usd", rule.usd, usage.cost_usd),
        ("input tokens", rule.input_tokens, usage.input_tokens),
        ("output tokens", rule.output_tokens, usage.output_tokens),
        ("tokens", rule.total_tokens, total),
    )
    over = [
        f"{found:g} {unit} of {limit:g}"
        for unit, limit, found in limits
        if limit is not None and found > limit
    ]
    return right(not over, ", ".join(over))
