"""What is taken from the tool results of a turn that is too large for the window by itself."""

from collections.abc import Sequence

from msgspec import structs

from omnia_core.sessions import Message
from omnia_runtime.agent.tokens import of_message, of_messages, of_text


def shorten_results(messages: Sequence[Message], room: int) -> tuple[Message, ...]:
    """Shorten tool results, the oldest first and no more than needed, until all fit into `room`.

    Media of a result go before its text. What cannot be shortened stays, whether it fits or not.
    """
    shortened = list(messages)
    excess = of_messages(shortened) - room
    for index, message in enumerate(shortened):
        if excess <= 0:
            break
        if message.role == "tool":
            shortened[index] = _shorter(message, excess)
            excess -= of_message(message) - of_message(shortened[index])
    return tuple(shortened)


def _shorter(message: Message, excess: int) -> Message:
    if message.parts:
        marker = f"[{len(message.parts)} media left out: the context window is full]"
        bare = structs.replace(message, parts=(), content=f"{message.content}\n{marker}".strip())
        saved = of_message(message) - of_message(bare)
        if saved > 0:
            message, excess = bare, excess - saved
    if excess <= 0:
        return message
    text = _beginning(message.content, of_text(message.content) - excess)
    return structs.replace(message, content=text)


def _beginning(text: str, tokens: int) -> str:
    """Return as much of the text's beginning as fits, with the marker that says so.

    A text that is as short as the marker is returned as it is.
    """
    least, most = 0, len(text)
    while least < most:
        middle = (least + most + 1) // 2
        if of_text(_cut(text, middle)) <= tokens:
            least = middle
        else:
            most = middle - 1
    cut = _cut(text, least)
    return cut if of_text(cut) < of_text(text) else text


def _cut(text: str, length: int) -> str:
    # The length of the whole, not of what is missing: the marker then has the same size for all.
    return f"{text[:length]}… [the first {length:,} of {len(text):,} characters]"
