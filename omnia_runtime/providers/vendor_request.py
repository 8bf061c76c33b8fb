"""Request mapping that several vendors share."""

import ast
import base64
import binascii
import json
from typing import Any
from urllib.parse import urlsplit

import orjson

from omnia_core.conversation.parts import Media
from omnia_core.jsonvalue import JsonObject, TooDeep, check_depth, json_bytes, parse_json
from omnia_runtime.ports.model import OutputSchema
from omnia_runtime.providers.vendor_errors import VendorFailure

# Python's parser takes much memory for a long text.
_MAX_PYTHON = 16 * 1024


def check_base_url(url: str) -> None:
    """Check the `baseURL` of a provider.

    Raises:
        ValueError: it is not an http or https URL with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'baseURL must be an http or https URL, found "{url}"')


def parsed_arguments(arguments: str) -> JsonObject:
    """Parse the arguments of a tool call, for vendors that want them as an object.

    Models also write line breaks in strings, text after the object, an object in a string, or the
    notation of Python: these are repaired. Everything else that is not a JSON object becomes `{}`:
    the vendor would refuse the conversation from then on, and the result of the call tells the
    model what was wrong.
    """
    found = _json(arguments)
    if isinstance(found, str):
        found = _json(found)
    return found if isinstance(found, dict) else {}


def object_text(arguments: str) -> str:
    """Return the arguments of a tool call as the text of a JSON object, as `parsed_arguments`."""
    try:
        check_depth(arguments)
        if isinstance(orjson.loads(arguments), dict):
            return arguments
    except ValueError:
        pass
    return json_bytes(parsed_arguments(arguments)).decode()


def _json(text: str) -> Any:
    try:
        return parse_json(text)
    except TooDeep:
        return None
    except ValueError:
        pass
    for parse in (_tolerant_json, _python_value):
        try:
            # What no JSON text holds, such as a set, is refused here.
            return orjson.loads(orjson.dumps(parse(text.strip())))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def _tolerant_json(text: str) -> Any:
    """Parse the first JSON value; a string in it may contain line breaks."""
    return json.JSONDecoder(strict=False).raw_decode(text)[0]


def _python_value(text: str) -> Any:
    if len(text) > _MAX_PYTHON:
        raise ValueError("too long")
    return ast.literal_eval(text)


def with_instruction(system: str, output: OutputSchema) -> str:
    """Add the output schema to the system prompt, for models that cannot be held to a schema.

    The caller checks the answer against the schema.
    """
    schema = json_bytes(output.schema).decode()
    instruction = (
        "Answer with one JSON document and nothing else: no introduction, no code fence. "
        f"It must be valid under this JSON Schema:\n{schema}"
    )
    return f"{system}\n\n{instruction}" if system.strip() else instruction


def decoded_text(media: Media) -> str:
    """Decode the data of a text document.

    Raises:
        VendorFailure: it is not base64 of UTF-8 text.
    """
    try:
        return base64.b64decode(media.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise VendorFailure(
            f"was given a text document that is not UTF-8 text ({error})"
        ) from error
