"""Derives the settings for all agents from the operator's environment."""

from omnia_core.env import OperatorEnv
from omnia_operator.plan import Settings

_TRACING = (
    "tracing_enabled",
    "tracing_endpoint",
    "tracing_sample_rate",
    "tracing_content",
    "tracing_openinference",
)


def settings_of(env: OperatorEnv) -> Settings:
    """Return the settings for all agents."""
    return Settings(
        facade_image=env.facade_image,
        runtime_image=env.runtime_image,
        facade_pull_policy=env.facade_image_pull_policy or None,
        runtime_pull_policy=env.runtime_image_pull_policy or None,
        image_pull_secrets=env.image_pull_secrets,
        allow_unauthenticated=env.allow_unauthenticated,
        console=env.console,
        tracing=_tracing(env),
        prometheus_address=env.prometheus_address,
    )


def _tracing(env: OperatorEnv) -> dict[str, str]:
    """Return the variables of agents, which have the names of the operator's own."""
    names = {env.variable(field) for field in _TRACING}
    return {
        variable.name: variable.value or "" for variable in env.render() if variable.name in names
    }
