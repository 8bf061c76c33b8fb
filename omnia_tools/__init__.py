"""Tools that are written in Python: functions marked by `tool`, and classes of `Tool`.

The same tool runs in a program of its own (`omnia_runner`), and in a tool server that agents of
manifests call (`python -m omnia_tools FOLDER`).
"""

from omnia_core.conversation.tools import ToolFailed
from omnia_tools.declaration import Tool, tool

__all__ = ["Tool", "ToolFailed", "tool"]
