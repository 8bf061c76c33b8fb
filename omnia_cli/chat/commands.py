"""What a person may type instead of a message: lines that begin with a slash."""

import base64
import difflib
import shlex
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from omnia_cli.chat.about import about
from omnia_cli.chat.attachment import CannotAttach, attachment
from omnia_cli.chat.composed_prompt import PromptHidden, composed_prompt
from omnia_cli.chat.conversation import Conversation
from omnia_cli.chat.editor import EditFailed, edited
from omnia_cli.chat.failures import SessionUnknown
from omnia_cli.chat.forking import ForkFailed, fork_before
from omnia_cli.chat.listing import ListFailed, Listing
from omnia_cli.chat.past import past_turns
from omnia_cli.chat.terminal import TerminalScreen, past_lines, steps_lines
from omnia_cli.chat.turn import TOOL, Turn, arguments_line, dollars, facts
from omnia_cli.chat.variables import variables_of
from omnia_cli.control_characters import visible
from omnia_cli.counted import counted
from omnia_cli.session_requests import SessionRefused, cancel_turn, name_session
from omnia_core.jsonvalue import JsonObject

LISTED = 10
# In place of a version: that which the agent chooses.
AS_IT_COMES = "default"


class Leave(Exception):
    """The person wants to leave."""


@dataclass
class Commands:
    """The commands of one conversation.

    Attributes:
        attached: the parts that go with the next message.
    """

    conversation: Conversation
    screen: TerminalScreen
    console: Console
    sessions: Listing
    environ: Mapping[str, str]
    attached: list[JsonObject] = field(default_factory=list)
    _listed: list[JsonObject] = field(default_factory=list)
    _sent: list[JsonObject] = field(default_factory=list)

    def take(self, line: str) -> None:
        """Send what was typed, or run the command that it is.

        Raises:
            Leave: the conversation is to end.
            ChatFailed: the agent cannot be reached any more.
        """
        if line.startswith("/") and not line.startswith("//"):
            self.run(line)
            return
        text = line.removeprefix("/") if line.startswith("//") else line
        self._send(text, self.attached)

    def run(self, line: str) -> None:
        """Run a command.

        Raises:
            Leave: the conversation is to end.
            ChatFailed: the agent cannot be reached any more.
        """
        name, _, argument = line.partition(" ")
        command = COMMANDS.get(name)
        if command is None:
            near = difflib.get_close_matches(name, COMMANDS, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            self._say(
                f"no command {name}{meant} /help lists them; // begins a message with a slash"
            )
            return
        command.run(self, argument.strip())

    def help(self, _: str) -> None:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        for name, command in COMMANDS.items():
            table.add_row(Text(f"{name} {command.argument}".strip()), command.does)
        self.console.print(Padding(table, (0, 0, 0, 2)))
        self._say(
            "Enter sends, Alt-Enter begins a new line; a paste is one message. Ctrl-C stops an"
            " answer, Ctrl-D leaves."
        )

    def new(self, _: str) -> None:
        self.conversation.switch()
        self.screen.turns.clear()

    def list(self, _: str) -> None:
        try:
            self._listed = self.sessions()[:LISTED]
        except ListFailed as error:
            self._say(str(error))
            return
        if not self._listed:
            self._say("no conversation with this agent is kept")
        for number, session in enumerate(self._listed, 1):
            here = "▸" if session["id"] == self.conversation.session_id else " "
            name = visible(str(session.get("name") or session["id"]))
            when = visible(str(session["active_at"])[:16].replace("T", " "))
            turns = counted(int(session["turns"]), "turn")
            cost = dollars(float(session.get("cost_usd") or 0))
            text = Text(f"{here}{number:>2} ", no_wrap=True, overflow="ellipsis")
            text.append(f"{when}  {turns:<9} {cost:<8} ", style="dim")
            self.console.print(text.append(name))

    def resume(self, argument: str) -> None:
        wanted = argument or "1"
        if wanted.isdecimal():
            if not self._listed:
                try:
                    self._listed = self.sessions()[:LISTED]
                except ListFailed as error:
                    self._say(str(error))
                    return
            if not 1 <= int(wanted) <= len(self._listed):
                self._say(f"no conversation {wanted}; /sessions lists them")
                return
            wanted = str(self._listed[int(wanted) - 1]["id"])
        try:
            self.conversation.switch(wanted)
        except SessionUnknown as error:
            self._say(str(error))
            return
        self.screen.turns.clear()
        self.show_past()

    def show_past(self, last: int = 2) -> None:
        """Show the end of a resumed conversation."""
        past = past_turns(self.conversation, last)
        if past and past.said:
            self.console.print(past_lines(past))

    def info(self, _: str) -> None:
        self._say(f"session  {self.conversation.session_id}")
        self._say(f"address  {self.conversation.url}")
        self._say(f"here     {self.screen.sums or 'no turn yet'}")

    def tools(self, _: str) -> None:
        calls = [step for turn in self._turns for step in turn.steps if step.kind == TOOL]
        if not calls:
            self._say("no tool was called here yet")
        for name in dict.fromkeys(step.name for step in calls):
            same = [step for step in calls if step.name == name]
            failed = sum(step.failed for step in same)
            text = Text(f"  {visible(name)}", style="bold")
            text.append(f"  {counted(len(same), 'call')}", style="not bold dim")
            text.append(f", {failed} failed" if failed else "", style="red")
            last = arguments_line(same[-1].arguments)
            self.console.print(text.append(f"  last: {visible(last)}", style="not bold dim"))

    def steps(self, _: str) -> None:
        if not self._turns:
            self._say("there is no turn yet")
            return
        self.console.print(steps_lines(self._turns[-1], self.console.width))
        self._say(facts(self._turns[-1]))

    def step(self, argument: str) -> None:
        steps = self._turns[-1].steps if self._turns else []
        if not argument.isdecimal() or not 1 <= int(argument) <= len(steps):
            self._say("/step N shows a step of the last turn; /steps lists them")
            return
        step = steps[int(argument) - 1]
        self.console.print(Text(visible(step.name), style="bold"))
        for what, value in (("arguments", step.arguments), ("result", step.result)):
            if value is not None:
                self._say(what)
                text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
                self.console.print(Text(visible(text)))
        if step.outcome:
            self._say(step.outcome)

    def again(self, _: str) -> None:
        if not self._turns:
            self._say("there is no message to send again")
            return
        last = self._turns[-1].message
        if self._before_last():
            self.conversation.turn(last, self._sent)

    def edit(self, argument: str) -> None:
        if argument not in ("", "new"):
            self._say("/edit changes the last message; /edit new begins with an empty one")
            return
        last = "" if argument or not self._turns else self._turns[-1].message
        try:
            text = edited(last, self.environ)
        except EditFailed as error:
            self._say(str(error))
            return
        if not text:
            self._say("the message is empty: nothing is sent")
        elif not last or self._before_last():
            self.console.print(Text(visible(f"> {text}")))
            self._send(text, self._sent if last else self.attached)

    def _before_last(self) -> bool:
        """Go on before the last turn; return whether a message may be sent now.

        Where the agent cannot do this, the message follows what was said.
        """
        try:
            session = fork_before(self.conversation, self._turns[-1].message)
            if session:
                self.conversation.switch(session)
        except ForkFailed as error:
            if error.unsupported:
                self._say(f"the last turn stays in the conversation: {error}")
                return True
            self._say(str(error))
            return False
        return True

    def _send(self, text: str, parts: Sequence[JsonObject]) -> None:
        self._sent, self.attached = list(parts), []
        self.conversation.turn(text, self._sent)

    def vars(self, argument: str) -> None:
        try:
            given = variables_of(shlex.split(argument))
        except ValueError as error:
            self._say(f"/vars NAME=VALUE…: {error}")
            return
        self.conversation.variables |= given
        for name in [name for name, value in given.items() if not value]:
            del self.conversation.variables[name]
        for name, value in self.conversation.variables.items():
            self._say(f"{name}={value}")
        if not self.conversation.variables:
            self._say("no variable is set: /vars NAME=VALUE sets one, /vars NAME= removes it")

    def prompt(self, version: str) -> None:
        try:
            shown = composed_prompt(self.conversation, version)
        except PromptHidden as error:
            self._say(str(error))
            return
        text = Text()
        for part, variable in shown.parts:
            text.append(visible(part), style="bold yellow" if variable else "")
        self.console.print(text)
        self._say(f"version {shown.version}, about {shown.tokens} tokens; variables are bold")
        for problem in shown.problems:
            self._say(problem)

    def version(self, wanted: str) -> None:
        agent = about(self.conversation)
        known = agent.versions
        if agent.inline:
            self._say("the prompt of this agent is in its AgentRuntime, and has no versions")
        elif not wanted:
            for version, weight in known:
                self._say(f"{version}  {weight} % of new conversations")
            chosen = self.conversation.version
            self._say(f"/version V begins a conversation with one; now: {chosen or AS_IT_COMES}")
        elif wanted != AS_IT_COMES and known and wanted not in dict(known):
            there = ", ".join(version for version, _ in known)
            self._say(
                f'there is no version "{visible(wanted)}" of the PromptPack; there is {there}'
            )
        elif wanted != AS_IT_COMES and agent.tries is False:
            self._say("this agent lets no conversation try a version: set OMNIA_TRIAL of its pods")
        else:
            self.conversation.version = "" if wanted == AS_IT_COMES else wanted
            self.new("")

    def raw(self, _: str) -> None:
        answered = [turn for turn in self._turns if turn.pieces]
        if answered:
            self.console.print(Text(visible(answered[-1].text)))
        else:
            self._say("there is no answer yet")

    def cancel(self, _: str) -> None:
        try:
            session = self.conversation.session_id
            cancel_turn(self.conversation.url, session, self.conversation.token)
        except SessionRefused as error:
            self._say(str(error))
        else:
            self._say("the running turn of this conversation ends")

    def name(self, argument: str) -> None:
        if not argument:
            self._say("/name TEXT gives this conversation a name")
            return
        talk = self.conversation
        try:
            name = name_session(talk.url, talk.session_id, talk.token, argument)
        except SessionRefused as error:
            self._say(str(error))
        else:
            self._say(f"this conversation is called {visible(name)}")

    def copy(self, _: str) -> None:
        answered = [turn for turn in self._turns if turn.pieces]
        if not answered:
            self._say("there is no answer to copy")
            return
        # OSC 52 of xterm: the terminal puts the text into the clipboard, also through ssh.
        coded = base64.b64encode(answered[-1].text.encode()).decode()
        self.console.file.write(f"\x1b]52;c;{coded}\x07")
        self.console.file.flush()
        self._say("copied, where the terminal allows it")

    def attach(self, argument: str) -> None:
        try:
            self.attached.append(attachment(Path(argument).expanduser()))
        except CannotAttach as error:
            self._say(str(error))
        else:
            self._say(f"{argument} goes with the next message")

    def save(self, argument: str) -> None:
        if not argument:
            self._say("/save FILE writes what was said here as Markdown, or as JSON to FILE.json")
            return
        file = Path(argument).expanduser()
        said = [{"message": turn.message, "answer": turn.text} for turn in self._turns]
        text = "\n\n".join(f"> {turn['message']}\n\n{turn['answer']}" for turn in said)
        as_json = orjson.dumps(said, option=orjson.OPT_INDENT_2).decode()
        try:
            file.write_text((as_json if file.suffix == ".json" else text) + "\n", "utf-8")
        except OSError as error:
            self._say(f"{file} cannot be written: {error.strerror}")
        else:
            self._say(f"{counted(len(said), 'turn')} written to {file}")

    def open(self, _: str) -> None:
        parts = urlsplit(self.conversation.url)
        scheme = "https" if parts.scheme == "wss" else "http"
        page = parts._replace(scheme=scheme, path=parts.path.removesuffix("ws"), query="").geturl()
        self._say(page)
        webbrowser.open(page)

    def quit(self, _: str) -> None:
        raise Leave

    @property
    def _turns(self) -> Sequence[Turn]:
        return self.screen.turns

    def _say(self, text: str) -> None:
        self.screen.note(text)


class Command(NamedTuple):
    """One command: its argument for the help, its description, and its function."""

    argument: str
    does: str
    run: Callable[[Commands, str], None]


COMMANDS: dict[str, Command] = {
    "/help": Command("", "list the commands and keys", Commands.help),
    "/new": Command("", "begin a new conversation", Commands.new),
    "/sessions": Command("", "list the conversations with this agent", Commands.list),
    "/resume": Command("[N|ID]", "go on with one of them; without N the newest", Commands.resume),
    "/name": Command("TEXT", "give this conversation a name", Commands.name),
    "/info": Command("", "session, address, cost", Commands.info),
    "/tools": Command("", "the tools that were called here", Commands.tools),
    "/steps": Command("", "where the time of the last turn went", Commands.steps),
    "/step": Command("N", "arguments and result of a step", Commands.step),
    "/again": Command("", "have the last message answered again", Commands.again),
    "/edit": Command("[new]", "change the last message, or write one, in $EDITOR", Commands.edit),
    "/vars": Command("[K=V]", "variables of the prompt: set, remove by K=, list", Commands.vars),
    "/prompt": Command("[VERSION]", "the prompt as the model gets it", Commands.prompt),
    "/version": Command(
        "[V]", "a new conversation with a version of the PromptPack; list them", Commands.version
    ),
    "/attach": Command("FILE", "send a file with the next message", Commands.attach),
    "/cancel": Command("", "stop the turn that another client began here", Commands.cancel),
    "/copy": Command("", "copy the last answer to the clipboard", Commands.copy),
    "/raw": Command("", "the last answer as the agent wrote it", Commands.raw),
    "/save": Command("FILE", "write what was said to FILE.md or FILE.json", Commands.save),
    "/open": Command("", "open the console in the browser", Commands.open),
    "/quit": Command("", "leave, as Ctrl-D", Commands.quit),
}
