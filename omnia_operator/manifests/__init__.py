"""From a plan to the objects of a cluster."""

from omnia_operator.manifests.rendering import render, secrets
from omnia_operator.manifests.same import same

__all__ = ["render", "same", "secrets"]
