"""The status of a RolloutAnalysis."""

from omnia_operator.api.rolloutanalysis import RolloutAnalysisStatus
from omnia_operator.status.conditions import dated, false, true


def analysis_status(
    generation: int, fault: str, previous: RolloutAnalysisStatus, now: str
) -> RolloutAnalysisStatus:
    """Return the status of a RolloutAnalysis; `fault` says what is wrong with it, or nothing."""
    update = false("Ready", "InvalidSpec", fault) if fault else true("Ready", "Valid")
    return RolloutAnalysisStatus(
        observed_generation=generation,
        conditions=dated([update], previous.conditions, generation, now),
    )
