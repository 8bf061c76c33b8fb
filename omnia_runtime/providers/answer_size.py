"""The size of one answer of a model, within limits that no real model reaches.

A server that talks for ever would fill the memory of the runtime. `max_tokens` is only a request.
"""

from typing import Final

from omnia_runtime.providers.vendor_errors import VendorFailure

# Characters of text; each piece counts some more, for what it costs beside its characters. The
# longest answers of today's models have some 400,000 tokens, each a piece of 4 characters.
MAX_TEXT: Final = 4 * 1024 * 1024
TEXT_PIECE: Final = 3
# Tool calls, and the characters of all of them together.
MAX_CALLS: Final = 128
MAX_ARGUMENTS: Final = 2 * 1024 * 1024
# Characters of reasoning, media and everything else that is kept until the end of the answer.
MAX_OTHER: Final = 32 * 1024 * 1024
# What a piece that is kept counts beside its characters, and what a block or an item counts.
PIECE: Final = 32
ITEM: Final = 256


class AnswerTooLong(VendorFailure):
    """An answer is longer than a limit. There is no retry: it would be paid for again."""

    def __init__(self, limit: str) -> None:
        super().__init__(
            f"said more than {limit} in one answer, and was stopped: set maxTokens, or check the "
            "server at baseURL",
            retry=False,
        )


def text_too_long() -> AnswerTooLong:
    """Return the failure for more than `MAX_TEXT`."""
    return AnswerTooLong(f"{MAX_TEXT >> 20} MiB of text")


class AnswerSize:
    """Adds up what was read of an answer. How its bytes were cut makes no difference.

    The text is checked by `stream_answer`, through which its pieces pass.

    Attributes:
        total: grows with every piece of the answer, and with no heartbeat.
    """

    __slots__ = ("_arguments", "_calls", "_other", "_thoughts", "total")

    def __init__(self) -> None:
        self.total = 0
        self._thoughts = 0
        self._calls = 0
        self._arguments = 0
        self._other = 0

    def add_thought(self, characters: int) -> None:
        """Count a piece of reasoning that is part of the text.

        Raises:
            AnswerTooLong: there is too much of it.
        """
        self.total += characters
        self._thoughts += characters + TEXT_PIECE
        if self._thoughts > MAX_TEXT:
            raise text_too_long()

    def add_call(self, characters: int) -> None:
        """Count one more tool call, with this much of it.

        Raises:
            AnswerTooLong: there are too many calls, or too much in them.
        """
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise AnswerTooLong(f"{MAX_CALLS} tool calls")
        self.add_arguments(characters)

    def add_arguments(self, characters: int) -> None:
        """Count more of the tool calls.

        Raises:
            AnswerTooLong: there is too much in them.
        """
        self.total += characters
        self._arguments += characters
        if self._arguments > MAX_ARGUMENTS:
            raise AnswerTooLong(f"{MAX_ARGUMENTS >> 20} MiB of tool calls")

    def add_other(self, characters: int) -> None:
        """Count a piece of reasoning, or media.

        Raises:
            AnswerTooLong: there is too much of both.
        """
        if not characters:
            return
        self.total += characters
        self._other += characters + PIECE
        if self._other > MAX_OTHER:
            raise AnswerTooLong(f"{MAX_OTHER >> 20} MiB of reasoning and media")
