"""The vendors' own libraries, the witnesses of the adapters.

They are loaded when they are first asked: every worker would pay seconds while it collects.
"""

from importlib import import_module
from typing import Any


def anthropic() -> Any:
    return import_module("anthropic")


def genai() -> Any:
    return import_module("google.genai")


def openai() -> Any:
    return import_module("openai")
