"""Reads an object of a cluster, and those that it refers to, through kubectl."""

import contextlib
from collections.abc import Iterator
from typing import Any

from omnia_cli.cluster import KubectlFailed, read_object
from omnia_cli.explain.chain import Explanation, Subject, in_cluster, subject_of


def explain_in_cluster(kind: str, name: str, namespace: str) -> Explanation:
    """Return why an object of the cluster is not ready.

    Raises:
        KubectlFailed: it does not exist, or kubectl cannot read it.
    """
    document = read_object(kind, name, namespace)
    return in_cluster(subject_of(document), list(_related(document, namespace)))


def _related(document: dict[str, Any], namespace: str) -> Iterator[Subject]:
    for kind, reference in references_of(document):
        space = reference.get("namespace") or namespace
        # One that is missing, or may not be read, is named by the condition.
        with contextlib.suppress(KubectlFailed):
            yield subject_of(read_object(kind, str(reference.get("name")), str(space)))


def references_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the Providers and the ToolRegistry that an agent names."""
    spec = document.get("spec") or {}
    for entry in spec.get("providers") or ():
        if reference := entry.get("providerRef"):
            yield "provider", reference
    if reference := spec.get("toolRegistryRef"):
        yield "toolregistry", reference
