"""The output of `omnia up`: a table for people, one JSON object a line for programs."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import orjson
from rich.console import Console
from rich.markup import escape

from omnia_cli.control_characters import visible
from omnia_cli.program import program
from omnia_core.names import Door, Mode


class AgentState(StrEnum):
    """Whether an agent answers already."""

    STARTING = "starting"
    READY = "ready"


@dataclass(frozen=True)
class Serving:
    """A running agent or function; `console` is the URL of its page, `history` the URL of the
    history of its sessions ("" without one), `sessions` their file ("" without one), `log` the file
    with the lines that its programs printed, `doors` the URLs of the protocols besides WebSocket,
    `control` the socket of its `omnia up`.
    """

    namespace: str
    name: str
    mode: Mode
    url: str
    console: str
    pids: dict[str, int]
    health: dict[str, str]
    history: str = ""
    sessions: str = ""
    log: str = ""
    doors: Mapping[str, str] = field(default_factory=dict)
    state: AgentState = AgentState.READY
    control: str = ""

    @property
    def how(self) -> str:
        """The command that talks to it."""
        if self.mode is Mode.AGENT:
            return f"{program()} chat {self.name}"
        return f"{program()} call {self.name} '{{…}}'"

    @property
    def copied(self) -> dict[str, str]:
        """For each door, a line to copy into a client of its protocol."""
        return {
            door: _LINES[door].format(url=url, name=self.name) for door, url in self.doors.items()
        }


_LINES: Mapping[str, str] = {
    Door.CHAT: 'new DefaultChatTransport({{ api: "{url}" }})',
    Door.OPENAI: "export OPENAI_BASE_URL={url} OPENAI_API_KEY=none",
    Door.AGUI: 'new HttpAgent({{ url: "{url}" }})',
    Door.A2A: "curl {url}",
    Door.MCP: '{{"mcpServers": {{"{name}": {{"url": "{url}"}}}}}}',
}


class Reporter(Protocol):
    """Receives the events of `omnia up`."""

    def ready(self, agent: Serving) -> None:
        """An agent serves."""

    def serving(self, agents: list[Serving], sessions: Path | None) -> None:
        """Every agent that can run is running; `sessions` is the file of their conversations."""

    def reloaded(self, name: str) -> None:
        """A change of its manifests is in use."""

    def failed(self, name: str, reason: str) -> None:
        """An agent or server does not run, or its change is not in use."""

    def repaired(self, name: str) -> None:
        """What was reported as failed of its manifests is right again, and in use."""

    def note(self, name: str, text: str) -> None:
        """Something that differs from a cluster."""

    def line(self, title: str, text: str) -> None:
        """A process printed a line."""


class JsonReporter:
    """One JSON object a line on standard output; notes and lines on standard error."""

    def ready(self, agent: Serving) -> None:
        self._print(
            event="ready",
            kind="AgentRuntime",
            namespace=agent.namespace,
            name=agent.name,
            mode=str(agent.mode),
            url=agent.url,
            console=agent.console,
            pids=agent.pids,
            health=agent.health,
            history=agent.history,
            doors=dict(agent.doors),
        )

    def serving(
        self,
        agents: list[Serving],  # noqa: ARG002 - each had its own event
        sessions: Path | None,
    ) -> None:
        self._print(event="serving", sessions=str(sessions or ""))

    def reloaded(self, name: str) -> None:
        self._print(event="reloaded", name=name)

    def failed(self, name: str, reason: str) -> None:
        self._print(event="failed", name=name, reason=reason)

    def repaired(self, name: str) -> None:
        self._print(event="repaired", name=name)

    def note(self, name: str, text: str) -> None:
        self.line(name, text)

    def line(self, title: str, text: str) -> None:
        print(f"[{title}] {text}", file=sys.stderr, flush=True)

    def _print(self, **event: object) -> None:
        sys.stdout.write(orjson.dumps(event).decode() + "\n")
        sys.stdout.flush()


class PersonReporter:
    """A table and short lines. Log lines show only from warning on, unless `verbose`."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._console = Console(highlight=False, soft_wrap=True)

    def ready(self, agent: Serving) -> None:
        self._console.print(f"[green]ready[/]  {escape(agent.name)}  {escape(agent.url)}")

    def serving(self, agents: list[Serving], sessions: Path | None) -> None:
        rows = [("NAME", "MODE", "URL", "TRY", "CONSOLE")]
        rows += [
            (agent.name, str(agent.mode), agent.url, agent.how, agent.console) for agent in agents
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        self._console.print()
        # Not a table of rich, which shortens the cells in a narrow terminal: users copy them.
        if sum(widths) + 2 * len(widths) <= self._console.width:
            for number, row in enumerate(rows):
                line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                self._console.print(escape(line.rstrip()), style="bold" if number == 0 else None)
        else:
            for agent in agents:
                self._console.print(f"[bold]{escape(agent.name)}[/]  {agent.mode}")
                for what, value in (
                    ("try", agent.how),
                    ("url", agent.url),
                    ("console", agent.console),
                ):
                    self._console.print(escape(f"  {what:<8}{value}"))
        for agent in agents:
            for door, line in agent.copied.items():
                self._console.print(escape(f"{agent.name}  {door:<7} {line}"))
        if any(agent.doors for agent in agents):
            self._console.print()
        if sessions:
            self._console.print(f"Conversations are kept in {escape(str(sessions))}.")
        self._console.print("Reloads when a manifest is saved. Ctrl-C stops everything.")

    def reloaded(self, name: str) -> None:
        self._console.print(f"[green]reloaded[/]  {escape(name)}")

    def failed(self, name: str, reason: str) -> None:
        self._console.print(f"[red]failed[/]  {escape(name)}  {escape(reason)}")

    def repaired(self, name: str) -> None:
        self._console.print(f"[green]repaired[/]  {escape(name)}  its manifests are in use again")

    def note(self, name: str, text: str) -> None:
        self._console.print(f"[yellow]note[/]  {escape(name)}  {escape(text)}")

    def line(self, title: str, text: str) -> None:
        level, readable = _readable(text)
        if self._verbose or level not in ("info", "debug"):
            self._console.print(f"[dim]\\[{escape(title)}][/] {escape(visible(readable))}")


# Fields of log lines that are left out, because the table or the title of the line has them.
_KNOWN = ("event", "level", "timestamp", "agent", "namespace")


def _readable(text: str) -> tuple[str, str]:
    """Return level and text of a log line; a line that is not structured is returned as it is."""
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "", text
    if not isinstance(fields, dict) or "event" not in fields:
        return "", text
    rest = " ".join(f"{name}={value}" for name, value in fields.items() if name not in _KNOWN)
    level = str(fields.get("level", ""))
    return level, f"{level}: {fields['event']} {rest}".rstrip()
