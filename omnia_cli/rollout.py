"""The commands `omnia rollout status`, `promote`, `abort`, `retry` and `pause`."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnia_cli.cluster import KubectlFailed, annotate_object, read_object
from omnia_core.units import Duration

# Loaded by the commands: the models of manifests take longer than the start of all others.
if TYPE_CHECKING:
    from omnia_operator.api.rollout import RolloutStatus

POLL_SECONDS = 1.0
KIND = "agentruntimes"

app = typer.Typer(no_args_is_help=True, help="The rollout of an agent in a cluster.")

Name = Annotated[str, typer.Argument(metavar="AGENT", help="The name of an AgentRuntime.")]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Its namespace; kubectl reaches it.")
]


class RolloutExit(IntEnum):
    """The exit code of `status`."""

    DONE = 0
    ROLLED_BACK = 1
    OPEN = 3


@app.command()
def status(
    context: typer.Context,
    agent: Name,
    namespace: Namespace = "default",
    *,
    watch: Annotated[bool, typer.Option(help="Print each change, until the rollout ends.")] = False,
    timeout: Annotated[str, typer.Option(help="How long to watch, such as 30m.")] = "1h",
) -> None:
    """Show the rollout: exit code 0 idle or promoted, 1 rolled back, 3 running or paused."""
    end = time.monotonic() + _seconds(timeout)
    shown = ""
    with _failing_plainly():
        while True:
            found = rollout_of(read_object(KIND, agent, namespace))
            if (text := "\n".join(lines(found))) != shown:
                print(text)
                shown = text
            outcome = outcome_of(found)
            if not watch or outcome is not RolloutExit.OPEN or time.monotonic() >= end:
                context.exit(outcome)
            time.sleep(POLL_SECONDS)


@app.command()
def promote(
    agent: Name,
    namespace: Namespace = "default",
    *,
    full: Annotated[bool, typer.Option(help="Skip the steps that are left.")] = False,
) -> None:
    """Continue a rollout that is paused; with --full, promote the candidate at once."""
    _ask(agent, namespace, "promote-full" if full else "promote")


@app.command()
def abort(
    agent: Name,
    namespace: Namespace = "default",
    reason: Annotated[str, typer.Option(help="Why, for the status and the Event.")] = "",
) -> None:
    """Roll the candidate back: stable answers everybody again."""
    _ask(agent, namespace, "abort", reason)


@app.command()
def retry(agent: Name, namespace: Namespace = "default") -> None:
    """Try again: the step that failed, or a candidate that was rolled back."""
    _ask(agent, namespace, "retry")


@app.command()
def pause(agent: Name, namespace: Namespace = "default") -> None:
    """Stop where the rollout is, until promote, retry or abort."""
    _ask(agent, namespace, "pause")


def rollout_of(document: dict[str, Any]) -> "RolloutStatus":
    """Return the status of the rollout of an agent; an empty one without a rollout."""
    from omnia_operator.api.agentruntime import AgentRuntimeStatus
    from omnia_operator.api.rollout import RolloutStatus

    found = AgentRuntimeStatus.model_validate(document.get("status") or {}, strict=False)
    return found.rollout or RolloutStatus()


def outcome_of(rollout: "RolloutStatus") -> RolloutExit:
    """Return the exit code for a rollout."""
    from omnia_operator.api.rollout import RolloutResult

    if rollout.active:
        return RolloutExit.OPEN
    last = rollout.last
    rolled_back = last is not None and last.result is RolloutResult.ROLLED_BACK
    return RolloutExit.ROLLED_BACK if rolled_back else RolloutExit.DONE


def lines(rollout: "RolloutStatus") -> Iterator[str]:
    """Yield what is known about a rollout."""
    step = f", step {rollout.step}" if rollout.active and rollout.step else ""
    yield f"{rollout.phase.value}{step}"
    if rollout.active:
        yield f"  stable     {rollout.stable_version or '-'}"
        yield f"  candidate  {rollout.candidate_version or '-'}, {rollout.current_weight or 0} %"
    if rollout.message:
        yield f"  {rollout.message}"
    if rollout.last is not None and not rollout.active:
        last = rollout.last
        why = f": {last.reason}" if last.reason else ""
        yield f"  last       {last.candidate_version or '-'} {last.result.value}{why}, {last.time}"


def _ask(agent: str, namespace: str, verb: str, reason: str = "") -> None:
    from omnia_operator import labels
    from omnia_operator.rollout.machine import RolloutRequest, Verb
    from omnia_operator.rollout.requests import annotation

    request = RolloutRequest(Verb(verb), str(uuid.uuid4()), " ".join(reason.split()))
    with _failing_plainly():
        annotate_object(KIND, agent, namespace, labels.ROLLOUT_REQUEST, annotation(request))
    print(f"asked; omnia rollout status {agent} -n {namespace} shows what becomes of it")


def _seconds(text: str) -> float:
    try:
        return Duration.parse(text).seconds
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error


@contextlib.contextmanager
def _failing_plainly() -> Iterator[None]:
    try:
        yield
    except KubectlFailed as error:
        typer.echo(f"omnia: {error}", err=True)
        raise typer.Exit(2) from error
