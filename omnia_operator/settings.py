"""Derives the settings for all agents from the operator's environment."""

from typing import Any

import msgspec

from omnia_core.env import OperatorEnv
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
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
        ConfigurationError: resources are no JSON object.
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
        ),
    )


def _resources(env: OperatorEnv, field: str) -> JsonObject:
    text: str = getattr(env, field) or "{}"
    try:
        return msgspec.json.decode(text, type=dict[str, dict[str, Any]])
    except msgspec.DecodeError as error:
        expected = 'a JSON object such as {"limits": {"memory": "256Mi"}}'
        raise ConfigurationError(f"{env.variable(field)}: expected {expected}: {error}") from error


def _tracing(env: OperatorEnv) -> dict[str, str]:
    """Return the variables of agents, which have the names of the operator's own."""
    names = {env.variable(field) for field in _TRACING}
    # A proxy may have a password, which is never rendered.
    rendered = msgspec.structs.replace(env, http_proxy=None, https_proxy=None).render()
    return {each.name: each.value or "" for each in rendered if each.name in names}
