"""The command line."""

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from omnia_cli.sessions import app as sessions
from omnia_core.env.operator import CliEnv
from omnia_core.names import Mode

if TYPE_CHECKING:
    from omnia_cli.connect import Target

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="AI agents from manifests: on this machine as in a cluster.",
)

app.add_typer(sessions, name="sessions")

Files = Annotated[
    list[Path],
    typer.Option("--file", "-f", help="A manifest, or a folder of manifests. May be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Token = Annotated[
    str | None,
    typer.Option(
        help=f"A bearer token, where the agent asks for one; else ${CliEnv.variable('token')}."
    ),
]

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


@app.command()
def up(
    file: Files,
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
) -> None:
    """Run the agents and functions of manifests on this machine, and reload them on save."""
    from omnia_cli.local.report import JsonReporter, PersonReporter
    from omnia_cli.manifests import ManifestError
    from omnia_cli.up import InvalidManifests
    from omnia_cli.up import up as run

    reporter = JsonReporter() if json else PersonReporter(verbose=verbose)
    try:
        code = asyncio.run(run(file, reporter, os.environ, port))
    except ManifestError as error:
        if json:
            reporter.failed(error.file.name, str(error))
        fail(str(error))
    except InvalidManifests as error:
        if json:
            for finding in error.findings:
                reporter.failed(finding.object.rpartition("/")[2], str(finding))
        fail(str(error))
    raise typer.Exit(code)


@app.command()
def validate(
    file: Files,
    json: AsJson = False,
    references: Annotated[
        bool, typer.Option(help="Also check that what objects refer to is among the manifests.")
    ] = True,
) -> None:
    """Check manifests: structure, rules, unknown fields, references."""
    from omnia_cli.findings import errors
    from omnia_cli.validate import validate as run

    findings = run(file, references=references, environ=os.environ)
    for finding in findings:
        print(msgspec.json.encode(finding).decode() if json else finding)
    wrong = len(errors(findings))
    if not json:
        print(f"{wrong} errors, {len(findings) - wrong} warnings", file=sys.stderr)
    raise typer.Exit(1 if wrong else 0)


@app.command()
def chat(
    agent: Annotated[
        str, typer.Argument(metavar="NAME|URL", help="An agent that runs here, or a URL.")
    ],
    session: Annotated[str | None, typer.Option(help="Resume this session.")] = None,
    token: Token = None,
    namespace: Namespace = None,
    service_account: Account = "default",
) -> None:
    """Talk to an agent. Ctrl-C stops its answer, Ctrl-D ends the conversation."""
    from omnia_cli.chat import ChatFailed, Unreachable
    from omnia_cli.chat import chat as run
    from omnia_cli.cluster import KubectlFailed
    from omnia_cli.connect import NotFound

    @contextlib.contextmanager
    def reach() -> Iterator["Target"]:
        with contextlib.ExitStack() as reached:
            try:
                found = _target(agent, Mode.AGENT, token, namespace, service_account)
                target = reached.enter_context(found)
            except (KubectlFailed, NotFound) as error:
                raise Unreachable(str(error)) from error
            yield target

    words = ["omnia", "chat", agent]
    if namespace is not None:
        words += ["-n", namespace]
        words += [] if service_account == "default" else ["--service-account", service_account]
    try:
        failed = run(reach, session, shlex.join(words), Console(soft_wrap=True, highlight=False))
    except ChatFailed as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    # A person has seen the error; a script needs the exit code.
    if failed and not sys.stdin.isatty():
        raise typer.Exit(1)


@app.command()
def call(
    function: Annotated[
        str, typer.Argument(metavar="NAME|URL", help="A function that runs here, or a URL.")
    ],
    json: Annotated[
        str, typer.Argument(metavar="JSON", help="JSON text, @FILE, or - for standard input.")
    ],
    token: Token = None,
    namespace: Namespace = None,
    service_account: Account = "default",
) -> None:
    """Call a function with JSON and print what it answers."""
    from omnia_cli.call import CallFailed
    from omnia_cli.call import call as run
    from omnia_cli.cluster import KubectlFailed
    from omnia_cli.connect import NotFound

    try:
        body = _body(json)
        with _target(function, Mode.FUNCTION, token, namespace, service_account) as found:
            print(run(found.url, body, found.token).decode())
    except (CallFailed, KubectlFailed, NotFound, OSError) as error:
        fail(str(error))


def fail(message: str) -> None:
    """Print why and end with exit code 1."""
    print(message, file=sys.stderr)
    raise typer.Exit(1)


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
    app(obj=os.environ)


if __name__ == "__main__":
    main()
