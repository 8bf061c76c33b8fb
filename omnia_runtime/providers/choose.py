"""Which provider answers, and who steps in for it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from omnia_core.env import Secret
from omnia_core.errors import ConfigurationError
from omnia_core.files.providers import ProviderConfig, ProvidersFile
from omnia_core.files.reading import decode_yaml, read_text
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ChatModel
from omnia_runtime.providers.build import build_model
from omnia_runtime.providers.defaulted import DefaultedModel
from omnia_runtime.providers.fallback import FallbackModel
from omnia_runtime.providers.metered import MeteredModel
from omnia_runtime.providers.retry import RetryingModel
from omnia_runtime.providers.traced import TracedModel

_log = structlog.get_logger()


class Models:
    """The models of an agent, by the role that is the name of their provider.

    `default`, else the first of the list, answers. `fallback`, and every name that begins with
    `fallback-`, steps in for it in the order of the list. Every other name is used only by name.

    Attributes:
        paths: the files that the models were read from.
    """

    def __init__(
        self,
        configs: list[ProviderConfig],
        models: Mapping[str, ChatModel | ConfigurationError],
        paths: list[Path],
        fell_back: Callable[[str], None] | None = None,
    ) -> None:
        """Take the providers, at least one, and of each the model or what is wrong with it.

        `fell_back` is told the name of a provider when another steps in for it.

        Raises:
            ConfigurationError: one that `chain()` would ask is not usable.
        """
        self._configs = {config.name: config for config in configs}
        self._models = models
        self._fell_back = fell_back
        self.paths = paths
        self.chain()

    def chain(self, name: str | None = None) -> ChatModel:
        """Return the model that answers as `name`, or by default; fallbacks step in for it.

        Raises:
            ConfigurationError: no provider has the name, or one that would be asked is not usable.
        """
        first = self.config(name).name
        roles = [first, *(each for each in self._configs if is_fallback(each) and each != first)]
        models = [(role, self._usable(role)) for role in roles]
        return FallbackModel(models, self._fell_back) if len(models) > 1 else models[0][1]

    def named(self, name: str) -> ChatModel | None:
        """Return the model of one provider alone, such as `judge`; None when there is none.

        Raises:
            ConfigurationError: the provider is not usable.
        """
        return self._usable(name) if name in self._configs else None

    def config(self, name: str | None = None) -> ProviderConfig:
        """Return the provider that is asked first by `chain(name)`.

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
    """Read providers.yaml and make the model of each provider.

    A provider that only its name leads to may be unusable: the log says so, and asking for it is
    an error.

    Raises:
        ConfigurationError: the file is malformed or holds no provider, or one is not usable that
            answers turns.
    """
    text = read_text(path)
    file = decode_yaml(text, ProvidersFile, path) if text.strip() else ProvidersFile()
    if not file.providers:
        raise ConfigurationError(f"{path}: there is no provider; an agent needs at least one")
    models: dict[str, ChatModel | ConfigurationError] = {}
    for config in file.providers:
        if config.name in models:
            raise ConfigurationError(f'{path}: two providers are named "{config.name}"')
        try:
            models[config.name] = _model(config, keys, client, metrics)
        except ConfigurationError as error:
            models[config.name] = error
    responses = [each.mock_responses_path for each in file.providers if each.mock_responses_path]
    paths = [Path(each) for each in (path, *responses)]
    found = Models(file.providers, models, paths, metrics.fell_back)
    for each in models.values():
        if isinstance(each, ConfigurationError):
            _log.warning("a provider is not usable", reason=each.message)
    return found


def is_fallback(name: str) -> bool:
    """Whether a provider of this name steps in for another."""
    return name == "fallback" or name.startswith("fallback-")


def _model(
    config: ProviderConfig, keys: Mapping[str, Secret], client: HTTPClient, metrics: RuntimeMetrics
) -> ChatModel:
    vendor = build_model(config, keys, client)
    metered = MeteredModel(vendor, config.name, config.model, metrics)
    retrying = RetryingModel(metered, config.name, retried=metrics.retried)
    return DefaultedModel(TracedModel(retrying, config), config.defaults)
