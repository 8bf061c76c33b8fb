"""The line that a person types: editing, history, pasted lines, completed commands.

Loaded for a terminal only: prompt_toolkit takes 0.2 s of CPU to import.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle

KEPT_ENTRIES = 1000
# Around a message of several lines.
QUOTES = '"""'


class Prompt:
    """Asks for messages."""

    def __init__(self, history: Path | None, commands: Sequence[str]) -> None:
        """`history` is the file of earlier messages; without one they are forgotten at the end."""
        self._session: PromptSession[str] = PromptSession(
            HTML("<b>&gt;</b> "),
            history=_history(history),
            completer=_Commands(commands),
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            reserve_space_for_menu=0,
            key_bindings=_keys(),
            multiline=True,
            prompt_continuation="  ",
            enable_open_in_editor=True,
        )

    def lines(self) -> Iterator[str]:
        """Yield what is typed, without empty messages, until Ctrl-D or a second Ctrl-C."""
        interrupted = False
        while True:
            try:
                text = _unquoted(self._session.prompt().strip())
            except EOFError:
                return
            except KeyboardInterrupt:
                if interrupted:
                    return
                interrupted = True
                print("Ctrl-C again, or Ctrl-D, leaves")
                continue
            interrupted = False
            if text:
                yield text


class _Commands(Completer):
    def __init__(self, commands: Sequence[str]) -> None:
        self._commands = commands

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        for command in self._commands:
            if text.startswith("/") and command.startswith(text):
                yield Completion(command, start_position=-len(text))


def _quoted(text: str) -> bool:
    return len(text) >= 2 * len(QUOTES) and text.startswith(QUOTES) and text.endswith(QUOTES)


def _unquoted(text: str) -> str:
    return text.removeprefix(QUOTES).removesuffix(QUOTES).strip() if _quoted(text) else text


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.text.startswith(QUOTES) and not _quoted(buffer.text.rstrip()):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def break_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    def clear_or_leave(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    return keys


def _history(file: Path | None) -> History:
    if file is None:
        return InMemoryHistory()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only the user may read the messages to an agent.
        os.close(os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        _shorten(file)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))


def _shorten(file: Path) -> None:
    """Keep the last entries: each begins with a comment, and has a `+` before each line."""
    entries = file.read_text("utf-8", errors="replace").split("\n# ")
    if len(entries) > KEPT_ENTRIES:
        file.write_text("\n# " + "\n# ".join(entries[-KEPT_ENTRIES:]), "utf-8")


@contextlib.contextmanager
def without_echo(descriptor: int) -> Iterator[None]:
    """Keep what is typed meanwhile for the next prompt, and off the screen."""
    import termios  # noqa: PLC0415 - not every system has it

    before = termios.tcgetattr(descriptor)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
