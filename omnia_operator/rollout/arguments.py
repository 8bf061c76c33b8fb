"""The arguments that a step of a rollout gives to its RolloutAnalysis."""

from collections.abc import Mapping

from omnia_operator.api.rollout import Analysis
from omnia_operator.api.rolloutanalysis import RolloutAnalysisSpec


def given_arguments(step: Analysis, spec: RolloutAnalysisSpec) -> dict[str, str]:
    """Return the values of the arguments; those of the step have precedence."""
    return {
        **{each.name: each.value for each in spec.args if each.value is not None},
        **{each.name: each.value for each in step.args},
    }


def unknown_arguments(step: Analysis, spec: RolloutAnalysisSpec) -> Mapping[int, str]:
    """Return the arguments of a step that its analysis does not have, by their index."""
    declared = {each.name for each in spec.args}
    return {index: each.name for index, each in enumerate(step.args) if each.name not in declared}


def missing_arguments(step: Analysis, spec: RolloutAnalysisSpec) -> list[str]:
    """Return the arguments that have no value, neither in the step nor in the analysis."""
    values = given_arguments(step, spec)
    return [each.name for each in spec.args if each.name not in values]
