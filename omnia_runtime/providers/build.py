"""From a provider to the adapter of its type, which is imported when a provider has that type."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from omnia_core.env import RuntimeEnv, Secret, SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.files.providers import ProviderConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatModel

Adapter: TypeAlias = Callable[[ProviderConfig, SecretStr | None, str, HTTPClient], ChatModel]


def build_model(
    config: ProviderConfig, keys: Mapping[str, Secret], client: HTTPClient
) -> ChatModel:
    """Make the model of a provider.

    Raises:
        ConfigurationError: its type is not supported, or its settings are wrong.
    """
    if config.type == "mock":
        return _mock(config)
    make = _adapter(config)
    if not config.model:
        raise ConfigurationError(f'provider "{config.name}" names no model')
    key = keys.get(config.name.lower())
    try:
        return make(
            config, key if isinstance(key, SecretStr) else None, key_variable(config.name), client
        )
    except ValueError as error:
        raise ConfigurationError(f'provider "{config.name}": {error}') from error


def key_variable(name: str) -> str:
    """Return the environment variable that holds the key of a provider."""
    pattern = RuntimeEnv.variable("provider_api_keys")
    return pattern.replace("*", name.upper().replace("-", "_"))


def _adapter(config: ProviderConfig) -> Adapter:
    if config.type in ("openai", "ollama", "vllm"):
        from omnia_runtime.providers.openai.adapter import OpenAIModel  # noqa: PLC0415 - when used

        return OpenAIModel
    if config.type == "claude":
        from omnia_runtime.providers.claude.adapter import ClaudeModel  # noqa: PLC0415 - when used

        return ClaudeModel
    if config.type == "gemini":
        from omnia_runtime.providers.gemini.adapter import GeminiModel  # noqa: PLC0415 - when used

        return GeminiModel
    raise ConfigurationError(
        f'provider "{config.name}" has the type {config.type}, which this version does not '
        "support; supported are claude, gemini, openai, ollama, vllm and mock"
    )


def _mock(config: ProviderConfig) -> ChatModel:
    from omnia_runtime.providers.mock.adapter import MockModel  # noqa: PLC0415 - when used
    from omnia_runtime.providers.mock.file import read_responses  # noqa: PLC0415 - when used

    path = config.mock_responses_path
    return MockModel(config, read_responses(path) if path else None)
