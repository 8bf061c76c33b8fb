"""One transition of a rollout: what it starts from, and the plans that all transitions share."""

import datetime as dt
from dataclasses import dataclass, field

from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.api.rollout import (
    FinishedRollout,
    RolloutFields,
    RolloutPhase,
    RolloutResult,
    RolloutStatus,
    RolloutStep,
    WeightChange,
)
from omnia_operator.rollout.identity import digest_of, fields_of, overridden, stable_of
from omnia_operator.rollout.messages import (
    SAME_CANDIDATE,
    held_message,
    refused_message,
    wrong_candidate,
)
from omnia_operator.rollout.plan import SOON, News, Plan, World, Write
from omnia_operator.rollout.reasons import NO_ROLLOUT, PAUSED_BY_REQUEST, PROMOTED_HELD
from omnia_operator.rollout.requests import Verb
from omnia_operator.rollout.times import formatted, parsed
from omnia_operator.rollout.traffic import CHECK_SECONDS, objects_of


@dataclass
class Transition:
    """The next step of a rollout, while it is decided.

    Attributes:
        base: what the spec has without the candidate.
        wanted: what the spec wants to roll out; None without a candidate.
        stable: what stable has.
        target: what is rolled out; `stable` if nothing is.
        wrong: what is wrong with the candidate of the spec; "" if nothing is.
        obstacle: why there can be no candidate; "" if there can be one.
        id: of the rollout from `stable` to `target`.
        verb: what a person asks for, if that fits.
        news: what has happened in it.
    """

    spec: AgentRuntimeSpec
    status: RolloutStatus
    world: World
    news: list[News] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.base = fields_of(self.spec)
        rollout = self.spec.rollout
        self.steps: tuple[RolloutStep, ...] = rollout.steps if rollout else ()
        candidate = rollout.candidate if rollout else None
        self.traffic_routing = objects_of(self.spec)
        self.wanted = None if candidate is None else overridden(self.base, candidate)
        self.wrong = wrong_candidate(self.spec)
        self.obstacle = self.world.obstacle or self.wrong
        self.status = self._without_old_hold()
        self.stable = stable_of(self.spec, self.status)
        self.target = self.stable if self.wanted is None else self.wanted
        self.id = digest_of(self.stable, self.target)
        self.verb = self._verb()

    def _verb(self) -> Verb | None:
        request = self.world.request
        if request is None or request.id == self.status.request:
            return None
        self.status = self.status.model_copy(update={"request": request.id})
        fits = {
            Verb.PROMOTE: self.status.phase is RolloutPhase.PAUSED,
            Verb.PROMOTE_FULL: self._is_open and self.world.candidate_ready,
            Verb.ABORT: self._is_open,
            Verb.PAUSE: self._is_open and self.status.reason != PAUSED_BY_REQUEST,
            Verb.RETRY: self.status.phase is RolloutPhase.PAUSED or not self.status.active,
        }
        if fits[request.verb]:
            return request.verb
        message = refused_message(request.verb, self.status)
        if request.verb is Verb.PROMOTE_FULL and self._is_open:
            message = "the request promote --full waits for a ready pod of the candidate: ask again"
        self.news.append(News("RolloutRequestRefused", message, warning=True))
        return None

    @property
    def _is_open(self) -> bool:
        return self.status.phase in (RolloutPhase.PROGRESSING, RolloutPhase.PAUSED)

    def _without_old_hold(self) -> RolloutStatus:
        """Forget what is held when the spec goes on from it, or asks for what it says itself."""
        held = self.status.held
        if held is None or self.status.phase is RolloutPhase.PROMOTING:
            return self.status
        gone_on = self.base == held.promoted and self.wanted != held.promoted
        elsewhere = self.base not in (held.replaced, held.promoted)
        if self.wanted is None or gone_on or elsewhere:
            return self.status.model_copy(update={"held": None})
        return self.status

    def plan(
        self,
        status: RolloutStatus,
        *,
        stable: RolloutFields | None = None,
        gone: bool = False,
        write: Write | None = None,
        wake: float | None = None,
    ) -> Plan:
        """Return the plan with a status."""
        if status.active and self.steps:
            done = min((status.current_step or 0) + 1, len(self.steps))
            status = status.model_copy(update={"step": f"{done}/{len(self.steps)}"})
        if status.active and status.traffic_routing is not None:
            wake = min(wake or CHECK_SECONDS, CHECK_SECONDS)
        return Plan(
            status=status,
            stable=self.stable if stable is None else stable,
            candidate=None if gone else status.candidate,
            write=write,
            news=tuple(self.news),
            wake=wake,
        )

    def idle(self, wake: float | None = None) -> Plan:
        """Return the plan of an agent that has nothing to roll out."""
        held = self.status.held
        if held is not None and held.replaced == self.base and held.promoted == self.stable:
            return self.resting(PROMOTED_HELD, held_message(held), wake)
        # After a promotion both are the same, as they should be.
        same = self.wanted == self.base and self.status.last is None
        return self.resting(NO_ROLLOUT, SAME_CANDIDATE if same else "", wake)

    def resting(self, reason: str, message: str, wake: float | None = None) -> Plan:
        """Return the plan without a rollout."""
        status = RolloutStatus(
            stable_version=self.stable.prompt_pack_version,
            candidate_version=self.target.prompt_pack_version,
            reason=reason,
            message=message or None,
            held=self.status.held,
            last=self.status.last,
            request=self.status.request,
        )
        return self.plan(status, gone=True, wake=wake)

    def finished(self, result: RolloutResult, reason: str) -> Plan:
        """Return the plan of a rollout that has ended."""
        last = FinishedRollout(
            id=self.status.id or "",
            result=result,
            reason=reason,
            time=self.world.now,
            candidate_version=self.status.candidate_version,
        )
        self.status = self.status.model_copy(update={"last": last, "active": False})
        self.target = self.stable
        # The next step says what it thinks of the spec as it is now.
        return self.idle(wake=SOON)

    def weights_with(self, weight: int) -> tuple[WeightChange, ...]:
        """Return the schedule with a weight for the candidate that begins soon."""
        rollout = self.spec.rollout
        placed = self.status.traffic_routing is None or (rollout and rollout.sticky_session)
        lead = self.world.settle_seconds if placed else 0
        at = parsed(self.world.now) + dt.timedelta(seconds=lead)
        known = self.status.weights
        # A later change cannot begin earlier than the one before it.
        time = max([at.isoformat(), *(each.time for each in known[-1:])], key=parsed)
        change = WeightChange(time=formatted(parsed(time)), weight=weight)
        return (*known, change)[-64:]


def with_reason(status: RolloutStatus, reason: str, message: str) -> RolloutStatus:
    """Return a status that says why it is as it is."""
    return status.model_copy(update={"reason": reason, "message": message or None})
