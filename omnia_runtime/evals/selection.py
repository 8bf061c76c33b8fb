"""Which evaluations are run of a turn, and of a session that is complete; pure."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from omnia_core.files.evals.definitions import EvalSpec
from omnia_core.files.evals.sampling import SESSION, sampled


class Rates(Struct, frozen=True):
    """Percentages of the turns and sessions.

    Attributes:
        light: of what needs only the text.
        extended: of what asks a model or another server.
    """

    light: float = 100.0
    extended: float = 10.0

    def percent(self, spec: EvalSpec) -> float:
        """Return how many percent an evaluation takes."""
        return min(self.extended if spec.extended else self.light, spec.sample_percentage)


def of_turn(
    specs: Iterable[EvalSpec], rates: Rates, session_id: str, turn: int
) -> Iterator[EvalSpec]:
    """Yield the evaluations of a turn; `turn` is its number in the session, from 1."""
    for spec in specs:
        if not spec.at_completion and sampled(session_id, turn, rates.percent(spec)):
            yield spec


def of_session(specs: Iterable[EvalSpec], rates: Rates, session_id: str) -> Iterator[EvalSpec]:
    """Yield the evaluations of a session that is complete."""
    for spec in specs:
        if spec.at_completion and sampled(session_id, SESSION, rates.percent(spec)):
            yield spec
