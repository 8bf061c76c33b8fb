"""Guardrails: checks of inputs and answers, made before any of the text is sent."""

from omnia_runtime.validators.checks import Blocked, OutputBlocked
from omnia_runtime.validators.compiled import Validators, compile_validators
from omnia_runtime.validators.gate import OutputGate

__all__ = ["Blocked", "OutputBlocked", "OutputGate", "Validators", "compile_validators"]
