"""Markdown of an answer that is still coming, block by block.

A block that has ended is shown for good; the last one may still change, and is drawn again.
"""

import time
from collections.abc import Callable, Iterator

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

# Between two looks for blocks that have ended: a look parses all of the last block.
INTERVAL_SECONDS = 0.1
# Of a block that still grows, only this much is drawn: the rest does not fit on the screen.
_TAIL_CHARACTERS = 4000
# CommonMark with tables. HTML and pictures stay text: rich would drop tags and addresses.
_PARSER = (
    MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable("image")
)


class Rendered:
    """Markdown as rich draws it; what rich cannot draw is shown as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # The address of a link is shown: one that hides behind its text could lead anywhere.
        markdown = Markdown("", hyperlinks=False)
        try:
            markdown.parsed = _PARSER.parse(self._text)
            lines = console.render_lines(markdown, options, pad=False)
        except Exception:  # noqa: BLE001 - a parser of foreign text; the answer must be seen
            yield Text(self._text)
            return
        # rich surrounds some blocks with empty lines.
        filled = [number for number, line in enumerate(lines) if not _is_empty(line)]
        for line in lines[filled[0] : filled[-1] + 1] if filled else ():
            yield from line
            yield Segment.line()


def _is_empty(line: list[Segment]) -> bool:
    return all(
        segment.text.isspace() and not (segment.style and segment.style.bgcolor)
        for segment in line
        if segment.text
    )


class Blocks:
    """Splits a growing text into blocks; `clock` is in seconds.

    Attributes:
        pending: the text that was not returned yet; another thread may draw it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = clock()
        self.pending = ""

    def take(self, piece: str) -> Iterator[str]:
        """Add a piece; yield the text of blocks that have ended, now and then."""
        self.pending += piece
        if "\n" not in piece or self._clock() - self._looked < INTERVAL_SECONDS:
            return
        if end := _begin_of_last(self.pending):
            ended, self.pending = self.pending[:end], self.pending[end:]
            yield ended
        self._looked = self._clock()

    def rest(self) -> str:
        """Return what is left, when nothing more comes."""
        text, self.pending = self.pending, ""
        return text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the end of the pending block, as much as fits on the screen."""
        text = self.pending
        if len(text) > _TAIL_CHARACTERS:
            block: Rendered | Text = Text(text[-_TAIL_CHARACTERS:])
        else:
            block = Rendered(text)
        lines = console.render_lines(block, options, pad=False)
        for line in lines[-max(1, console.height - 3) :]:
            yield from line
            yield Segment.line()


def _begin_of_last(text: str) -> int:
    """Return where the last block begins; 0 when there is only one."""
    try:
        blocks = [token for token in _PARSER.parse(text) if token.level == 0 and token.map]
    except Exception:  # noqa: BLE001 - as above
        return 0
    if not blocks or blocks[-1].map is None:
        return 0
    # Lines as CommonMark has them: `splitlines` knows more ends of lines.
    return sum(len(line) + 1 for line in text.split("\n")[: blocks[-1].map[0]])
