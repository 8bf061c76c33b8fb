"""The evaluations of a pack: their types and parameters, parsed and checked."""

from omnia_core.files.evals.definitions import EvalSpec, evals_of, read_evals
from omnia_core.files.evals.outcome import Outcome, Requirement

__all__ = ["EvalSpec", "Outcome", "Requirement", "evals_of", "read_evals"]
