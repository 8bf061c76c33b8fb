"""The metrics of a runtime."""

from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from omnia_runtime.providers.port import Usage

_TURN_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_CALL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_TOOL_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

M = TypeVar("M", Counter, Histogram)


class Metrics:
    """Counts what the runtime does; every series carries the agent and its namespace."""

    def __init__(self, registry: CollectorRegistry, agent: str, namespace: str) -> None:
        self._const = {"agent": agent, "namespace": namespace}
        self._registry = registry
        self._series: dict[tuple[object, tuple[str, ...]], Any] = {}
        self._gauge("omnia_runtime_info", "Always 1.").labels(**self._const).set(1)
        model = ("provider", "model")
        self._requests = self._counter(
            "omnia_provider_requests_total", "Calls of models.", *model, "status"
        )
        self._seconds = self._histogram(
            "omnia_provider_request_duration_seconds", "Time of a call.", _CALL_SECONDS, *model
        )
        self._input = self._counter("omnia_provider_input_tokens_total", "Tokens in.", *model)
        self._output = self._counter("omnia_provider_output_tokens_total", "Tokens out.", *model)
        self._cost = self._counter("omnia_provider_cost_total", "US dollars.", *model)
        self._tools = self._counter("omnia_tool_calls_total", "Tool calls.", "tool", "status")
        self._tool_seconds = self._histogram(
            "omnia_tool_call_duration_seconds", "Time of a tool call.", _TOOL_SECONDS, "tool"
        )
        self._turns = self._histogram(
            "omnia_pipeline_duration_seconds", "Time of a turn.", _TURN_SECONDS, "status"
        )

    def model_called(self, provider: str, model: str, status: str, seconds: float) -> None:
        """Count a call of a model: success, error or cancelled."""
        self._of(self._requests, provider, model, status).inc()
        self._of(self._seconds, provider, model).observe(seconds)

    def used(self, provider: str, model: str, usage: Usage) -> None:
        """Count what a call of a model used."""
        self._of(self._input, provider, model).inc(usage.input_tokens)
        self._of(self._output, provider, model).inc(usage.output_tokens)
        self._of(self._cost, provider, model).inc(usage.cost_usd)

    def tool_called(self, tool: str, status: str, seconds: float) -> None:
        """Count a tool call: success, invalid, error, timeout or refused."""
        self._of(self._tools, tool, status).inc()
        self._of(self._tool_seconds, tool).observe(seconds)

    def turn_ended(self, status: str, seconds: float) -> None:
        """Count a turn or an invocation: success, error or cancelled."""
        self._of(self._turns, status).observe(seconds)

    def _of(self, metric: M, *labels: str) -> M:
        """Return a series; finding it here costs a tenth of what the library takes."""
        found: M | None = self._series.get((metric, labels))
        if found is None:
            found = self._series[metric, labels] = metric.labels(*self._const.values(), *labels)
        return found

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, (*self._const, *labels), registry=self._registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, (*self._const, *labels), registry=self._registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            name, about, (*self._const, *labels), registry=self._registry, buckets=buckets
        )
