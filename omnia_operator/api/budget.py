"""The budget of an AgentRuntime."""

from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.names import OnExceeded
from omnia_operator.api.model import Model
from omnia_operator.api.rules import rule

Dollars = Annotated[float, Field(gt=0)]


class BudgetSpec(Model):
    """What the requests of an agent to models may cost, those of judges included."""

    usd_per_day: Dollars | None = None
    """US dollars a day. A day begins at 00:00 UTC."""
    usd_per_month: Dollars | None = None
    """US dollars a month. A month begins on its first day at 00:00 UTC."""
    on_exceeded: OnExceeded = OnExceeded.STOP
    """`stop`: no turn begins until the next day or month; `warn`: only a log line, the
    condition and a metric."""

    has_a_limit: ClassVar = rule(
        "a budget needs a limit: add usdPerDay, usdPerMonth, or both",
        cel="has(self.usdPerDay) || has(self.usdPerMonth)",
    )
