"""The candidate of a rollout: the plan of an agent that is derived from the stable one."""

import math
from dataclasses import replace

import msgspec

from omnia_core import names
from omnia_core.env import SessionType
from omnia_core.files.function import FunctionFile
from omnia_core.files.rollout import Schedule, schedule_text
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler, Variant
from omnia_operator import labels
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.rollout import RolloutFields, RolloutPhase, RolloutStatus
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.desired import AgentPlan
from omnia_operator.plan.rollout import PEER_DOOR, rollout_volume
from omnia_operator.plan.shapes import ConfigMapPlan
from omnia_operator.rollout.times import milliseconds

_FUNCTION_FILE = names.FUNCTION_PATH.rpartition("/")[2]
_ALL = 100


def obstacle_of(agent: AgentRuntime) -> str:
    """Return why an agent cannot have a candidate; "" if it can."""
    spec = agent.spec
    candidate = spec.rollout.candidate if spec.rollout else None
    if spec.facade.handler is not Handler.RUNTIME:
        return f"facade.handler {spec.facade.handler.value} has no runtime that could be rolled out"
    if spec.session.type is SessionType.SQLITE:
        return (
            "sessions in SQLite are a file of one pod, and a candidate is a second one: set"
            " session.type to redis, postgres or mongodb"
        )
    if spec.facade.port == names.PEER_PORT:
        return f"port {names.PEER_PORT} is that of a candidate's door: choose another facade.port"
    if candidate is None or candidate.prompt_pack_version is None:
        return ""
    if spec.prompt_pack_ref is None:
        return "candidate.promptPackVersion needs promptPackRef, and this agent has no pack"
    if spec.prompt_pack_ref.version is None:
        return (
            "without promptPackRef.version stable gets the highest version, the candidate's too:"
            " set it to the version that stable has"
        )
    return ""


def document_with(document: JsonObject, fields: RolloutFields) -> JsonObject:
    """Return the document of an agent as if its spec had these fields."""
    wanted = fields.model_dump(mode="json", by_alias=True, exclude_none=True)
    spec = {**document["spec"]}
    if pack := spec.get("promptPackRef"):
        version = wanted.get("promptPackVersion")
        kept = {key: value for key, value in pack.items() if key != "version"}
        spec["promptPackRef"] = {**kept, **({"version": version} if version else {})}
    if spec.get("providers"):
        spec["providers"] = wanted["providers"]
    spec.pop("toolRegistryRef", None)
    if registry := wanted.get("toolRegistryRef"):
        spec["toolRegistryRef"] = registry
    return {**document, "spec": spec}


def candidate_of(agent: AgentRuntime, replicas: int) -> AgentRuntime:
    """Return the agent whose plan is that of the candidate; `agent` has its fields already."""
    name = labels.canary_name(agent.metadata.name)
    runtime = agent.spec.runtime.model_copy(update={"replicas": replicas, "autoscaling": None})
    facade = agent.spec.facade.model_copy(update={"expose": None})
    update = {"rollout": None, "runtime": runtime, "facade": facade}
    return agent.model_copy(
        update={
            "metadata": agent.metadata.model_copy(update={"name": name}),
            "spec": agent.spec.model_copy(update=update),
        }
    )


def as_candidate(planned: AgentPlan, agent: str, digest: str) -> AgentPlan:
    """Return the plan of a derived agent as that of the candidate of `agent`.

    Its pods are those of the agent for everybody else: they have its name, its sessions and its
    ServiceAccount. Only facades of the agent reach them, by the door.
    """
    own = OwnedNames(agent)
    facade_env = msgspec.structs.replace(
        planned.facade.env,
        agent_name=agent,
        variant=Variant.CANDIDATE,
        peer_port=names.PEER_PORT,
    )
    runtime = planned.runtime
    if runtime is not None:
        env = msgspec.structs.replace(runtime.env, agent_name=agent, variant=Variant.CANDIDATE)
        runtime = replace(runtime, env=env)
    return replace(
        planned,
        agent=agent,
        variant=Variant.CANDIDATE,
        facade=replace(planned.facade, env=facade_env, ports=(*planned.facade.ports, PEER_DOOR)),
        runtime=runtime,
        config_maps=tuple(_renamed(each, agent) for each in planned.config_maps),
        volumes=tuple(
            rollout_volume(agent) if volume["name"] == rollout_volume(agent)["name"] else volume
            for volume in planned.volumes
        ),
        pods=replace(
            planned.pods,
            service_account=planned.pods.service_account or own.service_account,
        ),
        exposure=None,
        # The worker of the agent evaluates the sessions of both sides.
        evals=None,
        rollout=digest,
    )


def replicas_of(status: RolloutStatus, stable: int) -> int:
    """Return the pods of the candidate, where stable has so many."""
    weight = _ALL if status.current_weight is None else status.current_weight
    return max(1, math.ceil(stable * weight / _ALL))


def hindered(status: RolloutStatus, problem: str) -> RolloutStatus:
    """Return the status of a rollout whose candidate has a problem that may pass."""
    if status.phase is not RolloutPhase.PROGRESSING:
        return status
    message = f"{status.message or 'the candidate is not complete'}: {problem}"
    return status.model_copy(update={"message": message})


def schedule_of(agent: AgentRuntime, status: RolloutStatus) -> Schedule | None:
    """Return the schedule that facades follow; None: each answers what reaches it."""
    if not status.active or status.id is None:
        return None
    namespace, name = agent.key
    sticky = agent.spec.rollout.sticky_session if agent.spec.rollout else None
    routed = status.traffic_routing is not None
    if routed and sticky is None:
        return None
    doors = f"{labels.stable_service(name)}.{namespace}.svc:{names.PEER_PORT}"
    return Schedule(
        id=status.id,
        candidate=f"{labels.canary_name(name)}.{namespace}.svc:{names.PEER_PORT}",
        hash_on=sticky.hash_on.lower() if sticky else "",
        steps=tuple((milliseconds(each.time), each.weight) for each in status.weights[-64:]),
        over=status.over,
        stable=doors if routed else "",
    )


def schedule_config_map(agent: str, schedule: Schedule) -> ConfigMapPlan:
    """Return the ConfigMap with the schedule."""
    name = OwnedNames(agent).config_map("rollout")
    return ConfigMapPlan(name, {"rollout.json": schedule_text(schedule)})


def _renamed(config_map: ConfigMapPlan, agent: str) -> ConfigMapPlan:
    """Return a ConfigMap whose function has the name of the agent."""
    text = config_map.data.get(_FUNCTION_FILE)
    if text is None:
        return config_map
    file = msgspec.structs.replace(msgspec.json.decode(text, type=FunctionFile), name=agent)
    renamed = msgspec.json.format(msgspec.json.encode(file)).decode()
    return replace(config_map, data={**config_map.data, _FUNCTION_FILE: renamed})
