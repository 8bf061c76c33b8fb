"""Forbidden words, found while a text comes in (Aho and Corasick, 1975).

The state after each character is the longest end of the text that begins a word: what must be held
back, and no more.
"""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from unicodedata import category

from omnia_runtime.validators.checks import Finding


class Words:
    """The words, compiled once; node 0 is "nothing of any word".

    Attributes:
        whole: whether a word counts only where it is no part of a longer one.
        next: for each node, the node after a character.
        back: for each node, the node of the next shorter end.
        depth: for each node, its number of characters.
        ends: for each node, the words that end here, the longest first.
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
        # Breadth first: a node's next shorter end is less deep, so it is linked already.
        waiting = deque(self.next[0].values())
        while waiting:
            node = waiting.popleft()
            for char, after in self.next[node].items():
                self.back[after] = self.step(self.back[node], char)
                self.ends[after] += self.ends[self.back[after]]
                waiting.append(after)


class WordWatch:
    """Looks for the words in one text."""

    def __init__(self, words: Words) -> None:
        self.safe = 0
        self._words = words
        self._node = 0
        self._read = 0
        self._recent = ""  # enough to see what stands before a word
        self._waiting: str | None = None  # a word that is whole unless the next character joins it

    def feed(self, text: str) -> Finding | None:
        """Take in more of the text."""
        if not text:
            return None
        words, node, waiting = self._words, self._node, self._waiting
        window, before = self._recent + fold(text), len(self._recent)
        for at in range(before, len(window)):
            char = window[at]
            if waiting is not None and not _joins(char):
                return Finding(self._read + at - before + 1, _detail(waiting))
            waiting = None
            node = words.step(node, char)
            for word in words.ends[node]:
                if not self._stands_free(window, at - len(word) + 1):
                    continue
                if not words.whole or not _joins(char):
                    return Finding(self._read + at - before + 1, _detail(word))
                waiting = waiting or word
        self._node, self._waiting = node, waiting
        self._read += len(text)
        self._recent = window[-words.longest :]
        self.safe = self._read - self._held(window)
        return None

    def end(self) -> str | None:
        """Return the detail of a word that the text ends with."""
        return None if self._waiting is None else _detail(self._waiting)

    def _held(self, window: str) -> int:
        """Return the length of the longest end that can still become a word."""
        words, node = self._words, self._node
        while node and not self._stands_free(window, len(window) - words.depth[node]):
            node = words.back[node]
        return words.depth[node]

    def _stands_free(self, window: str, begin: int) -> bool:
        """Whether a word may begin here; the window begins earlier, unless the text does not."""
        if not self._words.whole or begin == 0:
            return True
        return not (_joins(window[begin]) and _joins(window[begin - 1]))


def _joins(char: str) -> bool:
    """Whether a character belongs to a word: letters, digits, underscore, marks on them."""
    return char.isalnum() or char == "_" or category(char)[0] == "M"


def _detail(word: str) -> str:
    return f'it contains "{word}"'


def fold(text: str) -> str:
    """Return `text` without case and as long as before: positions stay what they are."""
    if text.isascii():
        return text.lower()
    return "".join(map(_fold, text))


@lru_cache(maxsize=4096)
def _fold(char: str) -> str:
    # "ß" would become "ss"
    return next((each for each in (char.casefold(), char.lower()) if len(each) == 1), char)
