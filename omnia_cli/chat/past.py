"""The turns of a conversation before this client connected."""

import http
from dataclasses import dataclass

from omnia_cli.chat.agent_api import Connected, ask_about_session


@dataclass(frozen=True)
class Past:
    """The last turns, each text with its role.

    Attributes:
        earlier: how many turns came before them.
        turns: how many turns there are in all.
    """

    said: list[tuple[str, str]]
    earlier: int = 0
    turns: int = 0


def past_turns(conversation: Connected, last: int) -> Past | None:
    """Return the last turns of a conversation; None if the agent does not return them."""
    found = ask_about_session(conversation, "GET", f"turns?last={last}")
    if found is None or found[0] != http.HTTPStatus.OK:
        return None
    answer = found[1]
    said = [
        (str(message["role"]), str(message.get("content", "")))
        for turn in answer["turns"]
        for message in turn["messages"]
        if message["role"] in ("user", "assistant") and message.get("content")
    ]
    earlier = int(answer.get("earlier", 0))
    return Past(said, earlier, earlier + len(answer["turns"]))
