"""What the operator is told, and what it tells kopf."""

import re

import kopf
import msgspec
import pytest

from omnia_core.env import OperatorEnv
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.client import PAGE
from omnia_operator.cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    SECRET,
    SERVICE,
    WATCHED,
    ObjectKind,
)
from omnia_operator.handlers import kopf_settings, register
from omnia_operator.plan import Settings, plan
from omnia_operator.scheduling.liveness import OLDEST, WatchLiveness
from omnia_operator.settings import settings_of
from tests.operator import objects, world

ENV = OperatorEnv(
    facade_image="facade:1",
    runtime_image="runtime:1",
    facade_image_pull_policy="Always",
    image_pull_secrets=("registry",),
    tracing_enabled=True,
    tracing_endpoint="http://collector:4317",
    tracing_sample_rate=0.5,
    tracing_content=True,
    tracing_openinference=True,
)


def test_tracing_reaches_every_container_and_an_agent_may_overrule_it() -> None:
    names = [
        ENV.variable(f"tracing_{each}")
        for each in ("enabled", "endpoint", "sample_rate", "content", "openinference")
    ]
    own = {"runtime": {"extraEnv": [{"name": names[2], "value": "1"}]}}
    there = world.found(objects.pack(), objects.provider())
    made = plan(world.resolved(objects.agent(own), there), settings_of(ENV))

    for container, rate in zip(made.containers, ["0.5", "1"], strict=True):
        variables = {each["name"]: each["value"] for each in container.variables}
        assert [variables[name] for name in names] == [
            "true",
            "http://collector:4317",
            rate,
            "true",
            "true",
        ]


def test_the_operator_has_the_name_of_its_lease() -> None:
    assert settings_of(ENV).operator == "omnia-system/omnia-operator"


def test_the_resources_of_agents_are_json_and_anything_else_is_named() -> None:
    def resources(text: str) -> JsonObject:
        return settings_of(msgspec.structs.replace(ENV, runtime_resources=text)).runtime_resources

    assert resources('{"limits": {"cpu": 2}}') == {"limits": {"cpu": 2}}
    assert resources("") == Settings().runtime_resources
    for wrong in ("{", "[]", '{"limits": 1}'):
        with pytest.raises(ConfigurationError, match="OMNIA_RUNTIME_RESOURCES: expected a JSON"):
            resources(wrong)


def test_a_pull_policy_that_is_not_set_is_left_to_kubernetes() -> None:
    settings = settings_of(ENV)

    assert (settings.facade_pull_policy, settings.runtime_pull_policy) == ("Always", None)
    assert settings.image_pull_secrets == ("registry",)


def resource(kind: ObjectKind) -> kopf.Resource:
    return kopf.Resource(kind.group, kind.version, kind.plural)


@pytest.mark.parametrize("kind", WATCHED, ids=str)
def test_a_watch_shows_that_it_lives_when_it_connects(kind: ObjectKind) -> None:
    now = 0.0
    watches = WatchLiveness(lambda: now)
    settings = kopf_settings(watches, clusterwide=True)

    now = OLDEST + 1.0
    chosen = settings.watching.label_selectors.collect(resource(kind))

    assert kind.name not in watches.dead()
    ours = ["app.kubernetes.io/managed-by=omnia-operator"]
    anybodys = kind.group == "omnia.altairalabs.ai" or kind in (CONFIG_MAP, SECRET, SERVICE)
    assert chosen == ([] if anybodys else ours)


def test_every_kind_is_watched_and_nothing_is_written_by_kopf() -> None:
    registry = kopf.OperatorRegistry()
    register(registry, None, WatchLiveness(lambda: 0.0))  # type: ignore[arg-type]
    settings = kopf_settings(WatchLiveness(lambda: 0.0), clusterwide=True)

    assert registry._watching.has_handlers(resource(DEPLOYMENT))
    assert len(list(registry._watching.get_all_handlers())) == len(WATCHED)
    assert not list(registry._changing.get_all_handlers())
    assert not list(registry._spawning.get_all_handlers())
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.watching.chunk_size == PAGE


def test_the_page_of_conditions_names_every_reason_of_a_problem() -> None:
    page = (objects.DATA.parents[2] / "docs/reference/conditions.md").read_text(encoding="utf-8")
    sources = (objects.DATA.parents[2] / "omnia_operator").rglob("*.py")
    said = r'(?:(?:Problem|true|false|unknown)\(\s*"\w+",|_problem\()\s*"(\w+)"'
    reasons = {
        found
        for source in sources
        for found in re.findall(said, source.read_text(encoding="utf-8"))
    }
    assert len(reasons) > 20
    assert [each for each in sorted(reasons) if f"`{each}`" not in page] == []
