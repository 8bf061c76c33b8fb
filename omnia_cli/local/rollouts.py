"""Where the rollouts of agents stand on this machine; a cluster has it in their status.

The steps are those of the operator's machine. Nothing is written into a manifest: what was promoted
is held until the manifest follows, or until `omnia up` ends.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from omnia_cli.local.objects import Key, Objects
from omnia_cli.local.ports import LOOPBACK
from omnia_core.files.rollout import TOKEN_FILE
from omnia_operator.api import AgentRuntime
from omnia_operator.api.rollout import Promotion, RolloutStatus
from omnia_operator.labels import OwnedNames
from omnia_operator.plan import AgentPlan
from omnia_operator.resolve import Problem
from omnia_operator.rollout.candidate import obstacle_of, schedule_config_map, schedule_of
from omnia_operator.rollout.identity import digest_of, with_fields
from omnia_operator.rollout.machine import advance
from omnia_operator.rollout.plan import News, Plan, World
from omnia_operator.rollout.requests import RolloutRequest

SETTLE_SECONDS = 2.0
"""The facades here look at their files once a second."""


_NO_ROLLOUT = News("RolloutRequestRefused", "the agent has no spec.rollout", warning=True)


@dataclass(frozen=True)
class ObservedRollout:
    """What is known about the rollout of an agent before its next step.

    Attributes:
        door: the port at which the candidate lets the facade in.
        token: what the facade says there.
    """

    status: RolloutStatus
    world: World
    door: int
    token: str


@dataclass(frozen=True)
class LocalRollout:
    """A step of the rollout of an agent.

    Attributes:
        plan: what was decided.
        status: the next status.
        candidate: the plan of the candidate; None if there is none, or none that can run.
        problems: what prevents the candidate.
    """

    plan: Plan
    status: RolloutStatus
    candidate: AgentPlan | None = None
    problems: tuple[Problem, ...] = ()


def decided(agent: AgentRuntime, observed: ObservedRollout | None) -> Plan | None:
    """Decide about the rollout of an agent; None: it has none."""
    if observed is None or (agent.spec.rollout is None and not observed.status.active):
        return None
    spec = agent.spec
    if spec.rollout is not None:
        # No manifest is written, and no mesh is here: the facade splits the sessions.
        here = {"promotion": Promotion.HOLD, "traffic_routing": None}
        held = spec.rollout.model_copy(update=here)
        spec = spec.model_copy(update={"rollout": held})
    obstacle = obstacle_of(agent) if spec.rollout else ""
    return advance(spec, observed.status, replace(observed.world, obstacle=obstacle))


def stable_agent(agent: AgentRuntime, step: Plan) -> AgentRuntime:
    """Return an agent as stable runs it."""
    return agent.model_copy(update={"spec": with_fields(agent.spec, step.stable)})


def with_schedule(
    planned: AgentPlan, agent: AgentRuntime, step: Plan, observed: ObservedRollout
) -> AgentPlan:
    """Add to the plan of stable the schedule that its facade follows."""
    schedule = schedule_of(agent, step.status)
    if schedule is None:
        return planned
    here = msgspec.structs.replace(schedule, candidate=f"{LOOPBACK}:{observed.door}")
    config_map = schedule_config_map(agent.metadata.name, here)
    return replace(planned, config_maps=(*planned.config_maps, config_map))


def with_token(objects: Objects, key: Key, observed: ObservedRollout) -> Objects:
    """Add the Secret with the token of the candidate's door."""
    secret = (key[0], OwnedNames(key[1]).peer_secret)
    data = {TOKEN_FILE: observed.token.encode()}
    return replace(objects, secrets={**objects.secrets, secret: data})


@dataclass(frozen=True)
class RolloutAnswer:
    """What became of a request: the status after it, and what there is to say."""

    status: RolloutStatus
    news: tuple[News, ...] = ()


@dataclass
class _Requested:
    request: RolloutRequest
    answer: "asyncio.Future[RolloutAnswer]"


@dataclass
class _Known:
    """What the run remembers about the rollout of an agent.

    Attributes:
        changed: whether something has changed since it was observed last.
        asked: the request that the step under way deals with; later ones wait for the next.
    """

    status: RolloutStatus = field(default_factory=RolloutStatus)
    stable_runs: str = ""
    due: float | None = None
    changed: bool = False
    requests: deque[_Requested] = field(default_factory=deque)
    asked: _Requested | None = None


class Rollouts:
    """The rollouts of a run, what people ask of them, and when the next step is due."""

    def __init__(self) -> None:
        self._known: dict[Key, _Known] = {}
        self._token = secrets.token_hex(32)

    @property
    def due(self) -> bool:
        """Whether a step is to be taken."""
        now = time.monotonic()
        return any(
            each.requests
            or each.asked
            or each.changed
            or (each.due is not None and now >= each.due)
            for each in self._known.values()
        )

    def status(self, key: Key) -> RolloutStatus | None:
        """Return where the rollout of an agent stands; None: there is no such agent."""
        return self._known[key].status if key in self._known else None

    async def ask(self, key: Key, request: RolloutRequest) -> RolloutAnswer:
        """Ask for something; return when the next step has dealt with it.

        Raises:
            KeyError: there is no such agent.
        """
        answer: asyncio.Future[RolloutAnswer] = asyncio.get_running_loop().create_future()
        self._known[key].requests.append(_Requested(request, answer))
        return await answer

    def observed(self, key: Key, door: int, world: World) -> ObservedRollout:
        """Return what is known about an agent; `world` has what was observed of its candidate."""
        known = self._of(key)
        known.changed = False
        if known.asked is None and known.requests:
            known.asked = known.requests.popleft()
        seen = replace(
            world,
            stable_runs=known.stable_runs,
            request=known.asked.request if known.asked else None,
            settle_seconds=SETTLE_SECONDS,
        )
        return ObservedRollout(known.status, seen, door, self._token)

    def take(self, key: Key, step: LocalRollout | None) -> None:
        """Take over a step; None: the agent has no rollout."""
        known = self._of(key)
        known.status = RolloutStatus() if step is None else step.status
        wake = None if step is None else step.plan.wake
        known.due = None if wake is None else time.monotonic() + wake
        asked, known.asked = known.asked, None
        if asked is not None and not asked.answer.done():
            news = (_NO_ROLLOUT,) if step is None else step.plan.news
            asked.answer.set_result(RolloutAnswer(known.status, news))

    def applied(self, key: Key, step: LocalRollout, *, runs: bool) -> None:
        """Note whether stable runs with what was decided."""
        self._known[key].stable_runs = digest_of(step.plan.stable) if runs else ""

    def hurry(self, key: Key) -> None:
        """Take the next step now: something has changed."""
        self._of(key).changed = True

    def keep(self, keys: Mapping[Key, object]) -> None:
        """Forget the agents that are not among these."""
        for key in [key for key in self._known if key not in keys]:
            known = self._known.pop(key)
            for asked in (*known.requests, *([known.asked] if known.asked else [])):
                asked.answer.cancel()

    def _of(self, key: Key) -> _Known:
        return self._known.setdefault(key, _Known())
