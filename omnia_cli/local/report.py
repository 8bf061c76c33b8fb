"""The output of `omnia up`: a table for people, one JSON object a line for programs."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import orjson
from rich.console import Console
from rich.markup import escape

from omnia_cli.control_characters import visible
from omnia_cli.program import program
from omnia_core.jsonvalue import JsonObject, json_bytes
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
    `control` the socket of its `omnia up`,
    `hub` the URL of the page of all agents ("" without one).
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
    hub: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def page(self) -> str:
        """The URL of its place in the page of all agents, else of its own page."""
        return f"{self.hub}#/a/{self.namespace}/{self.name}" if self.hub else self.console

    def is_named(self, name: str) -> bool:
        """Whether a person means it by NAME or NAMESPACE/NAME."""
        return name in (self.name, f"{self.namespace}/{self.name}")

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


@dataclass(frozen=True)
class VersionChange:
    """The versions of an agent's PromptPack for new conversations; "" where there is none."""

    before: str
    after: str


class Reporter(Protocol):
    """Receives the events of `omnia up`."""

    def ready(self, agent: Serving) -> None:
        """An agent serves."""

    def serving(self, agents: list[Serving], sessions: Path | None) -> None:
        """Every agent that can run is running; `sessions` is the file of their conversations."""

    def reloaded(self, name: str, versions: VersionChange | None = None) -> None:
        """A change of its manifests is in use; `versions` if it has another prompt now."""

    def removed(self, name: str) -> None:
        """An agent is not among the manifests any more, and has ended."""

    def failed(self, name: str, reason: str) -> None:
        """An agent or server does not run, or its change is not in use."""

    def repaired(self, name: str) -> None:
        """What was reported as failed of its manifests is right again, and in use."""

    def note(self, name: str, text: str) -> None:
        """Something that differs from a cluster."""

    def line(self, title: str, text: str) -> None:
        """A process printed a line."""


class EventReporter:
    """One JSON object for each event."""

    def __init__(self, emit: Callable[[JsonObject], None]) -> None:
        self._emit = emit

    def ready(self, agent: Serving) -> None:
        self._event(
            "ready",
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

    def serving(self, agents: list[Serving], sessions: Path | None) -> None:
        hub = next((agent.hub for agent in agents), "")
        self._event("serving", sessions=str(sessions or ""), hub=hub)

    def reloaded(self, name: str, versions: VersionChange | None = None) -> None:
        change = {"from": versions.before, "to": versions.after} if versions else {}
        self._event("reloaded", name=name, **change)

    def removed(self, name: str) -> None:
        self._event("removed", name=name)

    def failed(self, name: str, reason: str) -> None:
        self._event("failed", name=name, reason=reason)

    def repaired(self, name: str) -> None:
        self._event("repaired", name=name)

    def note(self, name: str, text: str) -> None:
        self._event("note", name=name, text=text)

    def line(self, title: str, text: str) -> None:
        """Lines of programs are no events."""

    def _event(self, event: str, **fields: object) -> None:
        self._emit({"event": event, **fields})


class JsonReporter(EventReporter):
    """One JSON object a line on standard output; notes and lines on standard error."""

    def __init__(self) -> None:
        super().__init__(_print)

    def note(self, name: str, text: str) -> None:
        self.line(name, text)

    def line(self, title: str, text: str) -> None:
        print(f"[{title}] {text}", file=sys.stderr, flush=True)


def _print(event: JsonObject) -> None:
    sys.stdout.write(json_bytes(event).decode() + "\n")
    sys.stdout.flush()


class Reporters:
    """Passes each event on to several reporters, in their order."""

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def ready(self, agent: Serving) -> None:
        for reporter in self._reporters:
            reporter.ready(agent)

    def serving(self, agents: list[Serving], sessions: Path | None) -> None:
        for reporter in self._reporters:
            reporter.serving(agents, sessions)

    def reloaded(self, name: str, versions: VersionChange | None = None) -> None:
        for reporter in self._reporters:
            reporter.reloaded(name, versions)

    def removed(self, name: str) -> None:
        for reporter in self._reporters:
            reporter.removed(name)

    def failed(self, name: str, reason: str) -> None:
        for reporter in self._reporters:
            reporter.failed(name, reason)

    def repaired(self, name: str) -> None:
        for reporter in self._reporters:
            reporter.repaired(name)

    def note(self, name: str, text: str) -> None:
        for reporter in self._reporters:
            reporter.note(name, text)

    def line(self, title: str, text: str) -> None:
        for reporter in self._reporters:
            reporter.line(title, text)


class PersonReporter:
    """A table and short lines. Log lines show only from warning on, unless `verbose`."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._console = Console(highlight=False, soft_wrap=True)

    def ready(self, agent: Serving) -> None:
        self._console.print(f"[green]ready[/]  {escape(agent.name)}  {escape(agent.url)}")

    def serving(self, agents: list[Serving], sessions: Path | None) -> None:
        rows = [("NAME", "MODE", "URL", "TRY")]
        rows += [(agent.name, str(agent.mode), agent.url, agent.how) for agent in agents]
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
                for what, value in (("try", agent.how), ("url", agent.url)):
                    self._console.print(escape(f"  {what:<8}{value}"))
        for agent in agents:
            for door, line in agent.copied.items():
                self._console.print(escape(f"{agent.name}  {door:<7} {line}"))
        if any(agent.doors for agent in agents):
            self._console.print()
        if hub := next((agent.hub for agent in agents), ""):
            self._console.print(f"The console is at {escape(hub)}")
        if sessions:
            self._console.print(f"Conversations are kept in {escape(str(sessions))}.")
        self._console.print("Reloads when a manifest is saved. Ctrl-C stops everything.")

    def reloaded(self, name: str, versions: VersionChange | None = None) -> None:
        change = f"  prompt {versions.before} → {versions.after}" if versions else ""
        self._console.print(f"[green]reloaded[/]  {escape(name + change)}")

    def removed(self, name: str) -> None:
        self._console.print(f"[green]removed[/]  {escape(name)}")

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
