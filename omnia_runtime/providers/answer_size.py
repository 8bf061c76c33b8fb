"""The size of one answer of a model, within limits that no real model reaches.

A server that talks for ever would fill the memory of the runtime. `max_tokens` is only a request.
"""

from typing import Final

from omnia_runtime.providers.vendor_errors import VendorFailure

# The longest answers of today's models have some 400,000 tokens, each a piece of 4 characters.
MAX_TEXT: Final = 4 * 1024 * 1024
MAX_PIECES: Final = 1024 * 1024
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


class AnswerSize:
    """Adds up what was read of an answer. How its bytes were cut makes no difference.

    Attributes:
        total: grows with every piece of the answer, and with no heartbeat.
    """

    __slots__ = (
        "_arguments",
        "_calls",
        "_failure",
        "_other",
        "_pieces_left",
        "_text_left",
        "total",
    )

    def __init__(self) -> None:
        self.total = 0
        self._text_left = MAX_TEXT
        self._pieces_left = MAX_PIECES
        self._calls = 0
        self._arguments = 0
        self._other = 0
        self._failure: AnswerTooLong | None = None

    def add_text(self, text: str) -> str:
        """Count a piece of the text, and return what is within the limits; then call `check`."""
        length = len(text)
        self.total += length
        self._text_left -= length
        self._pieces_left -= 1
        if self._text_left >= 0 and self._pieces_left >= 0:
            return text
        if self._failure is None:
            many = self._text_left >= 0
            self._failure = AnswerTooLong(
                f"{MAX_PIECES} pieces of text" if many else f"{MAX_TEXT} characters"
            )
        return text[: self._text_left] if self._pieces_left >= 0 else ""

    def check(self) -> None:
        """Check the text that was added.

        Raises:
            AnswerTooLong: it is too long.
        """
        if self._failure is not None:
            raise self._failure

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
