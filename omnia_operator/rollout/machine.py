"""The rollout as a pure function of spec, status and what is observed.

One call takes one step. What a step intends is in the status before anything is done about it:
whoever runs the step again, after a crash, finds the intent and goes on. The status alone says what
stable runs with once a promotion has begun, so a spec that is restored by GitOps changes nothing.
"""

from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.api.rollout import (
    FinishedRollout,
    RolloutPhase,
    RolloutResult,
    RolloutStatus,
)
from omnia_operator.rollout.messages import described
from omnia_operator.rollout.plan import SOON, News, Plan, World
from omnia_operator.rollout.promotion import continue_promotion, promote
from omnia_operator.rollout.reasons import NOT_POSSIBLE, PROGRESSING, ROLLED_BACK, WAITING
from omnia_operator.rollout.requests import Verb
from omnia_operator.rollout.rollback import continue_rollback, roll_back
from omnia_operator.rollout.times import elapsed
from omnia_operator.rollout.transition import Transition, with_reason
from omnia_operator.rollout.under_way import continue_rollout


def advance(spec: AgentRuntimeSpec, status: RolloutStatus, world: World) -> Plan:
    """Take the next step of a rollout."""
    transition = Transition(spec, status, world)
    if transition.status.phase is RolloutPhase.PROMOTING:
        return continue_promotion(transition)
    if transition.status.phase is RolloutPhase.ROLLING_BACK:
        return continue_rollback(transition)
    if transition.target == transition.stable:
        return _nothing_to_do(transition)
    if not transition.status.active or transition.status.id != transition.id:
        return _begin(transition)
    return continue_rollout(transition)


def _nothing_to_do(transition: Transition) -> Plan:
    if not transition.status.active:
        return (
            transition.resting(NOT_POSSIBLE, transition.wrong)
            if transition.wrong
            else transition.idle()
        )
    if transition.wanted is not None and transition.base == transition.status.candidate:
        # Somebody wrote the candidate into the spec: that is a promotion by hand.
        transition.target = transition.base
        return promote(transition, write=False)
    return roll_back(transition, "the candidate was withdrawn", write=False)


def _begin(transition: Transition) -> Plan:
    last = transition.status.last
    if transition.obstacle:
        if transition.status.active:
            return roll_back(transition, transition.obstacle, write=False)
        return transition.resting(NOT_POSSIBLE, transition.obstacle)
    if not transition.status.active and last is not None and transition.verb is not Verb.RETRY:
        if last.result is RolloutResult.ROLLED_BACK and last.id == transition.id:
            message = (
                f"this candidate was rolled back ({last.reason}) and is not tried again: change"
                " it, or try again with omnia rollout retry"
            )
            return transition.resting(ROLLED_BACK, message)
        wait = _cooldown(transition, last)
        if wait > 0:
            message = f"the last rollout was rolled back; this one begins in {wait:.0f} s"
            return transition.resting(WAITING, message, wake=wait)
    status = RolloutStatus(
        active=True,
        current_step=0,
        current_weight=0,
        stable_version=transition.stable.prompt_pack_version,
        candidate_version=transition.target.prompt_pack_version,
        phase=RolloutPhase.PROGRESSING,
        id=transition.id,
        start_time=transition.world.now,
        step_start_time=transition.world.now,
        stable=transition.stable,
        candidate=transition.target,
        # What has weights of an earlier candidate loses them first.
        traffic_routing=transition.status.traffic_routing or transition.traffic_routing,
        held=transition.status.held,
        last=last,
        request=transition.status.request,
    )
    transition.news.append(News("RolloutStarted", f"{described(status)} begins"))
    return transition.plan(
        with_reason(status, PROGRESSING, "the candidate's pods start"), wake=SOON
    )


def _cooldown(transition: Transition, last: FinishedRollout) -> float:
    rollout = transition.spec.rollout
    if rollout is None or last.result is not RolloutResult.ROLLED_BACK:
        return 0.0
    return rollout.rollback.cooldown.seconds - elapsed(last.time, transition.world.now)
