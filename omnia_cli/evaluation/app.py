"""The commands `omnia eval`, `omnia eval new`, `add` and `diff`."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from omnia_cli.options import Files, Paths, manifests_of
from omnia_core.env.operator import CliEnv

if TYPE_CHECKING:
    from omnia_cli.evaluation.recorded import Chosen, ReadSession
    from omnia_cli.history_choice import HistoryChoice


class _RunUnlessNamed(TyperGroup):
    """A group whose command `run` needs not to be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["run", *args])


app = typer.Typer(
    cls=_RunUnlessNamed,
    help="Check the answers of an agent: `omnia eval PATH` is `omnia eval run PATH`.",
)


class Tier(StrEnum):
    """Which evaluations run."""

    LIGHT = "light"
    ALL = "all"


Sessions = Annotated[
    list[str] | None,
    typer.Option("--session", metavar="ID", help="This recorded session; repeatable."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Recorded sessions that began since then: 24h."),
]
Limit = Annotated[int, typer.Option(min=1, help="The most sessions of --since.")]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="The sessions of this namespace of the cluster; its history is reached by kubectl."
        " Else those of this machine.",
    ),
]
Url = Annotated[str | None, typer.Option(help="Address of the history API with the sessions.")]
Token = Annotated[
    str | None, typer.Option(help=f"A bearer token for it; else ${CliEnv.variable('token')}.")
]
Account = Annotated[
    str,
    typer.Option(
        "--service-account",
        help="The ServiceAccount whose token kubectl makes for it, unless one is given.",
    ),
]
SessionFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--file",
        "-f",
        help="The sessions that `omnia up` kept for these manifests; else those of the project in"
        " the current folder, or of the last one used.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file; else print.")
]


_READ_ONLY = (
    "--keep writes to the sessions of this machine, and the history API only reads: leave it out,"
    " and keep the results with --json FILE or --junit FILE; for results beside the sessions of a"
    " cluster set spec.evals.enabled of the agent"
)


@app.command()
def run(
    context: typer.Context,
    path: Paths = None,
    file: Files = None,
    *,
    dataset: Annotated[
        Path | None,
        typer.Option(
            help="The cases: YAML, JSON, JSON lines, CSV, or promptfoo's tests. Without it"
            " evals/cases.yaml in the folder of the manifests."
        ),
    ] = None,
    agent: Annotated[
        str, typer.Option(help="The agent or function that is asked; not needed for the only one.")
    ] = "",
    session: Sessions = None,
    since: Since = None,
    limit: Limit = 100,
    candidate: Annotated[
        str,
        typer.Option(
            metavar="CANDIDATE",
            help="A file of manifests, or a version of the PromptPack: the changed agent is"
            " asked what users said in the recorded sessions. Tools answer from the recording.",
        ),
    ] = "",
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Keep the results beside the recorded sessions of this machine."
        ),
    ] = False,
    namespace: Namespace = None,
    url: Url = None,
    token: Token = None,
    service_account: Account = "default",
    only: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Run only this evaluation; repeatable.")
    ] = None,
    tier: Annotated[
        Tier, typer.Option(help="light: only those without a model.", case_sensitive=False)
    ] = Tier.ALL,
    repeat: Annotated[int, typer.Option(min=1, help="How often each case is asked.")] = 1,
    pass_rate: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="The share of the answers to a case that must pass."),
    ] = 1.0,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="USD", help="Begin no case when so much is spent."),
    ] = None,
    max_parallel: Annotated[
        int, typer.Option(min=1, help="Cases that are asked at the same time.")
    ] = 4,
    record: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Record what models and tools answer, in this folder."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Let models and tools answer as recorded: without key, network and servers.",
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit's XML to this file.")] = None,
    json: Annotated[
        Path | None,
        typer.Option(help="Write every answer to this file; with --candidate the comparison."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Print the differences to what --json wrote before.")
    ] = None,
) -> None:
    """Ask an agent the cases of a dataset, or take recorded sessions, and evaluate the answers.

    Exit codes: 0 all cases passed, 1 a case failed or the candidate is worse, 2 something is
    configured wrong, 3 something could not be evaluated, or nothing was.
    """
    from omnia_cli.evaluation.command import Outputs, Recorded, evaluate, evaluate_recorded
    from omnia_cli.evaluation.run import EvalOptions
    from omnia_cli.history_choice import HistoryChoice

    paths = manifests_of(path, file)
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    recorded, environ = bool(session or since), context.obj
    _check(
        ("--record and --replay exclude each other: give one of them", record and replay),
        (
            "--candidate needs recorded sessions: add --session ID or --since 24h",
            candidate and not recorded,
        ),
        (
            "recorded sessions are not asked again for --record and --replay: leave them out",
            recorded and (record or replay),
        ),
        (
            "recorded sessions are evaluated once: leave out --repeat and --pass-rate",
            recorded and (repeat > 1 or pass_rate < 1),
        ),
        (
            "--keep keeps results beside recorded sessions: add --session ID or --since 24h",
            keep and not recorded,
        ),
        (
            "--candidate has answers that no user got: leave out --keep, and use --json FILE",
            keep and candidate,
        ),
        (
            _READ_ONLY,
            keep and (namespace or url),
        ),
        (
            "--candidate writes one comparison: leave out --junit and --baseline",
            candidate and (junit or baseline),
        ),
    )
    options = EvalOptions(
        repeat=repeat,
        parallel=max_parallel,
        only=tuple(only or ()),
        light=tier is Tier.LIGHT,
        max_cost_usd=max_cost,
        cassettes=record or replay,
        mode="record" if record else "replay",
    )
    outputs = Outputs(junit=junit, json=json, baseline=baseline)
    cases = folder / "evals" / "cases.yaml"
    with _failing_plainly():
        if not recorded:
            code = evaluate(paths, agent, dataset or cases, options, outputs, environ, pass_rate)
        else:
            local = tuple(paths) if not (url or namespace) else ()
            asked = Recorded(
                history=HistoryChoice(url, token, namespace, service_account, local),
                chosen=_chosen(session, since, limit),
                dataset=dataset or (cases if cases.is_file() else None),
                candidate=candidate,
                keep=keep,
            )
            code = evaluate_recorded(paths, agent, asked, options, outputs, environ)
    raise typer.Exit(code)


@app.command()
def new(
    context: typer.Context,
    session: Sessions = None,
    since: Since = None,
    limit: Limit = 100,
    *,
    agent: Annotated[str, typer.Option(help="Of --since: only of this agent or function.")] = "",
    file: SessionFiles = None,
    namespace: Namespace = None,
    url: Url = None,
    token: Token = None,
    service_account: Account = "default",
    output: Output = None,
) -> None:
    """Make a dataset of recorded sessions: a case for each, with what the user said."""
    from omnia_cli.evaluation.made import dataset_text
    from omnia_cli.history_choice import HistoryChoice

    _check(("say which sessions: --session ID or --since 24h", not (session or since)))
    choice = HistoryChoice(url, token, namespace, service_account, tuple(file or ()))
    with _failing_plainly():
        found = _sessions(choice, _chosen(session, since, limit), agent, context.obj)
        if output and output.exists():
            _refuse(f"{output} exists: choose another name, or add to it with omnia eval add")
        _put(output, dataset_text(found))


@app.command()
def add(
    context: typer.Context,
    session: Annotated[str, typer.Argument(metavar="SESSION", help="The id of a session.")],
    turn: Annotated[int, typer.Argument(metavar="TURN", help="The number of a turn, from 1.")],
    *,
    file: SessionFiles = None,
    namespace: Namespace = None,
    url: Url = None,
    token: Token = None,
    service_account: Account = "default",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Add it to this dataset in YAML; else print it."),
    ] = None,
) -> None:
    """Make one case of a recorded session, up to one of its turns."""
    from omnia_cli.evaluation.made import added, case_text
    from omnia_cli.evaluation.recorded import Chosen
    from omnia_cli.history_choice import HistoryChoice

    choice = HistoryChoice(url, token, namespace, service_account, tuple(file or ()))
    with _failing_plainly():
        (found,) = _sessions(choice, Chosen((session,)), "", context.obj)
        text = case_text(found, turn)
        _put(output, added(output, text) if output else text)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="What --json wrote.")],
    after: Annotated[Path, typer.Argument(help="What --json wrote later.")],
) -> None:
    """Print what has changed between two runs, a case at a time.

    Exit codes: 0 no case that passed fails, 1 one does, 2 a file cannot be read.
    """
    from omnia_cli.evaluation.differences import broken, differences, read_report

    with _failing_plainly():
        one, other = read_report(before), read_report(after)
        print("\n".join(differences(one, other)) or "no difference")
        raise typer.Exit(int(broken(one, other)))


def _chosen(session: list[str] | None, since: str | None, limit: int) -> "Chosen":
    from omnia_cli.evaluation.recorded import Chosen
    from omnia_core.units import Duration

    _check(("--session and --since exclude each other: give one of them", session and since))
    try:
        return Chosen(tuple(session or ()), Duration.parse(since) if since else None, limit)
    except ValueError as error:
        _refuse(f"--since: {error}")
        raise


def _sessions(
    choice: "HistoryChoice", chosen: "Chosen", agent: str, environ: Mapping[str, str]
) -> "list[ReadSession]":
    from omnia_cli.evaluation.recorded import read_sessions
    from omnia_cli.history_choice import opened_history

    with opened_history(choice, environ) as client:
        found = read_sessions(client, chosen, agent)
    if not found:
        _refuse(
            "there is no such session: choose a longer --since, or look for one with"
            " omnia sessions list"
        )
    return found


def _put(output: Path | None, text: str) -> None:
    if output is None:
        print(text, end="")
        return
    beside = output.with_name(f".{output.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(output)
    except OSError as error:
        _refuse(f"{output}: cannot be written: {error.strerror}")
    print(f"{output} is written; it has what users said", file=sys.stderr)


def _check(*wrong: tuple[str, object]) -> None:
    for message, found in wrong:
        if found:
            _refuse(message)


def _refuse(message: str) -> None:
    print(message, file=sys.stderr)
    raise typer.Exit(2)


@contextlib.contextmanager
def _failing_plainly() -> Iterator[None]:
    """Print why something is wrong, and end with exit code 2."""
    from omnia_cli.cluster import KubectlFailed
    from omnia_cli.evaluation.dataset import DatasetInvalid
    from omnia_cli.evaluation.made import NoSuchTurn
    from omnia_cli.evaluation.run import EvalFailed
    from omnia_cli.history import HistoryFailed
    from omnia_cli.manifests import ManifestError
    from omnia_cli.up import InvalidManifests

    try:
        yield
    except (
        DatasetInvalid,
        EvalFailed,
        HistoryFailed,
        InvalidManifests,
        KubectlFailed,
        ManifestError,
        NoSuchTurn,
    ) as error:
        _refuse(str(error))
