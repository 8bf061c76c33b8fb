"""The rollout as a pure function of spec, status and what is observed.

One call takes one step. What a step intends is in the status before anything is done about it:
whoever runs the step again, after a crash, finds the intent and goes on. The status alone says what
stable runs with once a promotion has begun, so a spec that is restored by GitOps changes nothing.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from omnia_core.files.rollout import LEAD_MS
from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.api.rollout import (
    AnalysisPhase,
    AnalysisStatus,
    FinishedRollout,
    HeldFields,
    Promotion,
    RollbackMode,
    RolloutFields,
    RolloutPhase,
    RolloutResult,
    RolloutStatus,
    RolloutStep,
    WeightChange,
)
from omnia_operator.rollout.identity import (
    digest_of,
    fields_of,
    overridden,
    stable_of,
    unknown_providers,
)
from omnia_operator.rollout.traffic import CHECK_SECONDS, TrafficState, objects_of

SETTLE_SECONDS = LEAD_MS / 1000
"""Mounted files are in every pod after this time: what they replace may go then."""
SOON = 1.0
_ALL = 100
_NO_WRITE = 2

_UP_TO_YOU = "what happens is up to you: omnia rollout retry, promote or abort"

NO_ROLLOUT = "NoActiveRollout"
PROGRESSING = "Progressing"
PAUSE_STEP = "PauseStep"
PAUSED_BY_REQUEST = "PausedByRequest"
ANALYSIS_RUNNING = "AnalysisRunning"
ANALYSIS_FAILED = "AnalysisFailed"
ANALYSIS_INCONCLUSIVE = "AnalysisInconclusive"
CANDIDATE_FAILED = "CandidateFailed"
WAITING = "Waiting"
PROMOTING = "Promoting"
ROLLING_BACK = "RollingBack"
ROLLED_BACK = "RolledBack"
PROMOTED_HELD = "PromotedHeld"
NOT_POSSIBLE = "NotPossible"
TRAFFIC_NOT_ROUTED = "TrafficNotRouted"


class Verb(StrEnum):
    """What a person asks of a rollout."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    ABORT = "abort"
    RETRY = "retry"
    PAUSE = "pause"


@dataclass(frozen=True)
class RolloutRequest:
    """A request of a person; its id tells whether it was dealt with."""

    verb: Verb
    id: str
    reason: str = ""


class Write(StrEnum):
    """A write into the spec."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class AnalysisProgress:
    """What the analysis of the current step has measured until now."""

    status: AnalysisStatus | None = None
    """None: it has not begun."""
    obstacle: str = ""
    """Why it cannot be run, as one word."""
    message: str = ""
    """What the obstacle is, and what to do."""
    wake: float | None = None
    """Seconds until something is to be measured."""


@dataclass(frozen=True)
class World:
    """What is observed."""

    now: str
    """RFC 3339."""
    candidate_ready: bool = False
    """Whether a pod of the candidate serves what is rolled out."""
    candidate_failure: str = ""
    """Why its pods do not get ready, if that does not pass by itself."""
    stable_runs: str = ""
    """`digest_of` what every pod of stable runs with; "" while they are being replaced."""
    request: RolloutRequest | None = None
    obstacle: str = ""
    """Why this agent cannot have a candidate; "" if it can."""
    analysis: AnalysisProgress | None = None
    """The analysis of the current step; None where there is none, or nothing to measure yet."""
    settle_seconds: float = SETTLE_SECONDS
    """How long a changed file takes until every facade has read it."""
    traffic: TrafficState = field(default_factory=TrafficState)
    """Whether the objects that the status names give the candidate its weight."""


@dataclass(frozen=True)
class News:
    """What an Event says."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Plan:
    """The next status, and what there has to be."""

    status: RolloutStatus
    stable: RolloutFields
    candidate: RolloutFields | None = None
    """None: there is no candidate."""
    write: Write | None = None
    """What to write into the spec when the status is written: one attempt of two at most."""
    news: tuple[News, ...] = ()
    wake: float | None = None
    """Seconds until the next step; None: an event brings it."""


def advance(spec: AgentRuntimeSpec, status: RolloutStatus, world: World) -> Plan:
    """Take the next step of a rollout."""
    return _Step(spec, status, world).plan()


@dataclass
class _Step:
    """One step."""

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
        self.wrong = _wrong_candidate(self.spec)
        self.obstacle = self.world.obstacle or self.wrong
        self.status = self._without_old_hold()
        self.stable = stable_of(self.spec, self.status)
        self.target = self.stable if self.wanted is None else self.wanted
        self.id = digest_of(self.stable, self.target)
        self.verb = self._verb()

    def plan(self) -> Plan:
        """Return the plan."""
        if self.status.phase is RolloutPhase.PROMOTING:
            return self._promoting()
        if self.status.phase is RolloutPhase.ROLLING_BACK:
            return self._rolling_back()
        if self.target == self.stable:
            return self._nothing_to_do()
        if not self.status.active or self.status.id != self.id:
            return self._begin()
        return self._under_way()

    # What a person asks for.

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
        phase = self.status.phase.value
        message = f"the request {request.verb.value} does not fit a rollout that is {phase}"
        if request.verb is Verb.PROMOTE_FULL and self._is_open:
            message = "the request promote --full waits for a ready pod of the candidate: ask again"
        self.news.append(News("RolloutRequestRefused", message, warning=True))
        return None

    @property
    def _is_open(self) -> bool:
        return self.status.phase in (RolloutPhase.PROGRESSING, RolloutPhase.PAUSED)

    # Without a rollout.

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

    def _nothing_to_do(self) -> Plan:
        if not self.status.active:
            return self._resting(NOT_POSSIBLE, self.wrong) if self.wrong else self._idle()
        if self.wanted is not None and self.base == self.status.candidate:
            # Somebody wrote the candidate into the spec: that is a promotion by hand.
            self.target = self.base
            return self._promote(write=False)
        return self._roll_back("the candidate was withdrawn", write=False)

    def _idle(self) -> Plan:
        held = self.status.held
        if held is not None and held.replaced == self.base and held.promoted == self.stable:
            return self._resting(PROMOTED_HELD, _held_message(held))
        return self._resting(NO_ROLLOUT, "")

    def _resting(self, reason: str, message: str, wake: float | None = None) -> Plan:
        status = RolloutStatus(
            stable_version=self.stable.prompt_pack_version,
            candidate_version=self.target.prompt_pack_version,
            reason=reason,
            message=message or None,
            held=self.status.held,
            last=self.status.last,
            request=self.status.request,
        )
        return self._made(status, gone=True, wake=wake)

    def _begin(self) -> Plan:
        last = self.status.last
        if self.obstacle:
            if self.status.active:
                return self._roll_back(self.obstacle, write=False)
            return self._resting(NOT_POSSIBLE, self.obstacle)
        if not self.status.active and last is not None and self.verb is not Verb.RETRY:
            if last.result is RolloutResult.ROLLED_BACK and last.id == self.id:
                message = (
                    f"this candidate was rolled back ({last.reason}) and is not tried again: change"
                    " it, or try again with omnia rollout retry"
                )
                return self._resting(ROLLED_BACK, message)
            wait = self._cooldown(last)
            if wait > 0:
                message = f"the last rollout was rolled back; this one begins in {wait:.0f} s"
                return self._resting(WAITING, message, wake=wait)
        status = RolloutStatus(
            active=True,
            current_step=0,
            current_weight=0,
            stable_version=self.stable.prompt_pack_version,
            candidate_version=self.target.prompt_pack_version,
            phase=RolloutPhase.PROGRESSING,
            id=self.id,
            start_time=self.world.now,
            step_start_time=self.world.now,
            stable=self.stable,
            candidate=self.target,
            # What has weights of an earlier candidate loses them first.
            traffic_routing=self.status.traffic_routing or self.traffic_routing,
            held=self.status.held,
            last=last,
            request=self.status.request,
        )
        self.news.append(News("RolloutStarted", f"{_what(status)} begins"))
        return self._made(_shown(status, PROGRESSING, "the candidate's pods start"), wake=SOON)

    def _cooldown(self, last: FinishedRollout) -> float:
        rollout = self.spec.rollout
        if rollout is None or last.result is not RolloutResult.ROLLED_BACK:
            return 0.0
        return rollout.rollback.cooldown.seconds - elapsed(last.time, self.world.now)

    # Under way.

    def _under_way(self) -> Plan:
        if self.obstacle:
            return self._roll_back(self.obstacle, write=False)
        asked = self._asked()
        if asked is not None:
            return asked
        if self.status.phase is RolloutPhase.PAUSED:
            return self._unrouted() or self._still_paused()
        if self.world.candidate_failure:
            failed = self._failed(self.world.candidate_failure)
            if failed is not None:
                return failed
        unrouted = self._unrouted()
        if unrouted is not None:
            return unrouted
        index = self._index
        if index < len(self.steps):
            return self._do(self.steps[index])
        if self.world.candidate_ready:
            return self._promote()
        return self._wait("all steps are done; it waits for a ready pod of the candidate")

    def _unrouted(self) -> Plan | None:
        """Wait until the candidate has its weight; None: it has it."""
        if self.status.traffic_routing != self.traffic_routing and self.world.traffic.drained:
            # From here on other objects have the weights, or the facades.
            update = {"traffic_routing": self.traffic_routing}
            return self._made(self.status.model_copy(update=update), wake=SOON)
        problem = self.world.traffic.problem
        if self.status.traffic_routing == self.traffic_routing and problem is None:
            return None
        if self.status.phase is RolloutPhase.PAUSED:
            return self._made(self.status)  # the reason of the pause says what continues it
        message = problem.message if problem else "the former objects lose their weights first"
        return self._made(_shown(self.status, TRAFFIC_NOT_ROUTED, message))

    def _asked(self) -> Plan | None:
        """Do what a person asks for."""
        match self.verb:
            case Verb.ABORT:
                request = self.world.request
                return self._roll_back((request.reason if request else "") or "aborted by request")
            case Verb.PROMOTE_FULL:
                return self._promote()
            case Verb.PAUSE:
                message = "a person paused it: omnia rollout promote continues"
                return self._pause(PAUSED_BY_REQUEST, message)
            case Verb.PROMOTE | Verb.RETRY:
                return self._resume()
            case None:
                return None

    @property
    def _index(self) -> int:
        """The current step; steps may have been removed meanwhile."""
        return min(self.status.current_step or 0, len(self.steps))

    def _do(self, step: RolloutStep) -> Plan:
        if step.set_weight is not None:
            if not self.world.candidate_ready:
                return self._wait("it waits for a ready pod of the candidate")
            weights = self._weights(step.set_weight)
            self.news.append(
                News("RolloutStep", f"{step.set_weight} % of new sessions get the candidate")
            )
            update = {"weights": weights, "current_weight": step.set_weight}
            return self._next(update)
        if step.pause is not None:
            duration = step.pause.duration
            if duration is None:
                message = "a pause without an end: omnia rollout promote continues"
                return self._pause(PAUSE_STEP, message, keep_time=True)
            return self._pause(PAUSE_STEP, f"a pause of {duration}", keep_time=True)
        return self._analyse()

    def _analyse(self) -> Plan:
        progress = self.world.analysis
        if progress is None:
            return self._wait("it waits for a ready pod of the candidate")
        if progress.status is None or progress.obstacle:
            return self._made(_shown(self.status, progress.obstacle, progress.message))
        found = progress.status
        self.status = self.status.model_copy(update={"analysis": found})
        message = f"the RolloutAnalysis {found.template_name}"
        if found.phase is AnalysisPhase.RUNNING:
            shown = _shown(self.status, ANALYSIS_RUNNING, _measuring(message, found))
            return self._made(shown, wake=progress.wake)
        if found.phase is AnalysisPhase.SUCCESSFUL:
            self.news.append(News("RolloutAnalysisPassed", f"{message} passed"))
            return self._next({})
        message = f"{message}: {found.message or found.phase.value}"
        if found.phase is AnalysisPhase.INCONCLUSIVE:
            self.news.append(News("RolloutAnalysisInconclusive", message, warning=True))
            hint = "omnia rollout promote goes on, retry measures again"
            return self._pause(ANALYSIS_INCONCLUSIVE, f"{message}; {hint}")
        self.news.append(News("RolloutAnalysisFailed", message, warning=True))
        match self._rollback_mode:
            case RollbackMode.AUTOMATIC:
                return self._roll_back(message)
            case RollbackMode.MANUAL:
                return self._pause(ANALYSIS_FAILED, f"{message}; {_UP_TO_YOU}")
            case RollbackMode.DISABLED:
                return self._next({})

    def _still_paused(self) -> Plan:
        index = self._index
        step = self.steps[index] if index < len(self.steps) else None
        timed = step.pause.duration if step and step.pause else None
        if self.status.reason != PAUSE_STEP:
            return self._made(self.status)
        if step is None or step.pause is None:
            # The step was changed into another one: that one is done.
            return self._go_on({})
        if timed is None:
            return self._made(self.status)
        left = timed.seconds - elapsed(self.status.step_start_time or "", self.world.now)
        return self._next({}) if left <= 0 else self._made(self.status, wake=left)

    def _resume(self) -> Plan:
        """Continue: `promote` after the step, `retry` with it, and both with one that was cut."""
        cut = self.status.reason in (CANDIDATE_FAILED, PAUSED_BY_REQUEST)
        if cut or self.verb is Verb.RETRY:
            # An analysis that was cut measures from the beginning.
            return self._go_on({"analysis": None})
        return self._next({})

    def _next(self, update: dict[str, object]) -> Plan:
        return self._go_on({**update, "current_step": self._index + 1})

    def _go_on(self, update: dict[str, object]) -> Plan:
        given = {"phase": RolloutPhase.PROGRESSING, "step_start_time": self.world.now, **update}
        status = self.status.model_copy(update=given)
        return self._made(_shown(status, PROGRESSING, ""), wake=SOON)

    def _wait(self, message: str) -> Plan:
        if failure := self.world.candidate_failure:
            return self._made(_shown(self.status, CANDIDATE_FAILED, f"{message}: {failure}"))
        return self._made(_shown(self.status, PROGRESSING, message))

    def _pause(self, reason: str, message: str, *, keep_time: bool = False) -> Plan:
        update: dict[str, object] = {"phase": RolloutPhase.PAUSED}
        if not keep_time:
            update["step_start_time"] = self.world.now
        self.news.append(News("RolloutPaused", message))
        return self._made(_shown(self.status.model_copy(update=update), reason, message), wake=SOON)

    def _failed(self, message: str) -> Plan | None:
        """React to a candidate whose pods fail; None: it goes on."""
        mode = self._rollback_mode
        if mode is RollbackMode.AUTOMATIC:
            return self._roll_back(message)
        if mode is RollbackMode.MANUAL:
            return self._pause(CANDIDATE_FAILED, f"{message}; {_UP_TO_YOU}")
        if self.status.reason != CANDIDATE_FAILED:
            self.news.append(News("RolloutCandidateFailed", message, warning=True))
        return None

    @property
    def _rollback_mode(self) -> RollbackMode:
        rollout = self.spec.rollout
        return rollout.rollback.mode if rollout else RollbackMode.MANUAL

    def _weights(self, weight: int) -> tuple[WeightChange, ...]:
        rollout = self.spec.rollout
        placed = self.status.traffic_routing is None or (rollout and rollout.sticky_session)
        lead = self.world.settle_seconds if placed else 0
        at = _time(self.world.now) + dt.timedelta(seconds=lead)
        known = self.status.weights
        # A later change cannot begin earlier than the one before it.
        time = max([at.isoformat(), *(each.time for each in known[-1:])], key=_time)
        change = WeightChange(time=_text(_time(time)), weight=weight)
        return (*known, change)[-64:]

    # The two ends.

    def _promote(self, *, write: bool = True) -> Plan:
        rollout = self.spec.rollout
        holds = rollout is not None and rollout.promotion is Promotion.HOLD
        held = None if self.base == self.target else self._hold(self.target)
        status = self.status.model_copy(
            update={
                "phase": RolloutPhase.PROMOTING,
                "step_start_time": self.world.now,
                "current_step": len(self.steps),
                "current_weight": _ALL,
                "weights": self._weights(_ALL),
                "candidate": self.target,
                "held": held,
                "writes": 0 if write and not holds else _NO_WRITE,
            }
        )
        self.news.append(News("RolloutPromoting", f"{_what(status)} is promoted"))
        # Stable changes in the next step, when this intent is in the status.
        before = self.status.stable or self.stable
        shown = _shown(status, PROMOTING, "stable takes over what the candidate has")
        return self._made(shown, stable=before, wake=SOON)

    def _hold(self, goal: RolloutFields) -> HeldFields:
        return HeldFields(replaced=self.base, promoted=goal)

    def _promoting(self) -> Plan:
        goal = self.status.candidate
        if goal is None:  # somebody edited the status
            return self._roll_back("the status has lost what was rolled out", write=False)
        asked_still = self.wanted == goal
        if self.base != goal and not asked_still:
            return self._roll_back("the candidate was changed during its promotion", write=False)
        status = self.status.model_copy(update={"held": self._held_while_promoting(goal)})
        if self.base == goal:
            # It has arrived: what GitOps makes of it later is not written over.
            status = status.model_copy(update={"writes": _NO_WRITE})
        elif status.writes < _NO_WRITE:
            status = status.model_copy(update={"writes": status.writes + 1})
            return self._made(status, stable=goal, write=Write.PROMOTION, wake=SOON)
        since = elapsed(status.step_start_time or "", self.world.now)
        settle = self.world.settle_seconds
        if not status.over:
            if self.world.stable_runs != digest_of(goal) or since < settle:
                left = max(SOON, settle - since)
                return self._made(status, stable=goal, wake=left)
            update = {"over": True, "step_start_time": self.world.now}
            over = status.model_copy(update=update)
            return self._made(over, stable=goal, wake=settle)
        if since < settle or not self.world.traffic.drained:
            return self._made(status, stable=goal, wake=max(SOON, settle - since))
        self.status = status
        self.stable = goal
        self.news.append(News("RolloutPromoted", f"{_what(status)} is promoted"))
        return self._ended(RolloutResult.PROMOTED, "")

    def _held_while_promoting(self, goal: RolloutFields) -> HeldFields | None:
        if self.base != goal:
            return self._hold(goal)
        # It is not forgotten when the spec agrees for a moment: GitOps may restore the old value.
        held = self.status.held
        return held if held is not None and held.promoted == goal else None

    def _roll_back(self, reason: str, *, write: bool = True) -> Plan:
        rollout = self.spec.rollout
        holds = rollout is None or rollout.promotion is Promotion.HOLD
        status = self.status.model_copy(
            update={
                "phase": RolloutPhase.ROLLING_BACK,
                "step_start_time": self.world.now,
                "current_weight": 0,
                "over": True,
                "held": None if self.status.phase is RolloutPhase.PROMOTING else self.status.held,
                "writes": 0 if write and not holds else _NO_WRITE,
            }
        )
        self.news.append(News("RolloutRollingBack", f"{_what(status)}: {reason}", warning=True))
        shown = _shown(status, ROLLING_BACK, reason)
        stable = self.base if self.status.phase is RolloutPhase.PROMOTING else self.stable
        return self._made(shown, stable=stable, wake=SOON)

    def _rolling_back(self) -> Plan:
        status = self.status
        if self.wanted is None or self.id != status.id:
            status = status.model_copy(update={"writes": _NO_WRITE})
        elif status.writes < _NO_WRITE:
            status = status.model_copy(update={"writes": status.writes + 1})
            return self._made(status, write=Write.ROLLBACK, wake=SOON)
        since = elapsed(status.step_start_time or "", self.world.now)
        settle = self.world.settle_seconds
        if since < settle or not self.world.traffic.drained:
            return self._made(status, wake=max(SOON, settle - since))
        reason = status.message or ""
        self.news.append(News("RolloutRolledBack", f"{_what(status)}: {reason}", warning=True))
        return self._ended(RolloutResult.ROLLED_BACK, reason)

    def _ended(self, result: RolloutResult, reason: str) -> Plan:
        last = FinishedRollout(
            id=self.status.id or "",
            result=result,
            reason=reason,
            time=self.world.now,
            candidate_version=self.status.candidate_version,
        )
        self.status = self.status.model_copy(update={"last": last, "active": False})
        self.target = self.stable
        reason = PROMOTED_HELD if self._is_held else NO_ROLLOUT
        held = self.status.held
        message = _held_message(held) if held and self._is_held else ""
        # The next step says what it thinks of the spec as it is now.
        return self._resting(reason, message, wake=SOON)

    @property
    def _is_held(self) -> bool:
        held = self.status.held
        return held is not None and held.replaced == self.base and held.promoted == self.stable

    def _made(
        self,
        status: RolloutStatus,
        *,
        stable: RolloutFields | None = None,
        gone: bool = False,
        write: Write | None = None,
        wake: float | None = None,
    ) -> Plan:
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


def milliseconds(time: str) -> int:
    """Return a time of a status in milliseconds since 1970."""
    return int(_time(time).timestamp() * 1000)


def differences(before: RolloutFields, after: RolloutFields) -> Iterator[str]:
    """Yield what one side has instead of what the other has, in the words of the spec."""
    if before.prompt_pack_version != after.prompt_pack_version:
        yield f"promptPackRef.version {after.prompt_pack_version}"
    for old, new in zip(before.providers, after.providers, strict=False):
        if old != new:
            yield f"providers {new.name} {new.provider_ref.name}"
    if before.tool_registry_ref != after.tool_registry_ref:
        registry = after.tool_registry_ref
        yield f"toolRegistryRef {registry.name if registry else 'none'}"


def _wrong_candidate(spec: AgentRuntimeSpec) -> str:
    """Return what is wrong with the candidate; "" if nothing is."""
    unknown = unknown_providers(spec)
    if not unknown:
        return ""
    known = ", ".join(provider.name for provider in spec.providers) or "none"
    return (
        f"rollout.candidate.providerRefs names {', '.join(unknown)}, and the agent has the"
        f" providers {known}: a candidate replaces providers by their names"
    )


def _what(status: RolloutStatus) -> str:
    if status.stable is None or status.candidate is None:
        return "the rollout"
    return f"the rollout to {', '.join(differences(status.stable, status.candidate))}"


def _held_message(held: HeldFields) -> str:
    changes = ", ".join(differences(held.replaced, held.promoted))
    return (
        f"{changes} was promoted, and the spec has the old value again: set it there (in Git, if"
        " that is where the spec comes from) and remove rollout.candidate; removing only the"
        " candidate goes back to what the spec says"
    )


def _measuring(subject: str, analysis: AnalysisStatus) -> str:
    """Return what an analysis has measured until now."""
    done = (
        f"{each.name} {each.successful} successful"
        + (f", {each.failed} failed" if each.failed else "")
        + (f", {each.message}" if each.message else "")
        for each in analysis.metrics
    )
    return f"{subject} measures: {'; '.join(done)}"


def _shown(status: RolloutStatus, reason: str, message: str) -> RolloutStatus:
    return status.model_copy(update={"reason": reason, "message": message or None})


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _text(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def elapsed(since: str, now: str) -> float:
    """Return the seconds between two times; a time that is missing is long ago."""
    if not since:
        return float(10**9)
    return (_time(now) - _time(since)).total_seconds()
