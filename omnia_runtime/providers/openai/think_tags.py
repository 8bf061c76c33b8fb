"""Reasoning in the text of an answer: `<think>…</think>` at its beginning.

Servers that do not tell reasoning apart send it so for DeepSeek R1, Qwen 3 and their like.
"""

from typing import Final

from omnia_runtime.providers.answer_size import AnswerSize

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
# Line breaks before the tag; a text that begins with more of them is not held back.
_MAX_BLANK = 64


class ThinkTags:
    """Takes the reasoning out of the pieces of a text, however they are cut.

    Attributes:
        passed: whether the rest of the text is the answer, and need not be fed.
    """

    def __init__(self, size: AnswerSize) -> None:
        """Begin a text; what is held back is added to `size`."""
        self.passed = False
        self._size = size
        self._held: list[str] = []
        self._opened = self._closed = False
        # The end of what was searched, in which the closing tag may have begun.
        self._tail = ""

    def feed(self, text: str) -> str:
        """Return what is known to be the answer.

        Raises:
            AnswerTooLong: the reasoning is too long.
        """
        if self._closed:
            return self._answer(text)
        self._held.append(text)
        if not self._opened:
            held = "".join(self._held)
            begun = held.lstrip()
            near = len(held) - len(begun) <= _MAX_BLANK
            if near and _OPEN.startswith(begun):
                return ""
            if not near or not begun.startswith(_OPEN):
                self.passed = True
                return self.end()
            self._opened, text = True, begun[len(_OPEN) :]
        self._size.add_thought(len(text))
        searched = self._tail + text
        _, found, rest = searched.partition(_CLOSE)
        if not found:
            self._tail = searched[1 - len(_CLOSE) :]
            return ""
        self._closed = True
        self._held.clear()
        return self._answer(rest)

    def end(self) -> str:
        """Return the text that is held back: the reasoning too, if its end did not come."""
        return "".join(self._held)

    def _answer(self, text: str) -> str:
        """Return the text without the line breaks between reasoning and answer."""
        answer = text.lstrip()
        self.passed = bool(answer)
        return answer
