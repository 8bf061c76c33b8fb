"""Evaluations that a pack declares."""

from typing import Annotated, Literal

from msgspec import Meta, field

from omnia_core.files.pack.terms import Extensions, MetricName, NotEmpty, OpenPart, Part, since
from omnia_core.jsonvalue import JsonObject

TRIGGERS = ("every_turn", "on_session_complete", "sample_turns", "sample_sessions")
"""Triggers up to format 1.6; later any word may stand there."""


class MetricRange(OpenPart, frozen=True, omit_defaults=True):
    """Between which values a metric is expected."""

    min: float | None = None
    max: float | None = None


class Metric(OpenPart, frozen=True, omit_defaults=True):
    """The Prometheus metric of an evaluation."""

    name: MetricName
    type: Literal["gauge", "counter", "histogram", "boolean"]
    range: MetricRange | None = None


class Threshold(Part, frozen=True, omit_defaults=True):
    """The score at which an evaluation passes."""

    operator: str = ""
    value: float | None = None


class Eval(Part, frozen=True, omit_defaults=True):
    """One evaluation; `sample_percentage` is for the triggers that sample."""

    id: NotEmpty
    type: NotEmpty
    trigger: str
    description: str = ""
    sample_percentage: Annotated[float, Meta(ge=0, le=100)] = 5.0
    enabled: bool = True
    params: JsonObject = field(default_factory=dict)
    metric: Metric | None = None
    threshold: Annotated[Threshold | None, since("1.7")] = None
    message: Annotated[str, since("1.7")] = ""
    when: Annotated[JsonObject | None, since("1.7")] = None
    groups: Annotated[list[str], since("1.7")] = field(default_factory=list)
    extensions: Extensions = None
