"""Reads a text that may be JSON or YAML."""

from typing import Any

import msgspec

from omnia_core.documents.limits import DocumentInvalid, Limits
from omnia_core.documents.scalars import CoreScalars, KubernetesScalars
from omnia_core.documents.values import YAMLDocument, yaml_documents
from omnia_core.jsonvalue import TooDeep, check_depth

_SHORTEST_VALUE = 20


def read_document(text: str, limits: Limits, *, core_schema: bool = False) -> Any:
    """Return the value of JSON or YAML text; None of a text without a document.

    Args:
        text: JSON or YAML.
        limits: of the text.
        core_schema: YAML 1.2's core schema says what is a number or a boolean, not YAML 1.1.

    Raises:
        DocumentInvalid: the text is neither JSON nor YAML, or breaks a limit.
    """
    too_deep = None
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        # Larger documents than this are real, but their values have names and texts.
        if sum(map(text.count, "{[,")) > max(limits.json_values, len(text) // _SHORTEST_VALUE):
            raise DocumentInvalid(f"it has more than {limits.json_values:,} values: divide it")
        if text.count("{") > limits.json_objects:
            raise DocumentInvalid(f"it has more than {limits.json_objects:,} objects: divide it")
        try:
            check_depth(text)
            return msgspec.json.decode(text.lstrip("\ufeff"))
        except TooDeep as error:
            too_deep = error
        except msgspec.DecodeError:
            pass  # YAML in flow style begins like JSON
    if too_deep is not None and len(text) > limits.yaml_characters:
        raise DocumentInvalid(f"it is {too_deep}") from too_deep
    documents = yaml_documents(text, limits, CoreScalars() if core_schema else KubernetesScalars())
    first = next(documents, None)
    if next(documents, None) is not None:
        raise DocumentInvalid("it has several documents: remove all but one, and their ---")
    return None if first is None else first.value


def read_manifests(text: str, limits: Limits) -> list[YAMLDocument]:
    """Return the documents of a manifest file, with the line of every value.

    Raises:
        DocumentInvalid: the text is not YAML, repeats a key, or breaks a limit.
    """
    return list(yaml_documents(text, limits, KubernetesScalars(), located=True))
