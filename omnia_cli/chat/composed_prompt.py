"""The system prompt of an agent that is talked to, with the variables of the conversation."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from omnia_core.jsonvalue import json_bytes

_TIMEOUT_SECONDS = 10.0


class Talking(Protocol):
    """What of a conversation leads to its agent, and the values that go with its messages."""

    url: str
    token: str | None
    variables: dict[str, str]


class PromptHidden(Exception):
    """The agent does not show its prompt; the message says why."""


@dataclass(frozen=True)
class ShownPrompt:
    """A composed prompt.

    Attributes:
        parts: its text, each with the variable whose value it is; "" for text of the template.
        problems: why a turn with these values would fail.
    """

    parts: list[tuple[str, str]]
    version: str
    tokens: int
    problems: list[str]


def composed_prompt(conversation: Talking, version: str) -> ShownPrompt:
    """Ask the agent for its prompt; of the stable version for "".

    Raises:
        PromptHidden: the agent does not show it, or cannot be reached.
    """
    answer = _asked(conversation, {"variables": conversation.variables, "version": version})
    return ShownPrompt(
        [(str(part["text"]), str(part.get("variable", ""))) for part in answer["parts"]],
        str(answer["version"]),
        int(answer["tokens"]),
        [str(problem) for problem in answer["problems"]],
    )


def _asked(conversation: Talking, body: Mapping[str, object]) -> dict[str, Any]:
    parts = urlsplit(conversation.url)
    secure = parts.scheme == "wss"
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json"}
    if conversation.token:
        headers["Authorization"] = f"Bearer {conversation.token}"
    path = f"{parts.path.removesuffix('/ws')}/api/agent/prompt"
    try:
        connection.request("POST", path, json_bytes(body), headers)
        response = connection.getresponse()
        answer: dict[str, Any] = orjson.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise PromptHidden(f"the agent was not asked for its prompt: {error}") from error
    finally:
        connection.close()
    if response.status == http.client.NOT_FOUND:
        raise PromptHidden(
            "this agent does not show its prompt: set facade.console: true and"
            " facade.consoleShows: inside"
        )
    if response.status != http.client.OK:
        raise PromptHidden(str(answer.get("detail", response.status)))
    return answer
