"""From tools.yaml to tool sources. A handler that is not usable is named and left out."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from omnia_core.files.reading import decode_yaml, read_text
from omnia_core.files.tools import ToolHandler
from omnia_core.units import Duration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.tools.http import HTTPSource
from omnia_runtime.tools.source import ToolSource


class _Handlers(msgspec.Struct):
    # converted one by one: a malformed handler must not hide the others
    handlers: list[Any] = msgspec.field(default_factory=list)


class Sources(msgspec.Struct, frozen=True):
    """The usable handlers, and what is wrong with the others."""

    sources: tuple[ToolSource, ...]
    problems: tuple[str, ...]


def open_sources(path: str, client: HTTPClient) -> Sources:
    """Read tools.yaml; a file that is absent or empty holds no handlers.

    Raises:
        ConfigurationError: the file as a whole cannot be read.
    """
    text = read_text(path) if Path(path).exists() else ""
    if not text.strip():
        return Sources((), ())
    sources: list[ToolSource] = []
    problems: list[str] = []
    for index, raw in enumerate(decode_yaml(text, _Handlers, path).handlers):
        label = raw.get("name", index) if isinstance(raw, dict) else index
        try:
            sources.append(_open(msgspec.convert(raw, ToolHandler), client))
        except ValueError as error:
            problems.append(f'{path}: tool handler "{label}" is not available: {error}')
    return Sources(tuple(sources), tuple(problems))


def _open(handler: ToolHandler, client: HTTPClient) -> ToolSource:
    """Make the source of a handler.

    Raises:
        ValueError: says what the handler lacks.
    """
    if handler.type != "http":
        raise ValueError(f"handlers of type {handler.type} are not part of this version")
    if handler.http_config is None or handler.tool is None:
        raise ValueError("a handler of type http needs tool and httpConfig")
    if urlsplit(handler.http_config.endpoint).scheme not in ("http", "https"):
        raise ValueError("httpConfig.endpoint must be an http or https URL")
    return HTTPSource(
        handler.name,
        handler.tool,
        handler.http_config,
        Duration.parse(handler.timeout).seconds,
        client,
    )
