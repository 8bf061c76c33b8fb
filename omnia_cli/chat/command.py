"""The ways to talk: one message, the lines of a pipe, or a person at a terminal."""

import contextlib
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from omnia_cli.chat.conversation import Ask, Conversation, Reach
from omnia_cli.chat.listing import ListFailed, Listing
from omnia_cli.chat.screen import JsonScreen, LineScreen, Screen
from omnia_cli.local.report import Serving
from omnia_cli.state import state_home
from omnia_core.jsonvalue import JsonObject

# What a shell reports of a program that Ctrl-C ended.
STOPPED = 130


@dataclass(frozen=True)
class Chat:
    """One run of `omnia chat`.

    Attributes:
        agent: the name or address as it was given.
        here: the agent, if it was found by its name on this machine.
        namespace: that of an agent of a cluster.
        command: what a user types to talk to this agent; shown at the end, with the session.
        variables: of the prompt.
        version: of the PromptPack that answers; "" for what the agent chooses.
    """

    reach: Reach
    agent: str
    here: Serving | None
    namespace: str | None
    command: str
    sessions: Listing
    environ: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    def newest(self) -> str:
        """Return the id of the newest session.

        Raises:
            ListFailed: there is none, or they cannot be listed.
        """
        found = self.sessions()
        if not found:
            raise ListFailed(f'no conversation with "{self.agent}" is kept; begin one')
        return str(found[0]["id"])

    def run(
        self,
        session_id: str | None,
        message: str | None,
        parts: Sequence[JsonObject] = (),
        *,
        json: bool = False,
        quiet: bool = False,
        plain: bool = False,
    ) -> int:
        """Talk; return the exit code.

        Raises:
            ChatFailed: the agent cannot be reached or does not know the session, or refused to go
                on.
        """
        person = sys.stdin.isatty() and sys.stdout.isatty()
        if message is None and person and not (json or quiet or plain):
            self._talk(session_id)
            return 0
        screen = _screen(one=message is not None, json=json, quiet=quiet)
        conversation = self._conversation(screen, session_id)
        if message is not None:
            with conversation:
                answered = conversation.turn(message, parts)
            return STOPPED if conversation.stopped else int(not answered)
        failed = self._talk_in_lines(conversation, screen)
        # A person has seen the error; a script needs the exit code.
        return int(failed > 0 and not person)

    def _talk(self, session_id: str | None) -> None:
        """Talk with a person at a terminal until they leave."""
        # For a person only: these take 0.3 s of CPU to import.
        from omnia_cli.chat.about import about  # noqa: PLC0415 - as above
        from omnia_cli.chat.commands import COMMANDS, Commands, Leave  # noqa: PLC0415 - as above
        from omnia_cli.chat.prompt import Prompt, without_echo  # noqa: PLC0415 - as above
        from omnia_cli.chat.terminal import TerminalScreen  # noqa: PLC0415 - as above

        console = Console(highlight=False)
        screen = TerminalScreen(console, self.agent)
        with self._conversation(screen, session_id, screen.ask) as conversation:
            screen.introduce(about(conversation))
            screen.note("/help lists commands, Ctrl-C stops an answer, Ctrl-D leaves")
            console.print()
            commands = Commands(conversation, screen, console, self.sessions, self.environ)
            if session_id is not None:
                commands.show_past()
            prompt = Prompt(self._history_file(), tuple(COMMANDS))
            try:
                for line in prompt.lines():
                    with without_echo(sys.stdin.fileno()):
                        commands.take(line)
            except Leave:
                pass
            finally:
                self._show_command(conversation, screen, screen.sums)

    def _conversation(
        self, screen: Screen, session_id: str | None, ask: Ask | None = None
    ) -> Conversation:
        return Conversation(self.reach, screen, session_id, self.variables, self.version, ask)

    def _talk_in_lines(self, conversation: Conversation, screen: Screen) -> int:
        """Send each line of standard input; return how many turns failed."""
        with conversation:
            try:
                return sum(not conversation.turn(line) for line in _lines())
            finally:
                self._show_command(conversation, screen)

    def _show_command(self, conversation: Conversation, screen: Screen, sums: str = "") -> None:
        if sums:
            screen.note(sums)
        if conversation.resumable:
            screen.note(f"go on with: {self.command} --session {conversation.session_id}")

    def _history_file(self) -> Path:
        """Return the file with what a person typed to the agent."""
        if self.here is None:
            return self._typed(f"{self.namespace or ''}/{self.agent}")
        file = self._typed(f"/{self.here.namespace}/{self.here.name}")
        if not file.exists():
            # Its name had the agent's name alone before.
            with contextlib.suppress(OSError):
                self._typed(f"/{self.here.name}").rename(file)
        return file

    def _typed(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return state_home(self.environ) / "chat" / f"{digest}.history"


def _screen(*, one: bool, json: bool, quiet: bool) -> Screen:
    answers = Console(soft_wrap=True, highlight=False)
    notes = Console(stderr=True, soft_wrap=True, highlight=False, quiet=quiet)
    if json:
        return JsonScreen(answers, notes)
    return LineScreen(notes, answers) if one or quiet else LineScreen(answers)


def _lines() -> Iterator[str]:
    """Yield the lines of standard input, without the empty ones."""
    with contextlib.suppress(KeyboardInterrupt):
        for line in iter(sys.stdin.readline, ""):
            if line.strip():
                yield line.strip()
