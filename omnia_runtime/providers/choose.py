"""Which provider answers, and the model that speaks to it."""

from collections.abc import Mapping

from omnia_core.env import RuntimeEnv, Secret, SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.files.providers import ProviderConfig, ProvidersFile
from omnia_core.files.reading import decode_yaml, read_text
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.providers.mock import MockModel
from omnia_runtime.providers.mock_file import read_responses
from omnia_runtime.providers.openai import OpenAIModel
from omnia_runtime.providers.openai_request import OPENAI_TYPES
from omnia_runtime.providers.port import ChatModel


def choose_provider(path: str) -> ProviderConfig:
    """Read providers.yaml and return the one named `default`, else the first.

    Raises:
        ConfigurationError: the file is malformed or holds none.
    """
    text = read_text(path)
    file = decode_yaml(text, ProvidersFile, path) if text.strip() else ProvidersFile()
    if not file.providers:
        raise ConfigurationError(f"{path}: there is no provider; an agent needs at least one")
    named = [provider for provider in file.providers if provider.name == "default"]
    return (named or file.providers)[0]


def build_model(
    config: ProviderConfig, keys: Mapping[str, Secret], client: HTTPClient
) -> ChatModel:
    """Make the model of a provider.

    Raises:
        ConfigurationError: its type is not supported, or its settings are wrong.
    """
    if config.type == "mock":
        path = config.mock_responses_path
        return MockModel(config, read_responses(path) if path else None)
    if config.type not in OPENAI_TYPES:
        raise ConfigurationError(
            f'provider "{config.name}" has the type {config.type}, which this version does not '
            f"support; supported are {', '.join([*OPENAI_TYPES, 'mock'])}"
        )
    if not config.model:
        raise ConfigurationError(f'provider "{config.name}" names no model')
    key = keys.get(config.name.lower())
    try:
        return OpenAIModel(
            config, key if isinstance(key, SecretStr) else None, key_variable(config.name), client
        )
    except ValueError as error:
        raise ConfigurationError(f'provider "{config.name}": {error}') from error


def key_variable(name: str) -> str:
    """Return the environment variable that holds the key of a provider."""
    pattern = RuntimeEnv.variable("provider_api_keys")
    return pattern.replace("*", name.upper().replace("-", "_"))
