"""The command line."""

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer

from omnia_cli.counted import counted
from omnia_cli.evaluation.app import app as evaluation
from omnia_cli.init import DEFAULT_EXAMPLE, DEFAULT_NAME
from omnia_cli.options import Files, Paths, manifests_of
from omnia_cli.pack import app as pack
from omnia_cli.program import program
from omnia_cli.rollout import app as rollout
from omnia_cli.sessions import app as sessions
from omnia_cli.tools import app as tools
from omnia_core.env.operator import CliEnv
from omnia_core.names import Mode

if TYPE_CHECKING:
    from omnia_cli.connect import Target
    from omnia_cli.local.report import Serving

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="AI agents from manifests: on this machine as in a cluster.",
)

app.add_typer(sessions, name="sessions")
app.add_typer(evaluation, name="eval")
app.add_typer(pack, name="pack")
app.add_typer(rollout, name="rollout")
app.add_typer(tools, name="tools")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Token = Annotated[
    str | None,
    typer.Option(
        help=f"A bearer token, where the agent asks for one; else ${CliEnv.variable('token')}."
    ),
]


class ServersOfKmcp(StrEnum):
    """What becomes of the MCPServers of kmcp."""

    KEEP = "keep"
    OWN = "own"


Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="NAME runs in this namespace of the cluster; it is reached through kubectl.",
    ),
]
Account = Annotated[
    str,
    typer.Option(
        "--service-account",
        help="The ServiceAccount whose token kubectl makes for it, unless one is given.",
    ),
]

ConsolePort = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, help="The port of the console; without it 8070, or the next free one."
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"omnia {version('omnia-agents-slim')}")
        raise typer.Exit


@app.callback()
def common(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options of every command."""


@app.command()
def init(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="The agent, and its folder.")
    ] = DEFAULT_NAME,
    example: Annotated[
        str, typer.Option("--from", metavar="EXAMPLE", help="What it begins as.")
    ] = DEFAULT_EXAMPLE,
) -> None:
    """Make a folder with an agent of your own, which runs without a key."""
    from omnia_cli.init import InitFailed
    from omnia_cli.init import init as run

    try:
        folder = run(name, example, Path())
    except InitFailed as error:
        fail(str(error))
    print(f"{folder} is made. Next:\n\n  cd {folder}\n  {program()} up\n")
    print(f'and in a second terminal:\n\n  {program()} chat {name} "hello"')


@app.command()
def up(
    path: Paths = None,
    file: Files = None,
    json: AsJson = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show every line of the logs.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="The port of the agent, in place of the manifest's; of several agents, of the "
            "first. Without it an agent whose port is occupied gets the next free one.",
        ),
    ] = None,
    console_port: ConsolePort = None,
    ephemeral: Annotated[
        bool,
        typer.Option(
            "--ephemeral",
            help="Keep conversations in memory: they end with the agent's runtime. Without it they "
            "are kept in a file of the project's state folder.",
        ),
    ] = False,
) -> None:
    """Run the agents and functions of manifests on this machine, and reload them on save."""
    from omnia_cli.local.report import JsonReporter, PersonReporter
    from omnia_cli.running import StateUnusable, announced

    reporter = JsonReporter() if json else PersonReporter(verbose=verbose)
    try:
        with announced(os.environ) as announcement:
            # Loaded once this process is announced: it takes as long as the start of `omnia chat`.
            from omnia_cli.manifests import ManifestError
            from omnia_cli.up import InvalidManifests
            from omnia_cli.up import up as run

            paths = manifests_of(path, file)
            try:
                code = asyncio.run(
                    run(
                        paths,
                        reporter,
                        os.environ,
                        announcement,
                        port,
                        console_port=console_port,
                        ephemeral=ephemeral,
                    )
                )
            except ManifestError as error:
                if json:
                    reporter.failed(error.file.name, str(error))
                fail(str(error))
            except InvalidManifests as error:
                if json:
                    for finding in error.findings:
                        reporter.failed(finding.object.rpartition("/")[2], str(finding))
                fail(str(error))
    except StateUnusable as error:
        if json:
            reporter.failed("omnia up", str(error))
        fail(str(error))
    raise typer.Exit(code)


@app.command()
def validate(
    path: Paths = None,
    file: Files = None,
    json: AsJson = False,
    references: Annotated[
        bool, typer.Option(help="Also check that what objects refer to is among the manifests.")
    ] = True,
) -> None:
    """Check manifests: structure, rules, unknown fields, references."""
    from omnia_cli.findings import errors
    from omnia_cli.validate import validate as run

    findings = run(manifests_of(path, file), references=references, environ=os.environ)
    for finding in findings:
        print(msgspec.json.encode(finding).decode() if json else finding)
    wrong = len(errors(findings))
    if not json:
        counts = counted(wrong, "error"), counted(len(findings) - wrong, "warning")
        print(", ".join(counts), file=sys.stderr)
    raise typer.Exit(1 if wrong else 0)


@app.command(name="import")
def import_(  # noqa: PLR0917 - typer calls it by keyword
    path: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Files, and folders without their subfolders; - is standard input.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where the manifests go: one file for each namespace.",
            show_default=False,
        ),
    ],
    mcp_servers: Annotated[
        ServersOfKmcp,
        typer.Option(help="MCPServers of kmcp: keep those that run, or deploy our own."),
    ] = ServersOfKmcp.KEEP,
    without_approval: Annotated[
        bool,
        typer.Option(
            "--without-approval",
            help="Keep tools that need a person's approval: they are called without it.",
        ),
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Rounds of tool calls of each agent with tools."),
    ] = None,
    operations: Annotated[
        bool,
        typer.Option("--operations", help="OpenAPI: one http handler for each operation."),
    ] = False,
    only: Annotated[
        str, typer.Option(metavar="ID,ID", help="OpenAPI: only these operations.")
    ] = "",
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="OpenAPI: address of the API.")
    ] = None,
    spec_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="OpenAPI: address of the document, in place of a copy."),
    ] = None,
    agent: Annotated[
        str, typer.Option(metavar="NAME", help="The agent that gets the tools of an mcp.json.")
    ] = "",
    share: Annotated[
        bool,
        typer.Option("--share", help="One ToolRegistry in place of equal ones of a namespace."),
    ] = False,
    sub_agents: Annotated[
        bool,
        typer.Option(
            "--sub-agents", help="kagent 1.0: an agent of each template that is only a sub-agent."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there with other content.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 where something is left to do, not 3.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Rewrite manifests of kagent, kmcp, KAOS, ARK and others as ours.

    The report on standard error names every value that is not simply mapped. Exit code: 0 all is
    mapped or dropped, 3 something is asked for or has no equivalent, 1 the input cannot be read.
    """
    from omnia_cli.importing.command import import_paths, report
    from omnia_cli.importing.inputs import Options
    from omnia_cli.importing.output import OutputFailed, write
    from omnia_cli.manifests import ManifestError

    options = Options(
        own_servers=mcp_servers is ServersOfKmcp.OWN,
        keep_approved=without_approval,
        rounds=rounds,
        operations=operations,
        only=tuple(filter(None, only.split(","))),
        base_url=base_url,
        spec_url=spec_url,
        agent=agent,
        share=share,
        sub_agents=sub_agents,
    )
    try:
        imported = import_paths(path, options)
        written = write(output, imported.files, force=force)
    except (ManifestError, OutputFailed) as error:
        fail(str(error))
    for line in report(imported, written, as_json=json):
        print(line, file=sys.stderr)
    if imported.is_open or imported.findings:
        raise typer.Exit(1 if strict else 3)


@app.command()
def explain(
    what: Annotated[
        str, typer.Argument(metavar="KIND/NAME", help="For example agentruntime/my-agent.")
    ],
    path: Paths = None,
    file: Files = None,
    json: AsJson = False,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace", "-n", help="It is in this namespace of the cluster, not in manifests."
        ),
    ] = None,
) -> None:
    """Say why an object is not ready: the condition, its cause, the command that mends it."""
    from omnia_cli.cluster import KubectlFailed
    from omnia_cli.explain.chain import lines
    from omnia_cli.explain.cluster import explain_in_cluster
    from omnia_cli.explain.kinds import UnknownKind, kind_and_name
    from omnia_cli.explain.laptop import NoObject, explain_manifests
    from omnia_cli.manifests import ManifestError

    try:
        kind, name = kind_and_name(what)
        if namespace is not None:
            found = explain_in_cluster(kind.lower(), name, namespace)
        else:
            found = explain_manifests(kind, name, manifests_of(path, file), os.environ)
    except (KubectlFailed, ManifestError, NoObject, UnknownKind) as error:
        fail(str(error))
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        for line in lines(found):
            print(line)
    raise typer.Exit(0 if found.ready else 1)


@app.command()
def chat(
    agent: Annotated[
        str,
        typer.Argument(
            metavar="NAME|URL", help="An agent that runs here (NAME or NAMESPACE/NAME), or a URL."
        ),
    ],
    message: Annotated[
        str | None,
        typer.Argument(
            help="Send this, print the answer alone on standard output, and end; - is standard"
            " input.",
            show_default=False,
        ),
    ] = None,
    *,
    session: Annotated[str | None, typer.Option(help="Resume this session.")] = None,
    via: Annotated[
        str | None,
        typer.Option(
            help="Use another protocol of the agent than WebSocket: chat, openai, agui, a2a, mcp."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the newest session with this agent.")
    ] = False,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", help="Send this file with MESSAGE. May be repeated."),
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A variable of the prompt. May be repeated."),
    ] = None,
    version: Annotated[
        str,
        typer.Option(
            help="The version of the PromptPack that a new session is answered with, where the"
            " agent lets sessions try versions out, as `omnia up` does.",
            show_default=False,
        ),
    ] = "",
    json: Annotated[
        bool, typer.Option("--json", help="Print each frame of the answer as a line of JSON.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the answers alone.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Print text as it comes, also in a terminal.")
    ] = False,
    token: Token = None,
    namespace: Namespace = None,
    service_account: Account = "default",
) -> None:
    """Talk to an agent. Ctrl-C stops its answer, Ctrl-D ends the conversation."""
    from omnia_cli.chat.attachment import CannotAttach, attachment
    from omnia_cli.chat.command import Chat
    from omnia_cli.chat.failures import ChatFailed, Unreachable
    from omnia_cli.chat.listing import ListFailed, listing
    from omnia_cli.chat.variables import VariableInvalid, variables_of
    from omnia_cli.cluster import KubectlFailed
    from omnia_cli.connect import NotFound
    from omnia_cli.doors.client import DoorUnusable
    from omnia_cli.doors.conversation import talk

    @contextlib.contextmanager
    def reach() -> Iterator["Target"]:
        with contextlib.ExitStack() as reached:
            try:
                found = _target(agent, Mode.AGENT, token, namespace, service_account)
                target = reached.enter_context(found)
            except (KubectlFailed, NotFound) as error:
                raise Unreachable(str(error)) from error
            yield target

    if file and message is None:
        raise typer.BadParameter("give the MESSAGE that the file goes with", param_hint="--file")
    _check_session(session, version, resume=resume)
    _check_via(via, over_websocket=bool(file or var or version or json or quiet or plain))
    try:
        variables = variables_of(var or ())
    except VariableInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--var") from None
    agent, here = _chosen(agent, Mode.AGENT, namespace)
    words = [*shlex.split(program()), "chat", agent]
    if namespace is not None:
        words += ["-n", namespace]
        words += [] if service_account == "default" else ["--service-account", service_account]
    sessions = listing(agent, here, namespace, _token(token), service_account, os.environ)
    command = shlex.join(words)
    talking = Chat(reach, agent, here, namespace, command, sessions, os.environ, variables, version)
    text = _message(message, alone=not file)
    try:
        parts = [attachment(each) for each in file or ()]
        if resume:
            session = talking.newest()
        code = (
            talk(via, reach, session, text)
            if via
            else talking.run(session, text, parts, json=json, quiet=quiet, plain=plain)
        )
    except (CannotAttach, ChatFailed, DoorUnusable, ListFailed) as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(code)


def _check_session(session: str | None, version: str, *, resume: bool) -> None:
    """Check which session a conversation is to go on with."""
    if resume and session:
        raise typer.BadParameter("--resume and --session exclude each other: give one of them")
    if version and (resume or session):
        raise typer.BadParameter(
            "a session keeps the version that it began with: leave out --resume and --session",
            param_hint="--version",
        )


def _message(given: str | None, *, alone: bool) -> str | None:
    """Return the one message; None: a conversation. `alone` is whether no file goes with it."""
    text = sys.stdin.read().strip() if given == "-" else given
    if text == "" and alone:
        raise typer.BadParameter(
            "it is empty: write a text, or - and a text on standard input", param_hint="MESSAGE"
        )
    return text


def _check_via(via: str | None, *, over_websocket: bool) -> None:
    """Check the protocol of a conversation; some options need that of WebSocket."""
    from omnia_cli.doors.conversation import CLIENTS

    if via is None:
        return
    if via not in CLIENTS:
        fail(f'--via: expected {", ".join(CLIENTS)}, found "{via}"')
    if over_websocket:
        fail(
            "--file, --var, --version, --json, --quiet and --plain are for WebSocket: leave out"
            " --via"
        )


@app.command()
def ps(json: AsJson = False) -> None:
    """List the agents and functions that run on this machine."""
    from omnia_cli.running import listed

    agents = listed(os.environ)
    if json:
        for agent in agents:
            print(msgspec.json.encode(agent).decode())
        return
    rows = [("NAME", "MODE", "STATE", "URL", "PIDS")]
    for agent in agents:
        pids = " ".join(f"{program}={pid}" for program, pid in agent.pids.items())
        rows.append((agent.name, str(agent.mode), str(agent.state), agent.url, pids))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())


@app.command()
def logs(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="An agent, function or server; without it all."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print further lines as they come.")
    ] = False,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Of agents in this namespace of the cluster."),
    ] = None,
) -> None:
    """Print the log lines of what `omnia up` runs, or of an agent in a cluster, by kubectl."""
    from omnia_cli.logs import LogsFailed, cluster_logs, local_lines

    try:
        if namespace is not None:
            raise typer.Exit(cluster_logs(name, namespace, follow=follow))
        for line in local_lines(name, os.environ, follow=follow):
            print(line, flush=True)
    except LogsFailed as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command(name="open")
def open_page(
    agent: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="An agent or function; without it the page of all of them."
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Serve the console of this namespace of the cluster, which is reached through "
            "kubectl, until Ctrl-C.",
        ),
    ] = None,
    service_account: Account = "default",
    console_port: ConsolePort = None,
) -> None:
    """Open the console in the browser."""
    import webbrowser

    if namespace is not None:
        _serve_console(namespace, agent, service_account, console_port)
        return
    from omnia_cli.choice import choose
    from omnia_cli.connect import NotFound, newest

    try:
        page = choose(agent, os.environ).agent.page if agent else newest(os.environ)
    except NotFound as error:
        fail(str(error))
    print(page)
    # A machine without a browser has no page to show: the address is printed.
    webbrowser.open(page)


def _serve_console(namespace: str, agent: str | None, account: str, port: int | None) -> None:
    import functools
    import threading
    import webbrowser

    from omnia_cli.cluster import KubectlFailed
    from omnia_cli.local.ports import PortOccupied
    from omnia_cli.remote.console import serve
    from omnia_cli.running import occupant

    def shown(page: str) -> None:
        print(page, flush=True)
        # A browser of the terminal returns when it is left.
        threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    used = functools.partial(occupant, os.environ)
    try:
        asyncio.run(serve(namespace, agent, account, port, used, shown, say))
    except (KubectlFailed, PortOccupied) as error:
        fail(str(error))
    except OSError as error:
        fail(f"the console cannot be served: {error.strerror}")
    except KeyboardInterrupt:
        return


@app.command()
def call(
    function: Annotated[
        str,
        typer.Argument(
            metavar="NAME|URL",
            help="A function that runs here (NAME or NAMESPACE/NAME), or a URL.",
        ),
    ],
    json: Annotated[
        str, typer.Argument(metavar="JSON", help="JSON text, @FILE, or - for standard input.")
    ],
    token: Token = None,
    namespace: Namespace = None,
    service_account: Account = "default",
) -> None:
    """Call a function with JSON and print its answer."""
    from omnia_cli.call import CallFailed
    from omnia_cli.call import call as run
    from omnia_cli.cluster import KubectlFailed
    from omnia_cli.connect import NotFound

    try:
        body = _body(json)
        function, _ = _chosen(function, Mode.FUNCTION, namespace)
        with _target(function, Mode.FUNCTION, token, namespace, service_account) as found:
            print(run(found.url, body, found.token).decode())
    except (CallFailed, KubectlFailed, NotFound, OSError) as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Print why and end with exit code 1."""
    print(message, file=sys.stderr)
    raise typer.Exit(1)


def _chosen(name: str, mode: Mode, namespace: str | None) -> tuple[str, "Serving | None"]:
    """Return an unambiguous address: the given one, or that of the agent that a person chooses.

    The second value is the agent, if it was found by its name on this machine.
    """
    from omnia_cli.choice import choose
    from omnia_cli.connect import NotFound, is_url

    if namespace is not None and "/" in name:
        raise typer.BadParameter(
            f"{name} is not the name of an agent in a cluster: with --namespace give NAME alone",
            param_hint="NAME",
        )
    if namespace is not None or is_url(name):
        return name, None
    try:
        found = choose(name, os.environ, mode)
    except NotFound as error:
        fail(str(error))
    return found.address, found.agent


@contextlib.contextmanager
def _target(
    name: str, mode: Mode, token: str | None, namespace: str | None, account: str
) -> Iterator["Target"]:
    from omnia_cli.connect import Target, find_url, in_cluster

    if namespace is None:
        yield Target(find_url(name, mode, os.environ), _token(token))
        return
    with in_cluster(name, mode, _token(token), namespace=namespace, account=account) as found:
        yield found


def _token(given: str | None) -> str | None:
    from omnia_core.env.contract import SecretStr

    # A token on a command line is in the shell's history and in every list of processes.
    known = CliEnv.parse(os.environ).token
    return given or (known.reveal() if isinstance(known, SecretStr) else None)


def _body(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    return Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()


def main() -> None:
    """Run the command line."""
    from omnia_cli.standard_streams import prepare
    from omnia_cli.system_errors import explained

    prepare()
    try:
        app(obj=os.environ)
    except OSError as error:
        sys.exit(explained(error))


if __name__ == "__main__":
    main()
