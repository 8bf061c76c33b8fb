"""Renders a plan as Kubernetes objects, and compares them with live objects."""

from omnia_operator.manifests.rendering import render, secrets
from omnia_operator.manifests.same import same
from omnia_operator.manifests.uses import Used, uses

__all__ = ["Used", "render", "same", "secrets", "uses"]
