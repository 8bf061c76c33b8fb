"""The commands `omnia sessions list`, `show`, `tail`, `name` and `cancel`."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from omnia_cli.cluster import KubectlFailed
from omnia_cli.connect import NotFound, SeveralFound, Target, find_url, in_cluster
from omnia_cli.control_characters import visible
from omnia_cli.history import HistoryFailed, lines, of_agent
from omnia_cli.history_choice import HistoryChoice, known_token, opened_history
from omnia_cli.running import running
from omnia_cli.session_lines import as_json, table, transcript_lines
from omnia_cli.session_requests import SessionRefused, cancel_turn, name_session
from omnia_core.env.operator import CliEnv
from omnia_core.jsonvalue import json_bytes
from omnia_core.names import Mode

POLL_SECONDS = 1.0

app = typer.Typer(no_args_is_help=True, help="Show the messages, calls and costs of sessions.")

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

Agent = Annotated[
    str, typer.Option(help="The agent of the session, by its name or URL; else it is found.")
]
AgentNamespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="The agent of this namespace of the cluster, by kubectl."
    ),
]

# In the order of what happens in a turn, where two have one time.
_KINDS = ("messages", "provider-calls", "tool-calls", "events", "eval-results")


@app.command(name="list")
def list_(
    context: typer.Context,
    agent: Annotated[
        str, typer.Option(help="Only of this agent or function: NAME or NAMESPACE/NAME.")
    ] = "",
    tag: Annotated[str, typer.Option(help="agent or function.")] = "",
    user: Annotated[str, typer.Option(help="Only of this user id.")] = "",
    status: Annotated[str, typer.Option(help="active, completed, error or cancelled.")] = "",
    name: Annotated[str, typer.Option(help="Only those whose name contains this.")] = "",
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
    given = {**of_agent(agent), "tag": tag, "user": user, "status": status, "name": name, "q": said}
    filters = {name: value for name, value in given.items() if value}
    way = HistoryChoice(url, token, namespace, service_account, tuple(file or ()))
    with _failing_plainly(), opened_history(way, context.obj) as client:
        found = client.sessions(filters, limit)
    if json:
        for session in found:
            print(json_bytes(session).decode())
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
    """Show one session: its messages, calls of models and tools, events, and evaluations."""
    way = HistoryChoice(url, token, namespace, service_account, tuple(file or ()))
    with _failing_plainly(), opened_history(way, context.obj) as client:
        found = client.session(session)
        records = {kind: client.records(session, kind).items for kind in _KINDS}
    if json:
        print(json_bytes({"session": found, **records}).decode())
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
    way = HistoryChoice(url, token, namespace, service_account, tuple(file or ()))
    places = dict.fromkeys(_KINDS, "")
    try:
        with _failing_plainly(), opened_history(way, context.obj) as client:
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


@app.command()
def name(
    context: typer.Context,
    session: Id,
    text: Annotated[str, typer.Argument(metavar="NAME", help="The name: one line.")],
    agent: Agent = "",
    token: Token = None,
    namespace: AgentNamespace = None,
    service_account: Account = "default",
) -> None:
    """Give a session a name, which no automatic name replaces.

    Only the user of a session may do this, with the credential of the conversation.
    """
    way = HistoryChoice(None, token or known_token(context.obj), namespace, service_account)
    given: list[str] = []
    _at_agent(
        context,
        way,
        session,
        agent,
        lambda found: given.append(name_session(found.url, session, found.token, text)),
    )
    print(f"{session} is called {visible(given[-1])}")


@app.command()
def cancel(
    context: typer.Context,
    session: Id,
    agent: Agent = "",
    token: Token = None,
    namespace: AgentNamespace = None,
    service_account: Account = "default",
) -> None:
    """Cancel the running turn of a session: its client gets the answer so far.

    Only the user of a session may do this, with the credential of the conversation.
    """
    way = HistoryChoice(None, token or known_token(context.obj), namespace, service_account)
    _at_agent(
        context, way, session, agent, lambda found: cancel_turn(found.url, session, found.token)
    )
    print(f"the running turn of {session} ends")


def _at_agent(
    context: typer.Context,
    way: HistoryChoice,
    session: str,
    agent: str,
    change: Callable[[Target], None],
) -> None:
    """Change a session at its agent, which is found if no name or URL of it is given."""
    with _failing_plainly():
        if way.namespace is None:
            here = _agents_here(agent, context.obj)
            _change_here([Target(url, way.token) for url in here], change)
            return
        found = agent or _agent_of(context, way, session)
        with in_cluster(
            found,
            Mode.AGENT,
            way.token,
            namespace=way.namespace,
            account=way.account,
        ) as target:
            change(Target(target.url, target.token))


def _agent_of(context: typer.Context, way: HistoryChoice, session: str) -> str:
    """Return the name of the agent that a session belongs to, by the history."""
    try:
        with opened_history(way, context.obj) as client:
            return str(client.session(session)["agent"])
    except (HistoryFailed, KubectlFailed) as error:
        raise SessionRefused(
            f"the agent of the session is not known, give it with --agent: {error}"
        ) from error


def _agents_here(agent: str, environ: Mapping[str, str]) -> list[str]:
    if agent:
        return [find_url(agent, Mode.AGENT, environ)]
    urls = [each.url for each in running(environ) if each.mode is Mode.AGENT]
    if not urls:
        raise SessionRefused("no agent runs here; start one with `omnia up`, or give --agent URL")
    return urls


def _change_here(agents: list[Target], change: Callable[[Target], None]) -> None:
    """Change a session at the agent that knows it."""
    for number, agent in enumerate(agents, 1):
        try:
            change(agent)
        except SessionRefused as error:
            if not error.unknown or number == len(agents):
                raise
        else:
            return


class _failing_plainly:  # noqa: N801 - reads as a word
    """Print why, and end with exit code 1."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, HistoryFailed | KubectlFailed | SessionRefused | NotFound):
            typer.echo(str(error), err=True)
            raise typer.Exit(2 if isinstance(error, SeveralFound) else 1) from error
