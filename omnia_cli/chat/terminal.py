"""The screen of a person: answers as Markdown while they arrive, and a line of progress."""

import threading

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from omnia_cli.chat.about import About
from omnia_cli.chat.client_tool import asked_result
from omnia_cli.chat.markdown import Blocks, Rendered
from omnia_cli.chat.past import Past
from omnia_cli.chat.turn import MODEL, TOOL, Turn, advice_line, arguments_line, dollars, facts
from omnia_cli.control_characters import visible
from omnia_cli.counted import counted
from omnia_core.jsonvalue import JsonObject

FRAMES_PER_SECOND = 8
_QUIET_SECONDS = 0.3


class TerminalScreen:
    """Shows a conversation in a terminal.

    Attributes:
        turns: what happened, the last turn at the end.
    """

    def __init__(self, console: Console, agent: str) -> None:
        self._console = console
        self._agent = agent
        self._model = agent
        self._progress: _Progress | None = None
        self._blocks = Blocks()
        self._begun = False
        self.turns: list[Turn] = []

    def session(self, session_id: str, *, resumed: bool) -> None:
        name = Text(visible(self._agent), style="bold")
        word = "resumed session" if resumed else "session"
        self._console.print(name.append(f"  {word} {visible(session_id)}", style="not bold dim"))

    @property
    def sums(self) -> str:
        """How many turns there were here, and what they cost; "" for none."""
        costs = [((each.done or {}).get("usage") or {}).get("cost_usd") or 0 for each in self.turns]
        told = counted(len(costs), "turn"), dollars(sum(costs))
        return ", ".join(filter(None, told)) if costs else ""

    def introduce(self, agent: About) -> None:
        """Show what the agent tells of itself, and a question to begin with."""
        self._model = agent.model or self._agent
        if agent.line:
            self.note(agent.line)
        if agent.examples:
            self.note(f"Try: {agent.examples[0]}")

    def sent(self, message: str) -> None:
        self.turns.append(Turn(self._model, message))
        self._blocks = Blocks()
        self._begun = False
        self._wait()

    def ask(self, call: JsonObject) -> JsonObject:
        """Ask the person for the result of a tool call; return the rest of its `tool_result`.

        Raises:
            KeyboardInterrupt: the person stops the answer.
        """
        self._flush()
        self.ended()
        answer = asked_result(call, self._console)
        self.receive({"type": "tool_result", "tool_result": {"id": call["id"], **answer}})
        self._wait()
        return answer

    def _wait(self) -> None:
        """Show what the last turn waits for, until something else is shown."""
        self._progress = _Progress(self._console, _Waiting(self.turns[-1], self._blocks))

    def _print(self, renderable: RenderableType = "", end: str = "\n") -> None:
        """Print something, above the progress if there is one."""
        if self._progress:
            self._progress.print(renderable, end)
        else:
            self._console.print(renderable, end=end)

    def receive(self, frame: JsonObject) -> None:
        if not self.turns:
            return
        turn = self.turns[-1]
        turn.take(frame)
        match frame["type"]:
            case "chunk":
                for block in self._blocks.take(visible(str(frame["content"]))):
                    self._show(block)
            case "tool_call":
                self._flush()
            case "tool_result":
                self._flush()
                self._tool(turn, str(frame["tool_result"]["id"]))
            case "done":
                self._done(turn, frame)
            case "error":
                self._flush()
                self.ended()
                error = frame["error"]
                if advice := advice_line(error):
                    self._print(Text(visible(advice), style="red"))
                text = Text(visible(f"{error['message']} "), style="dim red" if advice else "red")
                self._print(text.append(visible(str(error["code"])), style="dim red"))
            case _:
                pass

    def cut(self) -> None:
        self._flush()
        self.note("the answer was interrupted here; its text so far is stored", problem=True)

    def note(self, text: str, *, problem: bool = False, end: str = "\n") -> None:  # noqa: ARG002 - the port's
        # Always a whole line, because the line of progress is drawn below it.
        self._print(Text(visible(text).rstrip(), style="red" if problem else "dim"))

    def ended(self) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None

    def _done(self, turn: Turn, frame: JsonObject) -> None:
        if not turn.pieces:
            self._blocks = Blocks()
            self._show(visible(str(frame.get("content", ""))))
        self._flush()
        self.ended()
        if frame.get("finish_reason") == "cancelled":
            self.note("Stopped. The text so far is stored.")
        self.note(facts(turn))
        self._print()

    def _tool(self, turn: Turn, call_id: str) -> None:
        step = turn.tool(call_id)
        if step is None:
            return
        line = Text("● ", style="red" if step.failed else "green")
        line.append(visible(step.name), style="bold default")
        line.append(f" {visible(arguments_line(step.arguments))}", style="default")
        if step.failed:
            line.append(f"  failed {visible(step.outcome)}", style="red")
        else:
            line.append(f"  done {(step.ended or 0) - step.began:.2f} s", style="dim")
        self._print(line)
        self._begun = True

    def _flush(self) -> None:
        if rest := self._blocks.rest():
            self._show(rest)

    def _show(self, block: str) -> None:
        if not block.strip():
            return
        if self._begun:
            self._print()
        self._print(Rendered(block), end="")
        self._begun = True


class _Progress:
    """Draws something below what is printed, again and again, until it is stopped.

    Rich's own thread may draw between the two halves of a print of another thread: the place of
    the cursor, and what goes there. A line of the answer is then written over.
    """

    def __init__(self, console: Console, renderable: RenderableType) -> None:
        self._live = Live(
            renderable,
            console=console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._live.start()
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._thread.start()

    def print(self, renderable: RenderableType, end: str) -> None:
        """Print something above it."""
        with self._lock:
            self._live.console.print(renderable, end=end)

    def stop(self) -> None:
        """Remove it."""
        self._stopped.set()
        self._thread.join()
        self._live.stop()

    def _draw(self) -> None:
        while not self._stopped.wait(1 / FRAMES_PER_SECOND):
            with self._lock:
                self._live.refresh()


class _Waiting:
    """What has not come yet: the model, a tool, or the rest of a block."""

    def __init__(self, turn: Turn, blocks: Blocks) -> None:
        self._turn = turn
        self._blocks = blocks
        self._spinner = Spinner("dots", style="dim")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._blocks.pending.strip():
            yield self._blocks
            return
        step = self._turn.running
        if step is None or (waited := self._turn.seconds - step.began) < _QUIET_SECONDS:
            return
        doing = "asking" if step.kind == MODEL else "running"
        keys = "Ctrl-C stops the answer"
        text = f"{doing} {visible(step.name)}, {waited:.0f} s · {keys}"
        self._spinner.update(text=Text(text, style="dim", no_wrap=True, overflow="ellipsis"))
        yield self._spinner


def steps_lines(turn: Turn, width: int) -> Text:
    """Draw the steps of a turn as bars, one a line, each `width` characters wide at most."""
    total = max((step.ended or turn.seconds for step in turn.steps), default=0.0) or 1.0
    names = max((len(step.name) for step in turn.steps), default=0)
    room = max(10, min(40, width - names - 20))
    text = Text(no_wrap=True, overflow="ellipsis")
    for number, step in enumerate(turn.steps, 1):
        ended = step.ended or turn.seconds
        begin = int(room * step.began / total)
        size = max(1, round(room * (ended - step.began) / total))
        bar = (" " * begin + "━" * size)[:room].ljust(room)
        text.append(f"{number:>2} {visible(step.name).ljust(names)} ")
        style = "red" if step.failed else "cyan" if step.kind == TOOL else "dim"
        text.append(bar, style=style)
        outcome = "" if step.outcome == "done" else f"  {visible(step.outcome)}"
        text.append(f" {ended - step.began:.2f} s{outcome}\n")
    text.rstrip()
    return text


def past_lines(past: Past) -> Text:
    """Draw earlier turns, dimmed, with an empty line at the end."""
    text = Text(style="dim")
    if past.earlier:
        text.append(f"… {counted(past.earlier, 'earlier turn')}\n")
    for role, said in past.said:
        text.append(f"{'> ' if role == 'user' else ''}{visible(said)}\n")
    return text
