"""What a Gemini model can do, as far as its name tells."""

import re
from functools import lru_cache

from msgspec import Struct

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?![\d.])")
_NEWEST = (99, 0)


class Abilities(Struct, frozen=True):
    """What differs between the generations.

    Attributes:
        signs_calls: it signs its tool calls, and refuses a call of the conversation without a
            signature.
        takes_media_in_results: media may be part of a tool's result.
        calls_with_schema: it can be held to an output schema and offered tools at the same time.
        takes_sampling: temperature, topP and topK do something.
    """

    signs_calls: bool
    takes_media_in_results: bool
    calls_with_schema: bool
    takes_sampling: bool


@lru_cache(maxsize=64)
def abilities(model: str) -> Abilities:
    """Return what a model can do. A Gemini without a version, such as `gemini-flash-latest`, is
    new; of another model behind the API, such as Gemma, nothing is expected.

    Source: https://ai.google.dev/gemini-api/docs/gemini-3, …/whats-new-gemini-3.6
    """
    found = _VERSION.search(model)
    version = (int(found[1]), int(found[2] or 0)) if found else _NEWEST
    if not found and "gemini" not in model:
        version = (0, 0)
    third = version >= (3, 0)
    return Abilities(third, third, third, version < (3, 6))
