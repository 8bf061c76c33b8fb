"""Finds forbidden words in a streamed text (Aho and Corasick, 1975).

The state after each character is the longest suffix of the text that is a prefix of a word: exactly
the text that must be held back.
"""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from unicodedata import category

from omnia_runtime.validators.checks import TextViolation


class WordMatcher:
    """The automaton of the words, compiled once; node 0 is the empty prefix.

    Attributes:
        whole: whether a word counts only where it is not part of a longer word.
        next: for each node, the next node by character.
        back: for each node, the node of its longest proper suffix.
        depth: for each node, its number of characters.
        ends: for each node, the words that end there, the longest first.
    """

    def __init__(self, texts: Sequence[str], *, whole: bool) -> None:
        self.whole = whole
        self.longest = max(map(len, texts))
        self.next: list[dict[str, int]] = [{}]
        self.back = [0]
        self.depth = [0]
        self.ends: list[tuple[str, ...]] = [()]
        for text in texts:
            self._add(fold(text))
        self._link()

    def step(self, node: int, char: str) -> int:
        """Return the node after one more character."""
        while node and char not in self.next[node]:
            node = self.back[node]
        return self.next[node].get(char, 0)

    def _add(self, word: str) -> None:
        node = 0
        for char in word:
            if char not in self.next[node]:
                self.next[node][char] = len(self.next)
                self.next.append({})
                self.back.append(0)
                self.depth.append(self.depth[node] + 1)
                self.ends.append(())
            node = self.next[node][char]
        self.ends[node] = (word,)

    def _link(self) -> None:
        # Breadth first: the suffix of a node is less deep, so it is already linked.
        waiting = deque(self.next[0].values())
        while waiting:
            node = waiting.popleft()
            for char, after in self.next[node].items():
                self.back[after] = self.step(self.back[node], char)
                self.ends[after] += self.ends[self.back[after]]
                waiting.append(after)


class ForbiddenWordsCheck:
    """Checks one text for the words."""

    def __init__(self, matcher: WordMatcher) -> None:
        self.safe = 0
        self._matcher = matcher
        self._node = 0
        self._read = 0
        self._recent = ""  # long enough to contain a word and the character before it
        self._waiting: str | None = None  # a word, unless the next character continues it

    def feed(self, text: str) -> TextViolation | None:
        """Add a piece of the text; return the first violation."""
        if not text:
            return None
        matcher, node, waiting = self._matcher, self._node, self._waiting
        window, before = self._recent + fold(text), len(self._recent)
        for at in range(before, len(window)):
            char = window[at]
            if waiting is not None and not _is_word_char(char):
                return TextViolation(self._read + at - before + 1, _detail(waiting))
            waiting = None
            node = matcher.step(node, char)
            for word in matcher.ends[node]:
                if not self._starts_word(window, at - len(word) + 1):
                    continue
                if not matcher.whole or not _is_word_char(char):
                    return TextViolation(self._read + at - before + 1, _detail(word))
                waiting = waiting or word
        self._node, self._waiting = node, waiting
        self._read += len(text)
        self._recent = window[-matcher.longest :]
        self.safe = self._read - self._held_length(window)
        return None

    def end(self) -> str | None:
        """Return the detail of a violation that the end of the text completes."""
        return None if self._waiting is None else _detail(self._waiting)

    def _held_length(self, window: str) -> int:
        """Return the length of the longest suffix that can still become a word."""
        matcher, node = self._matcher, self._node
        while node and not self._starts_word(window, len(window) - matcher.depth[node]):
            node = matcher.back[node]
        return matcher.depth[node]

    def _starts_word(self, window: str, begin: int) -> bool:
        """Whether a word may begin here. The window begins earlier, or with the text."""
        if not self._matcher.whole or begin == 0:
            return True
        return not (_is_word_char(window[begin]) and _is_word_char(window[begin - 1]))


def _is_word_char(char: str) -> bool:
    """Whether a character is a letter, a digit, an underscore or a mark."""
    return char.isalnum() or char == "_" or category(char)[0] == "M"


def _detail(word: str) -> str:
    return f'it contains "{word}"'


def fold(text: str) -> str:
    """Return `text` in one case and of the same length, so that positions stay valid."""
    if text.isascii():
        return text.lower()
    return "".join(map(_fold, text))


@lru_cache(maxsize=4096)
def _fold(char: str) -> str:
    # Only results of one character: "ß" would become "ss".
    return next((found for found in (char.casefold(), char.lower()) if len(found) == 1), char)
