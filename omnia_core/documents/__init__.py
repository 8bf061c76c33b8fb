"""Reads JSON and YAML that others wrote, within limits of depth, size and number of values."""

from omnia_core.documents.limits import FILE_LIMITS, DocumentInvalid, Limits
from omnia_core.documents.reading import read_document, read_manifests
from omnia_core.documents.values import Lines, ValuePath, YAMLDocument

__all__ = [
    "FILE_LIMITS",
    "DocumentInvalid",
    "Limits",
    "Lines",
    "ValuePath",
    "YAMLDocument",
    "read_document",
    "read_manifests",
]
