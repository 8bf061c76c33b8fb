"""Packs to test with."""

import json
from typing import Any

from omnia_core.jsonvalue import JsonObject


def prompt(**changes: Any) -> JsonObject:
    """A prompt with the least that the format asks for."""
    return {"id": "a", "name": "A", "version": "1.0.0", "system_template": "Be kind.", **changes}


def pack(**changes: Any) -> JsonObject:
    """A pack with one prompt."""
    return {
        "id": "p",
        "name": "P",
        "version": "1.0.0",
        "template_engine": {"version": "v1", "syntax": "{{variable}}"},
        "prompts": {"a": prompt()},
        **changes,
    }


def with_prompt(**changes: Any) -> JsonObject:
    """A pack whose prompt has something."""
    return pack(prompts={"a": prompt(**changes)})


def text(value: object) -> str:
    """JSON."""
    return json.dumps(value)
