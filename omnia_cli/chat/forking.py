"""A conversation that goes on before its last turn: to answer it again, or to edit it."""

import http

from omnia_cli.chat.agent_api import Connected, ask_about_session
from omnia_cli.chat.past import past_turns


class ForkFailed(Exception):
    """There is no such conversation; the message is for people.

    Attributes:
        unsupported: whether the agent cannot do this at all.
    """

    def __init__(self, message: str, *, unsupported: bool = False) -> None:
        super().__init__(message)
        self.unsupported = unsupported


def fork_before(conversation: Connected, message: str) -> str:
    """Return the id of a new session without the last turn, which is that of `message`.

    "" if the last turn is of another message: this one has not reached the conversation.

    Raises:
        ForkFailed: the agent cannot, does not know the session, or is not reached.
    """
    past = past_turns(conversation, 1)
    if past is None:
        raise ForkFailed("the agent does not return earlier turns", unsupported=True)
    if [text for role, text in past.said if role == "user"][-1:] != [message]:
        return ""
    body = {"after_turn": past.turns - 1}
    answered = ask_about_session(conversation, "POST", "fork", body)
    if answered is None:
        raise ForkFailed(f"{conversation.url} cannot be reached")
    status, answer = answered
    if status == http.HTTPStatus.CREATED:
        return str(answer.get("session_id", ""))
    error, detail = str(answer.get("error", "")), str(answer.get("detail", ""))
    raise ForkFailed(
        f"HTTP {status}: {detail}", unsupported=error in ("fork_unsupported", "not_found")
    )
