"""Request mapping that several vendors share."""

import base64
import binascii
from urllib.parse import urlsplit

import orjson

from omnia_core.conversation.parts import Media
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import OutputSchema
from omnia_runtime.providers.vendor_errors import VendorFailure


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

    Text that is not a JSON object becomes `{}`: the vendor would refuse the conversation from then
    on, and the result of the call tells the model what was wrong.
    """
    try:
        found = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def with_instruction(system: str, output: OutputSchema) -> str:
    """Add the output schema to the system prompt, for models that cannot be held to a schema.

    The caller checks the answer against the schema.
    """
    schema = orjson.dumps(output.schema).decode()
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
