"""The keys of Secrets that a tool handler uses."""

from collections.abc import Iterator
from dataclasses import dataclass

from omnia_operator.api.meta import SecretKey
from omnia_operator.api.toolhandler import ToolHandler


@dataclass(frozen=True)
class ToolSecretKey:
    """A key of a Secret that a handler uses."""

    reference: SecretKey
    file: str
    """Name of the file in the pod."""
    use: str = "auth"
    """auth, env or header."""
    name: str = ""
    """Name of the variable or the header."""


def tool_secret_keys(handler: ToolHandler) -> Iterator[ToolSecretKey]:
    """Yield the keys of Secrets that a handler uses, in the order of the manifest."""
    if handler.auth is not None and handler.auth.secret_ref is not None:
        yield ToolSecretKey(handler.auth.secret_ref, handler.name)
    if handler.mcp_config is None:
        return
    # Numbered, because a header may have characters that no key of a Secret has.
    for index, variable in enumerate(handler.mcp_config.env_from):
        file = f"{handler.name}.env.{index}"
        yield ToolSecretKey(variable.secret_ref, file, "env", variable.name)
    for index, header in enumerate(handler.mcp_config.headers_from):
        file = f"{handler.name}.header.{index}"
        yield ToolSecretKey(header.secret_ref, file, "header", header.name)
