"""The commands `omnia rollout status`, `promote`, `abort`, `retry` and `pause`."""

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

from omnia_cli.cluster import KubectlFailed, ObjectMissing
from omnia_core.units import Duration

app = typer.Typer(no_args_is_help=True, help="The rollout of an agent, here or in a cluster.")

Name = Annotated[str, typer.Argument(metavar="AGENT", help="The name of an AgentRuntime.")]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Its namespace in a cluster, which kubectl reaches. Without it, the agent that runs"
        " here, and else that of the namespace default.",
        show_default=False,
    ),
]


@app.command()
def status(
    context: typer.Context,
    agent: Name,
    namespace: Namespace = None,
    *,
    watch: Annotated[bool, typer.Option(help="Print each change, until the rollout ends.")] = False,
    timeout: Annotated[str, typer.Option(help="How long to watch, such as 30m.")] = "1h",
) -> None:
    """Show the rollout: exit code 0 idle or promoted, 1 rolled back, 3 running or paused."""
    from omnia_cli.rollout_state import place_of, show

    seconds = _seconds(timeout)
    with _failing_plainly(context, agent, namespace):
        context.exit(show(place_of(agent, namespace, context.obj), watch=watch, seconds=seconds))


@app.command()
def promote(
    context: typer.Context,
    agent: Name,
    namespace: Namespace = None,
    *,
    full: Annotated[bool, typer.Option(help="Skip the steps that are left.")] = False,
) -> None:
    """Continue a rollout that is paused; with --full, promote the candidate at once."""
    _ask(context, agent, namespace, "promote-full" if full else "promote")


@app.command()
def abort(
    context: typer.Context,
    agent: Name,
    namespace: Namespace = None,
    reason: Annotated[str, typer.Option(help="Why, for the status and the Event.")] = "",
) -> None:
    """Roll the candidate back: stable answers everybody again."""
    _ask(context, agent, namespace, "abort", reason)


@app.command()
def retry(context: typer.Context, agent: Name, namespace: Namespace = None) -> None:
    """Try again: the step that failed, or a candidate that was rolled back."""
    _ask(context, agent, namespace, "retry")


@app.command()
def pause(context: typer.Context, agent: Name, namespace: Namespace = None) -> None:
    """Stop where the rollout is, until promote, retry or abort."""
    _ask(context, agent, namespace, "pause")


def _ask(
    context: typer.Context, agent: str, namespace: str | None, verb: str, reason: str = ""
) -> None:
    from omnia_cli.rollout_state import ask, place_of
    from omnia_operator.rollout.requests import Verb

    with _failing_plainly(context, agent, namespace):
        ask(place_of(agent, namespace, context.obj), Verb(verb), reason)


def _seconds(text: str) -> float:
    try:
        return Duration.parse(text).seconds
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error


@contextlib.contextmanager
def _failing_plainly(context: typer.Context, agent: str, namespace: str | None) -> Iterator[None]:
    from omnia_cli.local.control import ControlFailed
    from omnia_cli.rollout_state import RolloutRefused, agents_there, nothing_here

    try:
        yield
    except (ControlFailed, KubectlFailed, RolloutRefused) as error:
        no_cluster = isinstance(error, KubectlFailed)
        here = nothing_here(agent, namespace, context.obj) if no_cluster else ""
        missing = isinstance(error, ObjectMissing)
        there = agents_there(namespace or "default") if missing else ""
        typer.echo(f"omnia: {here}{error}{there}", err=True)
        raise typer.Exit(2) from error
