"""From a plan to the objects of a cluster."""

from omnia_operator.manifests.rendering import render
from omnia_operator.manifests.same import same
from omnia_operator.manifests.secrets import secrets

__all__ = ["render", "same", "secrets"]
