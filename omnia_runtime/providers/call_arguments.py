"""The arguments of a tool call, for vendors that want them as an object."""

import orjson

from omnia_core.jsonvalue import JsonObject


def parsed_arguments(arguments: str) -> JsonObject:
    """Parse the JSON text of a call. A model that wrote no object gets `{}` back: its vendor would
    refuse the conversation for ever, and the call's result says what was wrong.
    """
    try:
        found = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
