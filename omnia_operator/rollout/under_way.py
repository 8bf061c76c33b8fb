"""A rollout between its begin and its end: the steps with their weights, pauses and analyses."""

from omnia_operator.api.rollout import AnalysisPhase, RollbackMode, RolloutPhase, RolloutStep
from omnia_operator.rollout.messages import measuring_message
from omnia_operator.rollout.plan import SOON, News, Plan
from omnia_operator.rollout.promotion import promote
from omnia_operator.rollout.reasons import (
    ANALYSIS_FAILED,
    ANALYSIS_INCONCLUSIVE,
    ANALYSIS_RUNNING,
    CANDIDATE_FAILED,
    PAUSE_STEP,
    PAUSED_BY_REQUEST,
    PROGRESSING,
    TRAFFIC_NOT_ROUTED,
)
from omnia_operator.rollout.requests import Verb
from omnia_operator.rollout.rollback import roll_back
from omnia_operator.rollout.times import elapsed
from omnia_operator.rollout.transition import Transition, with_reason

_UP_TO_YOU = "what happens is up to you: omnia rollout retry, promote or abort"


def continue_rollout(transition: Transition) -> Plan:
    """Take the next step of a rollout that has begun and not ended."""
    if transition.obstacle:
        return roll_back(transition, transition.obstacle, write=False)
    asked = _asked(transition)
    if asked is not None:
        return asked
    if transition.status.phase is RolloutPhase.PAUSED:
        return _unrouted(transition) or _still_paused(transition)
    if transition.world.candidate_failure:
        failed = _failed(transition, transition.world.candidate_failure)
        if failed is not None:
            return failed
    unrouted = _unrouted(transition)
    if unrouted is not None:
        return unrouted
    index = _index(transition)
    if index < len(transition.steps):
        return _do(transition, transition.steps[index])
    if transition.world.candidate_ready:
        return promote(transition)
    return _wait(transition, "all steps are done; it waits for a ready pod of the candidate")


def _unrouted(transition: Transition) -> Plan | None:
    """Wait until the candidate has its weight; None: it has it."""
    if (
        transition.status.traffic_routing != transition.traffic_routing
        and transition.world.traffic.drained
    ):
        # From here on other objects have the weights, or the facades.
        update = {"traffic_routing": transition.traffic_routing}
        return transition.plan(transition.status.model_copy(update=update), wake=SOON)
    problem = transition.world.traffic.problem
    if transition.status.traffic_routing == transition.traffic_routing and problem is None:
        return None
    if transition.status.phase is RolloutPhase.PAUSED:
        return transition.plan(transition.status)  # the reason of the pause says what continues it
    message = problem.message if problem else "the former objects lose their weights first"
    return transition.plan(with_reason(transition.status, TRAFFIC_NOT_ROUTED, message))


def _asked(transition: Transition) -> Plan | None:
    """Do what a person asks for."""
    match transition.verb:
        case Verb.ABORT:
            request = transition.world.request
            return roll_back(
                transition, (request.reason if request else "") or "aborted by request"
            )
        case Verb.PROMOTE_FULL:
            return promote(transition)
        case Verb.PAUSE:
            message = "a person paused it: omnia rollout promote continues"
            return _pause(transition, PAUSED_BY_REQUEST, message)
        case Verb.PROMOTE | Verb.RETRY:
            return _resume(transition)
        case None:
            return None


def _index(transition: Transition) -> int:
    """The current step; steps may have been removed meanwhile."""
    return min(transition.status.current_step or 0, len(transition.steps))


def _do(transition: Transition, step: RolloutStep) -> Plan:
    if step.set_weight is not None:
        if not transition.world.candidate_ready:
            return _wait(transition, "it waits for a ready pod of the candidate")
        weights = transition.weights_with(step.set_weight)
        transition.news.append(
            News("RolloutStep", f"{step.set_weight} % of new sessions get the candidate")
        )
        update = {"weights": weights, "current_weight": step.set_weight}
        return _next(transition, update)
    if step.pause is not None:
        duration = step.pause.duration
        if duration is None:
            message = "a pause without an end: omnia rollout promote continues"
            return _pause(transition, PAUSE_STEP, message, keep_time=True)
        return _pause(transition, PAUSE_STEP, f"a pause of {duration}", keep_time=True)
    return _analyse(transition)


def _analyse(transition: Transition) -> Plan:
    progress = transition.world.analysis
    if progress is None:
        return _wait(transition, "it waits for a ready pod of the candidate")
    if progress.status is None or progress.obstacle:
        return transition.plan(with_reason(transition.status, progress.obstacle, progress.message))
    found = progress.status
    transition.status = transition.status.model_copy(update={"analysis": found})
    message = f"the RolloutAnalysis {found.template_name}"
    if found.phase is AnalysisPhase.RUNNING:
        shown = with_reason(transition.status, ANALYSIS_RUNNING, measuring_message(message, found))
        return transition.plan(shown, wake=progress.wake)
    if found.phase is AnalysisPhase.SUCCESSFUL:
        transition.news.append(News("RolloutAnalysisPassed", f"{message} passed"))
        return _next(transition, {})
    message = f"{message}: {found.message or found.phase.value}"
    if found.phase is AnalysisPhase.INCONCLUSIVE:
        transition.news.append(News("RolloutAnalysisInconclusive", message, warning=True))
        hint = "omnia rollout promote goes on, retry measures again"
        return _pause(transition, ANALYSIS_INCONCLUSIVE, f"{message}; {hint}")
    transition.news.append(News("RolloutAnalysisFailed", message, warning=True))
    match _rollback_mode(transition):
        case RollbackMode.AUTOMATIC:
            return roll_back(transition, message)
        case RollbackMode.MANUAL:
            return _pause(transition, ANALYSIS_FAILED, f"{message}; {_UP_TO_YOU}")
        case RollbackMode.DISABLED:
            return _next(transition, {})


def _still_paused(transition: Transition) -> Plan:
    index = _index(transition)
    step = transition.steps[index] if index < len(transition.steps) else None
    timed = step.pause.duration if step and step.pause else None
    if transition.status.reason != PAUSE_STEP:
        return transition.plan(transition.status)
    if step is None or step.pause is None:
        # The step was changed into another one: that one is done.
        return _go_on(transition, {})
    if timed is None:
        return transition.plan(transition.status)
    left = timed.seconds - elapsed(transition.status.step_start_time or "", transition.world.now)
    return _next(transition, {}) if left <= 0 else transition.plan(transition.status, wake=left)


def _resume(transition: Transition) -> Plan:
    """Continue: `promote` after the step, `retry` with it, and both with one that was cut."""
    cut = transition.status.reason in (CANDIDATE_FAILED, PAUSED_BY_REQUEST)
    if cut or transition.verb is Verb.RETRY:
        # An analysis that was cut measures from the beginning.
        return _go_on(transition, {"analysis": None})
    return _next(transition, {})


def _next(transition: Transition, update: dict[str, object]) -> Plan:
    return _go_on(transition, {**update, "current_step": _index(transition) + 1})


def _go_on(transition: Transition, update: dict[str, object]) -> Plan:
    given = {"phase": RolloutPhase.PROGRESSING, "step_start_time": transition.world.now, **update}
    status = transition.status.model_copy(update=given)
    return transition.plan(with_reason(status, PROGRESSING, ""), wake=SOON)


def _wait(transition: Transition, message: str) -> Plan:
    if failure := transition.world.candidate_failure:
        return transition.plan(
            with_reason(transition.status, CANDIDATE_FAILED, f"{message}: {failure}")
        )
    return transition.plan(with_reason(transition.status, PROGRESSING, message))


def _pause(transition: Transition, reason: str, message: str, *, keep_time: bool = False) -> Plan:
    update: dict[str, object] = {"phase": RolloutPhase.PAUSED}
    if not keep_time:
        update["step_start_time"] = transition.world.now
    transition.news.append(News("RolloutPaused", message))
    return transition.plan(
        with_reason(transition.status.model_copy(update=update), reason, message), wake=SOON
    )


def _failed(transition: Transition, message: str) -> Plan | None:
    """React to a candidate whose pods fail; None: it goes on."""
    mode = _rollback_mode(transition)
    if mode is RollbackMode.AUTOMATIC:
        return roll_back(transition, message)
    if mode is RollbackMode.MANUAL:
        return _pause(transition, CANDIDATE_FAILED, f"{message}; {_UP_TO_YOU}")
    if transition.status.reason != CANDIDATE_FAILED:
        transition.news.append(News("RolloutCandidateFailed", message, warning=True))
    return None


def _rollback_mode(transition: Transition) -> RollbackMode:
    rollout = transition.spec.rollout
    return rollout.rollback.mode if rollout else RollbackMode.MANUAL
