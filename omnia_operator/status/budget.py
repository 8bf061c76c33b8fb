"""The condition about the budget of an agent."""

from collections.abc import Iterator

from omnia_core.names import Handler
from omnia_operator.resolve import Resolved
from omnia_operator.status.conditions import ConditionUpdate, false, true

WITHIN_BUDGET = "WithinBudget"


def budget_conditions(resolved: Resolved, spent: str | None) -> Iterator[ConditionUpdate]:
    """Yield the condition about `spec.budget`, if there is one and a pod has said what is spent.

    Args:
        resolved: the agent.
        spent: why no turn begins, in the words of a pod; "" if money is left; None if it is not
            known.
    """
    spec = resolved.agent.spec
    if spec.budget is None or spec.facade.handler is not Handler.RUNTIME or spent is None:
        return
    if spent:
        yield false(WITHIN_BUDGET, "BudgetSpent", spent)
    else:
        yield true(WITHIN_BUDGET, "BudgetLeft")
