"""The models of an agent: read from providers.yaml, each behind the adapter of its vendor."""

import re
import string
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import structlog

from omnia_core.env import RuntimeEnv, Secret, SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.files.providers import ProviderConfig, ProvidersFile
from omnia_core.files.reading import decode_yaml, read_text
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ChatModel
from omnia_runtime.providers.fallback import FallbackModel
from omnia_runtime.providers.retry import RetryingModel
from omnia_runtime.providers.wrappers import DefaultedModel, MeteredModel, TracedModel

if TYPE_CHECKING:
    from omnia_runtime.providers.openai.embeddings import OpenAIEmbeddings

_Adapter: TypeAlias = Callable[[ProviderConfig, SecretStr | None, str, HTTPClient], ChatModel]

_log = structlog.get_logger()

# The types of providers with OpenAI's API.
_OPENAI = ("openai", "ollama", "vllm")
# RFC 9110, 5.6.2: a token.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Models:
    """The models of an agent, by the role that is the name of their provider.

    `default` answers, or the first of the list. `fallback`, and every name that begins with
    `fallback-`, is called in its place when it is unavailable, in the order of the list. All other
    providers are only used by name.

    Attributes:
        paths: the files that the models were read from.
    """

    def __init__(
        self,
        configs: list[ProviderConfig],
        models: Mapping[str, ChatModel | ConfigurationError],
        paths: list[Path],
        fell_back: Callable[[str], None] | None = None,
        embedder: "Callable[[ProviderConfig], OpenAIEmbeddings] | None" = None,
    ) -> None:
        """Combine providers, at least one, with the model of each, or the error in its settings.

        `fell_back` is called with the name of a provider when another one is called instead.
        `embedder` opens the embedding model of a provider.

        Raises:
            ConfigurationError: a provider that `chain()` uses is not usable.
        """
        self._configs = {config.name: config for config in configs}
        self._models = models
        self._fell_back = fell_back
        self._embedder = embedder
        self.paths = paths
        self.chain()

    def chain(self, name: str | None = None) -> ChatModel:
        """Return the model of the provider `name`, or the default one, with its fallbacks.

        Raises:
            ConfigurationError: no provider has the name, or one of the chain is not usable.
        """
        models = [(config.name, self._usable(config.name)) for config in self.chained(name)]
        return FallbackModel(models, self._fell_back) if len(models) > 1 else models[0][1]

    def chained(self, name: str | None) -> list[ProviderConfig]:
        """Return the providers that `chain(name)` calls, in their order.

        Raises:
            ConfigurationError: no provider has the name.
        """
        first = self.config(name)
        others = [config for role, config in self._configs.items() if _is_fallback(role)]
        return [first, *(config for config in others if config is not first)]

    def named(self, name: str) -> ChatModel | None:
        """Return the model of one provider without fallbacks, None if there is no such provider.

        Raises:
            ConfigurationError: the provider is not usable.
        """
        return self._usable(name) if name in self._configs else None

    def embedder(self, name: str) -> "OpenAIEmbeddings | None":
        """Return the embedding model of one provider, None if there is no such provider.

        Raises:
            ConfigurationError: the provider is not usable, or has no embeddings.
        """
        if name not in self._configs or self._embedder is None:
            return None
        return self._embedder(self._configs[name])

    def config(self, name: str | None = None) -> ProviderConfig:
        """Return the provider that `chain(name)` calls first.

        Raises:
            ConfigurationError: no provider has the name.
        """
        if name is not None:
            if name not in self._configs:
                there = ", ".join(self._configs)
                raise ConfigurationError(
                    f'the agent has no provider named "{name}"; it has: {there}'
                )
            return self._configs[name]
        return self._configs.get("default") or next(iter(self._configs.values()))

    def _usable(self, name: str) -> ChatModel:
        found = self._models[name]
        if isinstance(found, ConfigurationError):
            raise found
        return found


def open_models(
    path: str, keys: Mapping[str, Secret], client: HTTPClient, metrics: RuntimeMetrics
) -> Models:
    """Read providers.yaml, and build the model of each provider.

    A provider that is only used by its name may be unusable: this is logged, and using it is an
    error.

    Raises:
        ConfigurationError: the file is malformed, or as `build_models`.
    """
    text = read_text(path)
    file = decode_yaml(text, ProvidersFile, path) if text.strip() else ProvidersFile()
    return build_models(file.providers, keys, client, metrics, path)


def build_models(
    configs: list[ProviderConfig],
    keys: Mapping[str, Secret],
    client: HTTPClient,
    metrics: RuntimeMetrics,
    path: str = "",
) -> Models:
    """Build the model of each provider; `path` is the file that they were read from, if any.

    Raises:
        ConfigurationError: there is no provider, or one that answers turns is not usable.
    """
    place = f"{path}: " if path else ""
    if not configs:
        raise ConfigurationError(f"{place}there is no provider: an agent needs at least one")
    models: dict[str, ChatModel | ConfigurationError] = {}
    for config in configs:
        if config.name in models:
            raise ConfigurationError(f'{place}two providers are named "{config.name}"')
        try:
            models[config.name] = _model(config, keys, client, metrics)
        except ConfigurationError as error:
            models[config.name] = error
    read = [name for config in configs for name in _files(config)]
    paths = [Path(name) for name in (path, *read) if name]
    found = Models(
        configs, models, paths, metrics.fell_back, lambda config: _embedder(config, keys, client)
    )
    for model in models.values():
        if isinstance(model, ConfigurationError):
            _log.warning("a provider is not usable", reason=model.message)
    return found


def _files(config: ProviderConfig) -> Iterator[str]:
    """Yield the files that a provider is read from. What a cassette records changes no provider."""
    if config.mock_responses_path:
        yield config.mock_responses_path
    if config.cassette and config.cassette.mode == "replay":
        yield config.cassette.path


def _is_fallback(name: str) -> bool:
    return name == "fallback" or name.startswith("fallback-")


def _model(
    config: ProviderConfig, keys: Mapping[str, Secret], client: HTTPClient, metrics: RuntimeMetrics
) -> ChatModel:
    vendor = _recorded(config, lambda: _build(config, keys, client))
    metered = MeteredModel(vendor, config.name, config.model, metrics)
    retrying = RetryingModel(metered, config.name, retried=metrics.retried)
    return DefaultedModel(TracedModel(retrying, config), config.defaults)


def _recorded(config: ProviderConfig, build: Callable[[], ChatModel]) -> ChatModel:
    """Build a model; with a cassette, one that records its answers or has recorded ones."""
    if config.cassette is None:
        return build()
    from omnia_runtime.cassettes.cassette import open_cassette  # noqa: PLC0415 - when used
    from omnia_runtime.cassettes.model import RecordingModel, ReplayingModel  # noqa: PLC0415 - when used

    mode = config.cassette.mode
    cassette = open_cassette(config.cassette.path, mode)
    if mode == "replay":
        return ReplayingModel(config.model, cassette)
    return RecordingModel(build(), config.model, cassette, first_look=mode == "auto")


def _build(config: ProviderConfig, keys: Mapping[str, Secret], client: HTTPClient) -> ChatModel:
    """Build the model of a provider, and import the adapter of its vendor.

    Raises:
        ConfigurationError: its type is not supported, or a setting is invalid.
    """
    if config.type == "mock":
        return _mock(config)
    make = _adapter(config)
    if not config.model:
        raise ConfigurationError(f'provider "{config.name}" has no model: add one')
    variable = _key_variable(config.name)
    try:
        key = _header_key(keys.get(config.name.lower()), variable)
        _check_headers(config)
        return make(config, key, variable, client)
    except ValueError as error:
        raise ConfigurationError(f'provider "{config.name}": {error}') from error


def _embedder(
    config: ProviderConfig, keys: Mapping[str, Secret], client: HTTPClient
) -> "OpenAIEmbeddings":
    if config.type not in _OPENAI:
        raise ConfigurationError(
            f'provider "{config.name}" has the type {config.type}, which has no embeddings here;'
            f" the types with embeddings are {', '.join(_OPENAI)}"
        )
    from omnia_runtime.providers.openai.embeddings import (  # noqa: PLC0415 - when used
        OpenAIEmbeddings,
    )

    variable = _key_variable(config.name)
    try:
        key = _header_key(keys.get(config.name.lower()), variable)
        _check_headers(config)
        return OpenAIEmbeddings(config, key, variable, client)
    except ValueError as error:
        raise ConfigurationError(f'provider "{config.name}": {error}') from error


def _key_variable(name: str) -> str:
    """Return the environment variable that contains the key of a provider."""
    pattern = RuntimeEnv.variable("provider_api_keys")
    return pattern.replace("*", name.upper().replace("-", "_"))


def _header_key(key: Secret | None, variable: str) -> SecretStr | None:
    """Return a key without the white space around it, such as the line break of a file.

    Raises:
        ValueError: a header cannot carry the key.
    """
    if not isinstance(key, SecretStr):
        return None
    # A byte order mark is the other trace of a file.
    value = key.reveal().strip(string.whitespace + "\ufeff")
    if problem := _header_problem(value):
        raise ValueError(
            f"its key in {variable}, from the Secret of the Provider, cannot be sent in a header: "
            f"expected printable ASCII characters on one line, found {problem}; write only the key "
            "into the Secret"
        )
    return SecretStr(value) if value else None


def _check_headers(config: ProviderConfig) -> None:
    """Check the `headers` of a provider.

    Raises:
        ValueError: a header cannot be sent; its value is not in the message.
    """
    for name, value in config.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f'headers: "{name}" is not the name of a header')
        if problem := _header_problem(value.replace("\t", " ")):
            raise ValueError(
                f'headers: the value of "{name}" cannot be sent: expected printable ASCII '
                f"characters on one line, found {problem}"
            )


def _header_problem(value: str) -> str:
    """Say what a header cannot carry in a value; "" if it can be sent."""
    for position, character in enumerate(value, 1):
        if character in "\r\n":
            return f"a line break at position {position}"
        if not " " <= character <= "~":
            kind = "a control character" if character.isascii() else "a character that is not ASCII"
            return f"{kind} at position {position}"
    return ""


def _adapter(config: ProviderConfig) -> _Adapter:
    if config.type in _OPENAI:
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
        "support; the supported types are claude, gemini, openai, ollama, vllm and mock"
    )


def _mock(config: ProviderConfig) -> ChatModel:
    from omnia_core.files.mock_responses import read_responses  # noqa: PLC0415 - when used
    from omnia_runtime.providers.mock.adapter import MockModel  # noqa: PLC0415 - when used

    path = config.mock_responses_path
    return MockModel(config, read_responses(path) if path else None)
