"""Where a conversation is shown: the port, and the screens for pipes and for programs."""

from typing import Protocol

from rich.console import Console
from rich.markup import escape

from omnia_cli.chat.turn import advice_line, usage_facts
from omnia_cli.control_characters import visible
from omnia_core.jsonvalue import JsonObject, json_bytes


class Screen(Protocol):
    """Shows a conversation."""

    def session(self, session_id: str, *, resumed: bool) -> None:
        """The conversation begins."""

    def sent(self, message: str) -> None:
        """A message was sent."""

    def receive(self, frame: JsonObject) -> None:
        """A frame of the server arrived."""

    def cut(self) -> None:
        """The connection was lost within an answer."""

    def note(self, text: str, *, problem: bool = False, end: str = "\n") -> None:
        """Something about the connection; with an `end`, more follows on the same line."""

    def ended(self) -> None:
        """Nothing more of the turn will come, whatever became of it."""


class LineScreen:
    """Lines of text as they come."""

    def __init__(self, notes: Console, answers: Console | None = None) -> None:
        """`answers` gets what the agent says, in place of `notes`, and nothing else."""
        self._notes = notes
        self._answers = answers or notes
        self._streamed = False

    def session(self, session_id: str, *, resumed: bool) -> None:
        self.note(f"{'resumed session' if resumed else 'session'} {session_id}")

    def sent(self, message: str) -> None: ...

    def ended(self) -> None: ...

    def receive(self, frame: JsonObject) -> None:
        match frame["type"]:
            case "chunk":
                self._streamed = True
                self._say(str(frame["content"]))
            case "tool_call":
                self._tool_call(frame["tool_call"])
            case "tool_result":
                self._tool_result(frame["tool_result"])
            case "done":
                self._done(frame)
            case "error":
                error = frame["error"]
                self._streamed = False
                code, why = (escape(visible(error[key])) for key in ("code", "message"))
                self._notes.print(f"\n[red]{code}[/] {why}")
                if advice := advice_line(error):
                    self.note(advice, problem=True)
            case _:
                pass

    def cut(self) -> None:
        self._streamed = False
        self._notes.print("\n[red]the answer was interrupted here; its text so far is stored[/]")

    def note(self, text: str, *, problem: bool = False, end: str = "\n") -> None:
        style = "red" if problem else "dim"
        self._notes.print(f"[{style}]{escape(visible(text))}[/]", end=end)

    def _say(self, text: str) -> None:
        # A file or another program gets the bytes; a terminal would obey them.
        text = visible(text) if self._answers.is_terminal else text
        self._answers.print(text, end="", markup=False, highlight=False)

    def _tool_call(self, call: JsonObject) -> None:
        arguments = json_bytes(call.get("arguments")).decode()
        self._notes.print(
            f"[cyan]→ {escape(visible(call['name']))}[/] {escape(visible(arguments))}"
        )

    def _tool_result(self, result: JsonObject) -> None:
        if "error" in result:
            self.note(f"← {result['error']}", problem=True)
        else:
            text = visible(json_bytes(result.get("result")).decode())
            self._notes.print(f"[cyan]←[/] {escape(text)}")

    def _done(self, frame: JsonObject) -> None:
        if not self._streamed:
            self._say(str(frame.get("content", "")))
        self._streamed = False
        self._answers.print()
        if notes := [*usage_facts(frame, "{input_tokens} tokens in · {output_tokens} tokens out")]:
            self.note(" · ".join(notes))


class JsonScreen:
    """Each frame of the server on a line of its own; notes go to standard error."""

    def __init__(self, frames: Console, notes: Console) -> None:
        self._frames = frames
        self._notes = notes

    def session(self, session_id: str, *, resumed: bool) -> None: ...

    def sent(self, message: str) -> None: ...

    def cut(self) -> None: ...

    def ended(self) -> None: ...

    def receive(self, frame: JsonObject) -> None:
        self._frames.file.write(json_bytes(frame).decode() + "\n")
        self._frames.file.flush()

    def note(self, text: str, *, problem: bool = False, end: str = "\n") -> None:  # noqa: ARG002 - the port's
        self._notes.print(escape(visible(text)), end=end)
