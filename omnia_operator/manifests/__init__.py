"""Renders a plan as Kubernetes objects, and compares them with live objects."""

from omnia_operator.manifests.rendering import render, secrets
from omnia_operator.manifests.same import Differences, applied, differences, same
from omnia_operator.manifests.uses import Used, uses

__all__ = [
    "Differences",
    "Used",
    "applied",
    "differences",
    "render",
    "same",
    "secrets",
    "uses",
]
