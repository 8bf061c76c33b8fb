"""The vendors' own libraries, the witnesses of the adapters.

They are loaded when they are first asked: every worker would pay seconds while it collects.
"""

import gc
import sys
from importlib import import_module
from typing import Any


def anthropic() -> Any:
    return _loaded("anthropic")


def genai() -> Any:
    return _loaded("google.genai")


def openai() -> Any:
    return _loaded("openai")


def _loaded(name: str) -> Any:
    """Load a library; its hundred thousands of objects are part of no garbage collection."""
    if name not in sys.modules:
        import_module(name)
        gc.collect()
        gc.freeze()
    return sys.modules[name]
