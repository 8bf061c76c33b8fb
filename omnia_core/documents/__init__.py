"""Reads JSON and YAML that others wrote, within limits of depth, size and number of values."""

from omnia_core.documents.limits import FILE_LIMITS, DocumentInvalid, Limits
from omnia_core.documents.reading import read_document, read_manifests
from omnia_core.documents.values import Document, Lines, ValuePath

__all__ = [
    "FILE_LIMITS",
    "Document",
    "DocumentInvalid",
    "Limits",
    "Lines",
    "ValuePath",
    "read_document",
    "read_manifests",
]
