"""The checks of the health port that the operator asks for, and how often."""

from collections.abc import Callable
from dataclasses import dataclass

from omnia_core import names
from omnia_core.conversation.budget import reset_of
from omnia_core.health import BUDGET, EVAL_BUDGET, SESSION_STORE
from omnia_operator.labels import OwnedNames


@dataclass(frozen=True)
class PodCheck:
    """A check that pods answer at their health port.

    Attributes:
        name: of the check.
        interval: seconds between two rounds.
        failing_interval: seconds between two rounds while a pod says that the check fails.
        rounds: rounds in a row in which a pod says that the check fails, before it counts.
        means: whether the reason of a failure is about what is checked; other reasons, such as a
            check that timed out, say nothing.
        words_vary: whether the reason of one failure has other words in each round; those of the
            first round stay, so that the status does not change all the time.
        of_evals: whether the pods that evaluate are asked, in place of those that answer.
    """

    name: str
    interval: float
    failing_interval: float
    rounds: int = 1
    means: Callable[[str], bool] = bool
    words_vary: bool = False
    of_evals: bool = False

    @property
    def port(self) -> int:
        """The health port of the pods."""
        return names.EVALS_HEALTH_PORT if self.of_evals else names.RUNTIME_HEALTH_PORT

    def instance(self, agent: str) -> str:
        """Return the instance label of the pods."""
        return OwnedNames(agent).evals if self.of_evals else agent


def _is_spent(failure: str) -> bool:
    return reset_of(failure) is not None


BUDGET_SECONDS = 30.0
"""A third of the rate at which session stores are asked for: a budget is a sum of hours."""

STORE_CHECK = PodCheck(SESSION_STORE, 10.0, 2.0, rounds=2, words_vary=True)
"""A fail-over within one round is no outage."""
BUDGET_CHECK = PodCheck(BUDGET, BUDGET_SECONDS, BUDGET_SECONDS, means=_is_spent)
"""`spec.budget`."""
EVAL_BUDGET_CHECK = PodCheck(EVAL_BUDGET, BUDGET_SECONDS, BUDGET_SECONDS, means=_is_spent)
"""`spec.evals.budget`, where the runtime evaluates complete sessions itself."""
WORKER_BUDGET_CHECK = PodCheck(
    EVAL_BUDGET, BUDGET_SECONDS, BUDGET_SECONDS, means=_is_spent, of_evals=True
)
"""`spec.evals.budget`, where a Deployment of its own evaluates."""
