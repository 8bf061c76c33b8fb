"""The compiled PromptPack (promptpack.org, formats 1.0 to 1.9): its types and its validation.

The types define the format: JSON that decodes into them has a valid shape. `check` finds errors
that types cannot express.
"""

from omnia_core.files.pack.document import DEFAULT_PROMPT, Pack, TemplateEngine
from omnia_core.files.pack.media import MediaConfig
from omnia_core.files.pack.parse import decode_pack, parse_pack
from omnia_core.files.pack.prompt import (
    ModelOverride,
    PackTool,
    Parameters,
    Prompt,
    PromptVariable,
    ToolPolicy,
    Validation,
)

__all__ = [
    "DEFAULT_PROMPT",
    "MediaConfig",
    "ModelOverride",
    "Pack",
    "PackTool",
    "Parameters",
    "Prompt",
    "PromptVariable",
    "TemplateEngine",
    "ToolPolicy",
    "Validation",
    "decode_pack",
    "parse_pack",
]
