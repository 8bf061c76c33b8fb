"""What a rollout changes: the fields of both sides, and the one write into the spec."""

import hashlib
import json
from collections.abc import Iterator

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.agentruntime import AgentRuntimeSpec, PromptPackRef
from omnia_operator.api.rollout import RolloutCandidate, RolloutFields, RolloutStatus

_ID_DIGITS = 12
_CANDIDATE = "/spec/rollout/candidate"


def fields_of(spec: AgentRuntimeSpec) -> RolloutFields:
    """Return what the spec itself says."""
    pack = spec.prompt_pack_ref
    return RolloutFields(
        prompt_pack_version=None if pack is None else pack.version,
        providers=spec.providers,
        tool_registry_ref=spec.tool_registry_ref,
    )


def overridden(base: RolloutFields, candidate: RolloutCandidate) -> RolloutFields:
    """Return the fields of a candidate: those of the base, with what it has instead."""
    replaced = {provider.name: provider for provider in candidate.provider_refs}
    return RolloutFields(
        prompt_pack_version=candidate.prompt_pack_version or base.prompt_pack_version,
        providers=tuple(replaced.get(provider.name, provider) for provider in base.providers),
        tool_registry_ref=candidate.tool_registry_ref or base.tool_registry_ref,
    )


def with_fields(spec: AgentRuntimeSpec, fields: RolloutFields) -> AgentRuntimeSpec:
    """Return the spec of an agent that runs with these fields."""
    if fields_of(spec) == fields:
        return spec
    pack = spec.prompt_pack_ref
    if pack is not None:
        pack = PromptPackRef(name=pack.name, version=fields.prompt_pack_version)
    return spec.model_copy(
        update={
            "prompt_pack_ref": pack,
            "providers": fields.providers,
            "tool_registry_ref": fields.tool_registry_ref,
        }
    )


def digest_of(*fields: RolloutFields) -> str:
    """Return an id of fields in this order."""
    text = json.dumps([_rendered(each) for each in fields], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]


def stable_of(spec: AgentRuntimeSpec, status: RolloutStatus) -> RolloutFields:
    """Return what stable runs with.

    That is what the spec says, or what was promoted over it, while the spec has the same candidate
    as then: whoever restored the spec restored the rollout too, and wants no second one.
    """
    base, held = fields_of(spec), status.held
    candidate = spec.rollout.candidate if spec.rollout else None
    if held is None or held.replaced != base or candidate is None:
        return base
    return held.promoted if overridden(base, candidate) == held.promoted else base


def unknown_providers(spec: AgentRuntimeSpec) -> list[str]:
    """Return the names of the candidate's providers that the agent does not have."""
    candidate = spec.rollout.candidate if spec.rollout else None
    known = {provider.name for provider in spec.providers}
    given = candidate.provider_refs if candidate else ()
    return [provider.name for provider in given if provider.name not in known]


def promotion_patch(document: JsonObject, goal: RolloutFields) -> list[JsonObject]:
    """Return the JSON patch that writes what was promoted into a spec.

    Each field is tested first: an edit that came in between is not overwritten.
    """
    spec, wanted = document["spec"], _rendered(goal)
    operations: list[JsonObject] = []
    if pack := spec.get("promptPackRef"):
        operations += _replaced(
            "/spec/promptPackRef/version", pack.get("version"), wanted.get("promptPackVersion")
        )
    named = {each["name"]: each["providerRef"] for each in wanted.get("providers") or ()}
    operations += _providers("/spec/providers", spec.get("providers") or (), named)
    operations += _replaced(
        "/spec/toolRegistryRef", spec.get("toolRegistryRef"), wanted.get("toolRegistryRef")
    )
    return operations


def rollback_patch(document: JsonObject) -> list[JsonObject]:
    """Return the JSON patch that gives the candidate what the spec has."""
    spec = document["spec"]
    candidate = (spec.get("rollout") or {}).get("candidate") or {}
    operations: list[JsonObject] = []
    if version := candidate.get("promptPackVersion"):
        own = (spec.get("promptPackRef") or {}).get("version")
        operations += _replaced(f"{_CANDIDATE}/promptPackVersion", version, own)
    named = {each["name"]: each["providerRef"] for each in spec.get("providers") or ()}
    refs = candidate.get("providerRefs") or ()
    operations += _providers(f"{_CANDIDATE}/providerRefs", refs, named)
    if registry := candidate.get("toolRegistryRef"):
        own = spec.get("toolRegistryRef")
        operations += _replaced(f"{_CANDIDATE}/toolRegistryRef", registry, own)
    return operations


def _providers(
    path: str, listed: "list[JsonObject] | tuple[JsonObject, ...]", named: JsonObject
) -> Iterator[JsonObject]:
    for index, each in enumerate(listed):
        wanted = named.get(each["name"], each["providerRef"])
        if wanted != each["providerRef"]:
            yield {"op": "test", "path": f"{path}/{index}/name", "value": each["name"]}
            yield from _replaced(f"{path}/{index}/providerRef", each["providerRef"], wanted)


def _replaced(path: str, old: object, new: object) -> Iterator[JsonObject]:
    if old == new:
        return
    if old is not None:
        yield {"op": "test", "path": path, "value": old}
    if new is None:
        yield {"op": "remove", "path": path}
    else:
        yield {"op": "replace" if old is not None else "add", "path": path, "value": new}


def _rendered(fields: RolloutFields) -> JsonObject:
    return fields.model_dump(mode="json", by_alias=True, exclude_none=True)
