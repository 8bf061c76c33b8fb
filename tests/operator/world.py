"""What agents of the tests refer to."""

import json
from collections.abc import Iterable, Mapping

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import (
    AgentRuntime,
    PromptPack,
    Provider,
    SessionRetentionPolicy,
    ToolRegistry,
    parse,
)
from omnia_operator.resolve import Found, Resolved, RetentionPolicy, resolve

PACK: JsonObject = {
    "id": "pack",
    "name": "Pack",
    "version": "1.0.0",
    "template_engine": {"version": "v1", "syntax": "{{variable}}"},
    "prompts": {
        "main": {"id": "main", "name": "Main", "version": "1.0.0", "system_template": "Be kind."}
    },
}
PACK_TEXT = json.dumps(PACK)


def agent(document: JsonObject) -> AgentRuntime:
    parsed = parse(document)
    assert isinstance(parsed, AgentRuntime)
    return parsed


def found(
    *documents: JsonObject,
    config_maps: dict[str, dict[str, str]] | None = None,
    secrets: Mapping[tuple[str, str], Iterable[str]] | None = None,
) -> Found:
    resources = [parse(each) for each in documents]
    maps = {"pack-json": {"pack.json": PACK_TEXT}} if config_maps is None else config_maps
    return Found(
        packs={each.key: each for each in resources if isinstance(each, PromptPack)},
        registries={each.key: each for each in resources if isinstance(each, ToolRegistry)},
        providers={each.key: each for each in resources if isinstance(each, Provider)},
        policies=[
            RetentionPolicy.of(each)
            for each in resources
            if isinstance(each, SessionRetentionPolicy)
        ],
        config_maps={("default", name): data for name, data in maps.items()},
        secrets={key: dict.fromkeys(keys, "") for key, keys in (secrets or {}).items()},
    )


def resolved(document: JsonObject, world: Found) -> Resolved:
    outcome = resolve(agent(document), world)
    assert isinstance(outcome, Resolved), outcome
    return outcome


def problems(document: JsonObject, world: Found) -> list[tuple[str, str, str]]:
    outcome = resolve(agent(document), world)
    assert isinstance(outcome, tuple), outcome
    assert all(each.retry for each in outcome)
    return [(each.condition, each.reason, each.message) for each in outcome]
