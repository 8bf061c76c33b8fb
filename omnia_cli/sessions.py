"""The commands `omnia sessions list`, `show` and `tail`."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import orjson
import typer

from omnia_cli.cluster import KubectlFailed
from omnia_cli.connect import history_in_cluster
from omnia_cli.history import HistoryClient, HistoryFailed, lines, local_history
from omnia_cli.session_lines import as_json, table, transcript_lines
from omnia_core.env.contract import SecretStr
from omnia_core.env.operator import CliEnv

POLL_SECONDS = 1.0

app = typer.Typer(no_args_is_help=True, help="What happened in sessions, and what it cost.")

Url = Annotated[
    str | None, typer.Option(help="Address of the history API; else that of what runs here.")
]
Token = Annotated[
    str | None, typer.Option(help=f"A bearer token; else ${CliEnv.variable('token')}.")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="The sessions of this namespace of the cluster; its history is reached by kubectl.",
    ),
]
Account = Annotated[
    str,
    typer.Option(
        "--service-account",
        help="The ServiceAccount whose token kubectl makes for it, unless one is given.",
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--file",
        "-f",
        help="The sessions that `omnia up` kept for these manifests; else those of the project in "
        "the current folder, or of the last one used.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Id = Annotated[str, typer.Argument(metavar="SESSION", help="The id of a session.")]

# In the order of what happens in a turn, where two have one time.
_KINDS = ("messages", "provider-calls", "tool-calls", "events")


@app.command(name="list")
def list_(
    context: typer.Context,
    agent: Annotated[str, typer.Option(help="Only of this agent or function.")] = "",
    tag: Annotated[str, typer.Option(help="agent or function.")] = "",
    user: Annotated[str, typer.Option(help="Only of this user id.")] = "",
    status: Annotated[str, typer.Option(help="active, completed, error or cancelled.")] = "",
    said: Annotated[
        str, typer.Option(help="Only those in which a person or the agent said this.")
    ] = "",
    *,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 20,
    url: Url = None,
    token: Token = None,
    namespace: Namespace = None,
    service_account: Account = "default",
    file: Files = None,
    json: AsJson = False,
) -> None:
    """List sessions, newest first."""
    given = {"agent": agent, "tag": tag, "user": user, "status": status, "q": said}
    filters = {name: value for name, value in given.items() if value}
    way = _Way(url, token, namespace, service_account, file or [])
    with _failing_plainly(), _client(context, way) as client:
        found = client.sessions(filters, limit)
    if json:
        for session in found:
            print(orjson.dumps(session).decode())
        return
    for line in table(found):
        print(line)


@app.command()
def show(
    context: typer.Context,
    session: Id,
    url: Url = None,
    token: Token = None,
    namespace: Namespace = None,
    service_account: Account = "default",
    file: Files = None,
    *,
    json: AsJson = False,
) -> None:
    """Show one session: its messages, calls of models and tools, and events."""
    way = _Way(url, token, namespace, service_account, file or [])
    with _failing_plainly(), _client(context, way) as client:
        found = client.session(session)
        records = {kind: client.records(session, kind).items for kind in _KINDS}
    if json:
        print(orjson.dumps({"session": found, **records}).decode())
        return
    for line in lines(found):
        print(line)
    print()
    for line in transcript_lines(records):
        print(line)


@app.command()
def tail(
    context: typer.Context,
    session: Id,
    url: Url = None,
    token: Token = None,
    namespace: Namespace = None,
    service_account: Account = "default",
    file: Files = None,
    *,
    json: AsJson = False,
) -> None:
    """Follow a session: print what happens in it until Ctrl-C."""
    way = _Way(url, token, namespace, service_account, file or [])
    places = dict.fromkeys(_KINDS, "")
    try:
        with _failing_plainly(), _client(context, way) as client:
            while True:
                records = {}
                for kind in _KINDS:
                    page = client.records(session, kind, places[kind])
                    places[kind], records[kind] = page.last, page.items
                for line in as_json(records) if json else transcript_lines(records):
                    print(line, flush=True)
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


class _failing_plainly:  # noqa: N801 - reads as a word
    """Print why, and end with exit code 1."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, HistoryFailed | KubectlFailed):
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error


class _Way(NamedTuple):
    """Where the history is, as it was given."""

    url: str | None
    token: str | None
    namespace: str | None
    account: str
    files: list[Path]


@contextlib.contextmanager
def _client(context: typer.Context, way: _Way) -> Iterator[HistoryClient]:
    # A token on a command line is in the shell's history and in every list of processes.
    environ: Mapping[str, str] = context.obj
    known = CliEnv.parse(environ).token
    token = way.token or (known.reveal() if isinstance(known, SecretStr) else None)
    given = [
        option
        for option, value in (
            ("--url", way.url),
            ("--namespace", way.namespace),
            ("--file", way.files),
        )
        if value
    ]
    if len(given) > 1:
        raise HistoryFailed(f"{' and '.join(given)} exclude each other: give one of them")
    if way.url:
        yield HistoryClient(way.url, token)
        return
    if way.namespace is None:
        with local_history(way.files, environ) as url:
            yield HistoryClient(url, token)
        return
    with history_in_cluster(way.namespace, token, way.account) as found:
        yield HistoryClient(found.url, found.token)
