"""The evaluations of a pack: their types and parameters, parsed and checked."""

from omnia_core.files.evals.definitions import EvalSpec, evals_of, read_evals
from omnia_core.files.evals.outcome import Requirement

__all__ = ["EvalSpec", "Requirement", "evals_of", "read_evals"]
