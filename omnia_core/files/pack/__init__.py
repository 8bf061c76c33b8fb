"""The compiled PromptPack (promptpack.org, formats 1.0 to 1.9): its types, and what is wrong with
one.

The types are the format: what decodes into them is valid in its shape, in a pod as in the
operator. `check` finds what a type cannot say.
"""

from omnia_core.files.pack.document import DEFAULT_PROMPT, Pack, TemplateEngine
from omnia_core.files.pack.media import MediaConfig
from omnia_core.files.pack.parse import parse_pack
from omnia_core.files.pack.prompt import ModelOverride, Parameters, Prompt, Validation, Variable
from omnia_core.files.pack.tools import PackTool, ToolPolicy

__all__ = [
    "DEFAULT_PROMPT",
    "MediaConfig",
    "ModelOverride",
    "Pack",
    "PackTool",
    "Parameters",
    "Prompt",
    "TemplateEngine",
    "ToolPolicy",
    "Validation",
    "Variable",
    "parse_pack",
]
