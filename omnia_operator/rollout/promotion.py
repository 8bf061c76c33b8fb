"""The end of a rollout in which stable takes over what the candidate has."""

from omnia_operator.api.rollout import (
    HeldFields,
    Promotion,
    RolloutFields,
    RolloutPhase,
    RolloutResult,
)
from omnia_operator.rollout.identity import digest_of
from omnia_operator.rollout.messages import described
from omnia_operator.rollout.plan import MAX_WRITES, SOON, News, Plan, Write
from omnia_operator.rollout.reasons import PROMOTING
from omnia_operator.rollout.rollback import roll_back
from omnia_operator.rollout.times import elapsed
from omnia_operator.rollout.transition import Transition, with_reason

_ALL = 100


def promote(transition: Transition, *, write: bool = True) -> Plan:
    """Begin a promotion; `write` says whether the spec may be changed."""
    rollout = transition.spec.rollout
    holds = rollout is not None and rollout.promotion is Promotion.HOLD
    held = None if transition.base == transition.target else _hold(transition, transition.target)
    status = transition.status.model_copy(
        update={
            "phase": RolloutPhase.PROMOTING,
            "step_start_time": transition.world.now,
            "current_step": len(transition.steps),
            "current_weight": _ALL,
            "weights": transition.weights_with(_ALL),
            "candidate": transition.target,
            "held": held,
            "writes": 0 if write and not holds else MAX_WRITES,
        }
    )
    transition.news.append(News("RolloutPromoting", f"{described(status)} is promoted"))
    # Stable changes in the next step, when this intent is in the status.
    before = transition.status.stable or transition.stable
    shown = with_reason(status, PROMOTING, "stable takes over what the candidate has")
    return transition.plan(shown, stable=before, wake=SOON)


def continue_promotion(transition: Transition) -> Plan:
    """Take the next step of a promotion that has begun."""
    goal = transition.status.candidate
    if goal is None:  # somebody edited the status
        return roll_back(transition, "the status has lost what was rolled out", write=False)
    asked_still = transition.wanted == goal
    if transition.base != goal and not asked_still:
        return roll_back(transition, "the candidate was changed during its promotion", write=False)
    status = transition.status.model_copy(update={"held": _held_while_promoting(transition, goal)})
    if transition.base == goal:
        # It has arrived: what GitOps makes of it later is not written over.
        status = status.model_copy(update={"writes": MAX_WRITES})
    elif status.writes < MAX_WRITES:
        status = status.model_copy(update={"writes": status.writes + 1})
        return transition.plan(status, stable=goal, write=Write.PROMOTION, wake=SOON)
    since = elapsed(status.step_start_time or "", transition.world.now)
    settle = transition.world.settle_seconds
    if not status.over:
        if transition.world.stable_runs != digest_of(goal) or since < settle:
            left = max(SOON, settle - since)
            return transition.plan(status, stable=goal, wake=left)
        update = {"over": True, "step_start_time": transition.world.now}
        over = status.model_copy(update=update)
        return transition.plan(over, stable=goal, wake=settle)
    if since < settle or not transition.world.traffic.drained:
        return transition.plan(status, stable=goal, wake=max(SOON, settle - since))
    transition.status = status
    transition.stable = goal
    transition.news.append(News("RolloutPromoted", f"{described(status)} is promoted"))
    return transition.finished(RolloutResult.PROMOTED, "")


def _hold(transition: Transition, goal: RolloutFields) -> HeldFields:
    return HeldFields(replaced=transition.base, promoted=goal)


def _held_while_promoting(transition: Transition, goal: RolloutFields) -> HeldFields | None:
    if transition.base != goal:
        return _hold(transition, goal)
    # It is not forgotten when the spec agrees for a moment: GitOps may restore the old value.
    held = transition.status.held
    return held if held is not None and held.promoted == goal else None
