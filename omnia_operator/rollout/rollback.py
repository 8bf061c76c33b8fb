"""The end of a rollout in which stable keeps what it has."""

from omnia_operator.api.rollout import Promotion, RolloutPhase, RolloutResult
from omnia_operator.rollout.messages import described
from omnia_operator.rollout.plan import MAX_WRITES, SOON, News, Plan, Write
from omnia_operator.rollout.reasons import ROLLING_BACK
from omnia_operator.rollout.times import elapsed
from omnia_operator.rollout.transition import Transition, with_reason


def roll_back(transition: Transition, reason: str, *, write: bool = True) -> Plan:
    """Begin a rollback; `write` says whether the spec may be restored."""
    rollout = transition.spec.rollout
    holds = rollout is None or rollout.promotion is Promotion.HOLD
    status = transition.status.model_copy(
        update={
            "phase": RolloutPhase.ROLLING_BACK,
            "step_start_time": transition.world.now,
            "current_weight": 0,
            "over": True,
            "held": None
            if transition.status.phase is RolloutPhase.PROMOTING
            else transition.status.held,
            "writes": 0 if write and not holds else MAX_WRITES,
        }
    )
    transition.news.append(
        News("RolloutRollingBack", f"{described(status)}: {reason}", warning=True)
    )
    shown = with_reason(status, ROLLING_BACK, reason)
    stable = (
        transition.base if transition.status.phase is RolloutPhase.PROMOTING else transition.stable
    )
    return transition.plan(shown, stable=stable, wake=SOON)


def continue_rollback(transition: Transition) -> Plan:
    """Take the next step of a rollback that has begun."""
    status = transition.status
    if transition.wanted is None or transition.id != status.id:
        status = status.model_copy(update={"writes": MAX_WRITES})
    elif status.writes < MAX_WRITES:
        status = status.model_copy(update={"writes": status.writes + 1})
        return transition.plan(status, write=Write.ROLLBACK, wake=SOON)
    since = elapsed(status.step_start_time or "", transition.world.now)
    settle = transition.world.settle_seconds
    if since < settle or not transition.world.traffic.drained:
        return transition.plan(status, wake=max(SOON, settle - since))
    reason = status.message or ""
    transition.news.append(
        News("RolloutRolledBack", f"{described(status)}: {reason}", warning=True)
    )
    return transition.finished(RolloutResult.ROLLED_BACK, reason)
