"""The commands `omnia sessions list`, `show` and `tail`."""

import time
from collections.abc import Iterator, Mapping
from typing import Annotated

import orjson
import typer

from omnia_cli.history import HistoryClient, HistoryFailed, history_url, lines
from omnia_core.env.cli import CliEnv
from omnia_core.env.secret import SecretStr
from omnia_core.jsonvalue import JsonObject

POLL_SECONDS = 1.0

app = typer.Typer(no_args_is_help=True, help="What happened in sessions, and what it cost.")

Url = Annotated[
    str | None, typer.Option(help="Address of the history API; else that of what runs here.")
]
Token = Annotated[
    str | None, typer.Option(help=f"A bearer token; else ${CliEnv.variable('token')}.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Id = Annotated[str, typer.Argument(metavar="SESSION", help="The id of a session.")]

_COLUMNS = ("agent", "id", "tag", "status", "begun_at", "turns", "cost_usd")
# In the order of what happens in a turn, where two have one time.
_KINDS = ("messages", "provider-calls", "tool-calls", "events")
_TIMES = ("stored_at", "began_at", "at")


@app.command(name="list")
def list_(
    context: typer.Context,
    agent: Annotated[str, typer.Option(help="Only of this agent or function.")] = "",
    tag: Annotated[str, typer.Option(help="agent or function.")] = "",
    user: Annotated[str, typer.Option(help="Only of this user id.")] = "",
    status: Annotated[str, typer.Option(help="active, completed, error or cancelled.")] = "",
    *,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 20,
    url: Url = None,
    token: Token = None,
    json: AsJson = False,
) -> None:
    """List sessions, newest first."""
    given = {"agent": agent, "tag": tag, "user": user, "status": status}
    filters = {name: value for name, value in given.items() if value}
    with _failing_plainly():
        found = _client(context, url, token).sessions(filters, limit)
    if json:
        for each in found:
            print(orjson.dumps(each).decode())
        return
    for line in _table(found):
        print(line)


@app.command()
def show(
    context: typer.Context, session: Id, url: Url = None, token: Token = None, json: AsJson = False
) -> None:
    """Show one session: its messages, calls of models and tools, and events."""
    with _failing_plainly():
        client = _client(context, url, token)
        found = client.session(session)
        records = {kind: client.records(session, kind).items for kind in _KINDS}
    if json:
        print(orjson.dumps({"session": found, **records}).decode())
        return
    for line in lines(found):
        print(line)
    print()
    for line in _told(records):
        print(line)


@app.command()
def tail(
    context: typer.Context, session: Id, url: Url = None, token: Token = None, json: AsJson = False
) -> None:
    """Follow a session: print what happens in it until Ctrl-C."""
    places = dict.fromkeys(_KINDS, "")
    try:
        with _failing_plainly():
            client = _client(context, url, token)
            while True:
                records = {}
                for kind in _KINDS:
                    page = client.records(session, kind, places[kind])
                    places[kind], records[kind] = page.last, page.items
                for line in _as_json(records) if json else _told(records):
                    print(line, flush=True)
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


class _failing_plainly:  # noqa: N801 - reads as a word
    """Print why, and end with exit code 1."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, HistoryFailed):
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error


def _client(context: typer.Context, url: str | None, token: str | None) -> HistoryClient:
    # A token on a command line is in the shell's history and in every list of processes.
    environ: Mapping[str, str] = context.obj
    known = CliEnv.parse(environ).token
    given = token or (known.reveal() if isinstance(known, SecretStr) else None)
    return HistoryClient(history_url(url, environ), given)


def _table(sessions: list[JsonObject]) -> Iterator[str]:
    rows = [tuple(name.upper() for name in _COLUMNS)]
    rows += [tuple(_cell(each[name]) for name in _COLUMNS) for each in sessions]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _timed(records: Mapping[str, list[JsonObject]]) -> list[tuple[str, str, JsonObject]]:
    """Return time, kind and record of all, in the order of their times."""
    found = [
        (next(str(record[name]) for name in _TIMES if name in record), kind, record)
        for kind, items in records.items()
        for record in items
    ]
    return sorted(found, key=lambda each: each[0])


def _as_json(records: Mapping[str, list[JsonObject]]) -> Iterator[str]:
    for _, kind, record in _timed(records):
        yield orjson.dumps({"kind": kind, **record}).decode()


def _told(records: Mapping[str, list[JsonObject]]) -> Iterator[str]:
    for moment, kind, record in _timed(records):
        yield f"{moment}  {_SENTENCES[kind](record)}"


def _message(record: JsonObject) -> str:
    message = record["message"]
    asked = "".join(
        f" → {each['name']}({each.get('arguments', '{}')})"
        for each in message.get("tool_calls", ())
    )
    return f"{message['role']}: {message.get('content', '')}{asked}"


def _provider_call(record: JsonObject) -> str:
    outcome = record["fault"] or record["status"]
    return (
        f"  model {record['provider']}/{record['model']} attempt {record['attempt']}: {outcome},"
        f" {record['duration_ms']:.0f} ms, {record['input_tokens']} in,"
        f" {record['output_tokens']} out, {record['cost_usd']:.6f} USD"
    )


def _tool_call(record: JsonObject) -> str:
    took = f"{record['status']}, {record['duration_ms']:.0f} ms"
    return f"  tool {record['name']} of {record['handler'] or 'nobody'}: {took}"


def _event(record: JsonObject) -> str:
    return f"  {record['kind']} {record['detail']}".rstrip()


_SENTENCES = {
    "messages": _message,
    "provider-calls": _provider_call,
    "tool-calls": _tool_call,
    "events": _event,
}
