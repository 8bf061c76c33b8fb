"""Derives the settings for all agents from the operator's environment."""

from typing import Any

import msgspec
from pydantic import ValidationError

from omnia_core.env import OperatorEnv
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.findings import InvalidResource, ResourceFinding, explain_all
from omnia_operator.api.rules import violations
from omnia_operator.api.workload import PodDefaults
from omnia_operator.plan import Settings
from omnia_operator.policy import Policy

_TRACING = (
    "tracing_enabled",
    "tracing_endpoint",
    "tracing_sample_rate",
    "tracing_content",
    "tracing_openinference",
)


def settings_of(env: OperatorEnv) -> Settings:
    """Return the settings for all agents.

    Raises:
        ConfigurationError: resources, or the defaults of pods, are not as expected.
    """
    defaults = Settings()
    return Settings(
        facade_image=env.facade_image,
        runtime_image=env.runtime_image,
        facade_pull_policy=env.facade_image_pull_policy or None,
        runtime_pull_policy=env.runtime_image_pull_policy or None,
        facade_resources=_resources(env, "facade_resources") or defaults.facade_resources,
        runtime_resources=_resources(env, "runtime_resources") or defaults.runtime_resources,
        image_pull_secrets=env.image_pull_secrets,
        pods=_pods(env),
        allow_unauthenticated=env.allow_unauthenticated,
        console=env.console,
        tracing=_tracing(env),
        prometheus_address=env.prometheus_address,
        operator=f"{env.lease_namespace}/{env.lease_name}",
        policy=Policy(
            volumes=env.policy_volumes,
            service_account_tokens=env.policy_service_account_tokens,
            custom_images=env.policy_custom_images,
            extra_environment=env.policy_extra_environment,
            # Where all agents are open, none is opened by its own variable.
            unauthenticated_agents=env.policy_unauthenticated_agents or env.allow_unauthenticated,
            custom_service_accounts=env.policy_custom_service_accounts,
            extra_containers=env.policy_extra_containers,
            host_ports=env.policy_host_ports,
            exposure=env.policy_exposure,
        ),
    )


def _resources(env: OperatorEnv, field: str) -> JsonObject:
    text: str = getattr(env, field) or "{}"
    try:
        return msgspec.json.decode(text, type=dict[str, dict[str, Any]])
    except msgspec.DecodeError as error:
        expected = 'a JSON object such as {"limits": {"memory": "256Mi"}}'
        raise ConfigurationError(f"{env.variable(field)}: expected {expected}: {error}") from error


def _pods(env: OperatorEnv) -> PodDefaults:
    where = env.variable("pod_defaults")
    try:
        document = msgspec.json.decode(env.pod_defaults or "{}", type=dict[str, Any])
        # The chart writes an empty value for what is not set.
        given = {name: value for name, value in document.items() if value not in (None, "", {}, [])}
        defaults = PodDefaults.model_validate_json(msgspec.json.encode(given), by_name=False)
    except msgspec.DecodeError as error:
        expected = 'a JSON object such as {"podLabels": {"team": "a"}}'
        raise ConfigurationError(f"{where}: expected {expected}: {error}") from error
    except ValidationError as error:
        found = explain_all(error, PodDefaults.model_json_schema(), {})
        raise ConfigurationError(f"{where}: {InvalidResource(found)}") from error
    broken = [ResourceFinding(path, message) for path, message in violations(defaults)]
    if broken:
        raise ConfigurationError(f"{where}: {InvalidResource(broken)}")
    return defaults


def _tracing(env: OperatorEnv) -> dict[str, str]:
    """Return the variables of agents, which have the names of the operator's own."""
    names = {env.variable(field) for field in _TRACING}
    # A proxy may have a password, which is never rendered.
    rendered = msgspec.structs.replace(env, http_proxy=None, https_proxy=None).render()
    return {each.name: each.value or "" for each in rendered if each.name in names}
