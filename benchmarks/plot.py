"""A run as one picture: SVG, written by hand, for it is bars and text."""

from collections.abc import Sequence
from html import escape

from benchmarks.goals import Goal
from benchmarks.relay.measuring import Load
from benchmarks.relay.samples import ByLoad, Spread, not_comparable, spread

WIDTH, LABELS, FIGURES = 960, 420, 130
ROW, BAR, HEAD, MARGIN = 20, 12, 44, 16
_BARS = WIDTH - LABELS - FIGURES - 2 * MARGIN
_COLOURS = {True: "#2f7d5b", False: "#b9c3c9"}
_MISSED, _INK, _GRID = "#b5533c", "#263238", "#78909c"
_STYLE = f"font: 12px sans-serif; fill: {_INK}"


class Picture:
    """Rows of bars, one under another."""

    def __init__(self) -> None:
        self._y = MARGIN
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """Begin a group of bars."""
        self._y += HEAD
        self._text(MARGIN, self._y - 12, text, 'font-weight="bold"')

    def bar(self, label: str, value: Spread, most: float, shown: str, colour: str) -> None:
        """Add a bar to `most`, the longest there is, with a whisker from minimum to maximum."""
        x, middle = MARGIN + LABELS, self._y + ROW / 2
        self._text(x - 8, middle + 4, label, 'text-anchor="end"')
        width = _BARS * min(value["median"] / most, 1)
        self._parts.append(
            f'<rect x="{x}" y="{middle - BAR / 2}" width="{width:.1f}" height="{BAR}"'
            f' fill="{colour}"/>'
        )
        ends = [x + _BARS * min(value[end] / most, 1) for end in ("min", "max")]
        self._line(ends[0], middle, ends[1], middle, _INK)
        self._text(x + _BARS + 8, middle + 4, shown)
        self._y += ROW

    def note(self, label: str, text: str) -> None:
        """Add a row without a bar."""
        self._text(MARGIN + LABELS - 8, self._y + ROW / 2 + 4, label, 'text-anchor="end"')
        self._text(MARGIN + LABELS, self._y + ROW / 2 + 4, text, 'font-style="italic"')
        self._y += ROW

    def mark(self, share: float, rows: int) -> None:
        """Draw a line through the last rows where a bar of that share ends."""
        x = MARGIN + LABELS + _BARS * share
        self._line(x, self._y - rows * ROW, x, self._y, _GRID)

    def svg(self) -> str:
        """Return the document."""
        height = self._y + MARGIN
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" style="{_STYLE}">'
        )
        white = '<rect width="100%" height="100%" fill="white"/>'
        return "\n".join([head, white, *self._parts, "</svg>\n"])

    def _text(self, x: float, y: float, text: str, more: str = "") -> None:
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>')

    def _line(self, x: float, y: float, to_x: float, to_y: float, colour: str) -> None:
        self._parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"/>'
        )


def plot(relay: ByLoad, judged: Sequence[Goal], ours: str) -> str:
    """Draw CPU of a chunk for each load, and how the goals came out."""
    picture = Picture()
    for load in dict.fromkeys(load for _, load in relay):
        _costs(picture, relay, load, ours)
    _goals(picture, judged)
    return picture.svg()


def _costs(picture: Picture, relay: ByLoad, load: Load, ours: str) -> None:
    picture.heading(f"{load}: CPU of a chunk, µs")
    rows = {stack: rounds for (stack, each), rounds in relay.items() if each == load}
    costs = {
        stack: spread([each["cpu_us_per_chunk"] for each in rounds])
        for stack, rounds in rows.items()
    }
    most = max(each["max"] for each in costs.values())
    for stack, cost in costs.items():
        late = not_comparable(rows[stack])
        if late:
            picture.note(stack, f"not compared: {late}")
        else:
            colour = _COLOURS[stack.startswith(ours)]
            picture.bar(stack, cost, most, f"{cost['median']:.1f}", colour)


def _goals(picture: Picture, judged: Sequence[Goal]) -> None:
    picture.heading("Goals: a bar that ends before the line meets its target")
    for goal in judged:
        found = goal.spread
        if found is None:
            picture.note(goal.name, goal.verdict)
            continue
        # a share of what is allowed, whichever way the goal goes
        shares = [
            goal.target / value if goal.at_least else value / goal.target for value in goal.measured
        ]
        colour = _MISSED if goal.missed_by > 0 else _COLOURS[True]
        shown = f"{found['median']:.2f} of {goal.target:g} {goal.unit}"
        picture.bar(goal.name, spread(shares), 2, shown, colour)
    picture.mark(0.5, len(judged))
