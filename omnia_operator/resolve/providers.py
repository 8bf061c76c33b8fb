"""Resolves the providers of an agent: settings, the key of the API, responses, cassettes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from omnia_core import names
from omnia_core.documents import FILE_LIMITS, DocumentInvalid, read_document
from omnia_core.errors import ConfigurationError
from omnia_core.files.cassette import read_cassette
from omnia_core.files.config_text import ConfigText
from omnia_core.files.reading import encode_yaml
from omnia_core.names import Kind
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.provider import (
    CassetteMode,
    CassetteRef,
    Mock,
    Provider,
    ProviderSettings,
    ProviderType,
    ResponsesRef,
)
from omnia_operator.resolve.config_texts import authority
from omnia_operator.resolve.found import (
    Found,
    Key,
    Problem,
    granted,
    missing,
    not_granted,
    unusable,
)
from omnia_operator.resolve.grants import mocked
from omnia_operator.resolve.verdicts import by_digest

DEFAULT_PROVIDER = "default"

_LOOKUP = {
    ProviderType.CLAUDE: ("ANTHROPIC_API_KEY", "CLAUDE_API_KEY", "api-key"),
    ProviderType.OPENAI: ("OPENAI_API_KEY", "OPENAI_TOKEN", "api-key"),
    ProviderType.GEMINI: ("GEMINI_API_KEY", "GOOGLE_API_KEY", "api-key"),
}
_LOOKUP_OTHERS = ("api-key", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY")


def secret_keys(settings: ProviderSettings) -> tuple[str, ...]:
    """Return the keys to try in a provider's Secret, in order; empty without a Secret."""
    if settings.secret_ref is None:
        return ()
    if settings.secret_ref.key is not None:
        return (settings.secret_ref.key,)
    return _LOOKUP.get(settings.type, _LOOKUP_OTHERS)


@dataclass(frozen=True)
class SecretSource:
    """A key of a Secret in any namespace."""

    namespace: str
    name: str
    key: str


@dataclass(frozen=True)
class ResolvedProvider:
    """A provider of an agent."""

    name: str
    """The logical name."""
    settings: ProviderSettings
    secret: SecretSource | None = None
    """The key of the API."""
    responses: str | None = None
    """Responses of a mock, as YAML."""
    responses_path: str | None = None
    """Path of the agent's own response file in the runtime container."""
    authority: ConfigText | None = None
    """The certificates of the server's authority; None for the public ones."""
    cassette: str | None = None
    """The content of a cassette that is in a ConfigMap."""
    key_origin: str = ""
    """Where the key comes from, for messages; "" without a key."""


@dataclass(frozen=True)
class _Named:
    """Settings under their logical name, and the namespace of their references."""

    name: str
    settings: ProviderSettings
    namespace: str
    subject: str
    """The subject of messages."""


def resolve_providers(agent: AgentRuntime, found: Found) -> tuple[ResolvedProvider | Problem, ...]:
    """Return every provider of the agent, or its problem."""
    path = agent.metadata.annotations.get(names.MOCK_CONFIG_PATH_ANNOTATION)
    return tuple(
        _resolve(named, found, path) for named in _settings(agent, found, forced=mocked(agent))
    )


def _resolve(
    named: _Named | Problem, found: Found, responses_path: str | None
) -> ResolvedProvider | Problem:
    if isinstance(named, Problem):
        return named
    settings = named.settings
    cassette = _cassette(named, found)
    if isinstance(cassette, Problem):
        return cassette
    if settings.cassette and settings.cassette.mode is CassetteMode.REPLAY:
        return ResolvedProvider(named.name, settings, cassette=cassette)
    if settings.type is ProviderType.MOCK:
        if responses_path is not None:
            return ResolvedProvider(named.name, settings, responses_path=responses_path)
        responses = _responses(named, found)
        if isinstance(responses, Problem):
            return responses
        return ResolvedProvider(named.name, settings, responses=responses)
    secret = _secret(named, found)
    if isinstance(secret, Problem):
        return secret
    origin = f'the key "{secret.key}" of the Secret "{secret.name}"' if secret else ""
    trusted = authority(settings.tls, named.namespace, found)
    return ResolvedProvider(named.name, settings, secret, authority=trusted, key_origin=origin)


def _settings(agent: AgentRuntime, found: Found, *, forced: bool) -> Iterator[_Named | Problem]:
    namespace = agent.metadata.namespace
    inline = agent.spec.provider
    if inline is not None:
        subject = f'AgentRuntime "{agent.metadata.name}", spec.provider'
        settings = _as_mock(inline) if forced else inline
        yield _Named(DEFAULT_PROVIDER, settings, namespace, subject)
    for index, entry in enumerate(agent.spec.providers):
        key = entry.provider_ref.namespace or namespace, entry.provider_ref.name
        provider = found.providers.get(key)
        subject = f'Provider "{key[1]}"'
        if forced:
            settings = provider.spec if provider else ProviderSettings(type=ProviderType.MOCK)
            yield _Named(entry.name, _as_mock(settings), key[0], subject)
        elif (invalid := unusable(Kind.PROVIDER, key, found)) is not None:
            yield _problem("ProviderNotReady", invalid)
        elif provider is None:
            place = f"spec.providers[{index}].providerRef"
            yield _problem("ProviderNotFound", missing("Provider", key, found.providers, place))
        elif not granted(key[0], provider.spec.allowed_namespaces, namespace):
            yield _problem("ProviderNotGranted", not_granted("Provider", key, namespace))
        else:
            yield _Named(entry.name, provider.spec, key[0], subject)


def provider_problem(provider: Provider, found: Found) -> Problem | None:
    """Return why agents cannot use a provider, apart from grants; None if they can."""
    namespace, name = provider.key
    named = _Named(DEFAULT_PROVIDER, provider.spec, namespace, f'Provider "{name}"')
    outcome = _resolve(named, found, None)
    return outcome if isinstance(outcome, Problem) else None


def _as_mock(settings: ProviderSettings) -> ProviderSettings:
    if settings.type is ProviderType.MOCK:
        return settings
    return ProviderSettings(type=ProviderType.MOCK, model=settings.model)


def _secret(named: _Named, found: Found) -> SecretSource | Problem | None:
    reference = named.settings.secret_ref
    if reference is None:
        return None
    wanted = secret_keys(named.settings)
    keys = found.secrets.get((named.namespace, reference.name))
    if keys is None:
        return _problem(
            "SecretNotFound",
            f'{named.subject} reads its API key from Secret "{reference.name}" of namespace'
            f' "{named.namespace}", which does not exist: create it with the key'
            f" {' or '.join(wanted)}",
        )
    key = next((name for name in wanted if name in keys), None)
    if key is None:
        return _problem(
            "SecretKeyMissing",
            f'{named.subject} reads its API key from Secret "{reference.name}", which has no key'
            f" {' or '.join(wanted)} (keys: {', '.join(sorted(keys)) or 'none'}): add one, or name"
            " yours in secretRef.key",
        )
    return SecretSource(named.namespace, reference.name, key)


def _responses(named: _Named, found: Found) -> str | Problem | None:
    mock = named.settings.mock or Mock()
    if mock.config_map_ref is None:
        return None if mock.responses is None else encode_yaml(mock.responses)
    return _content(named, found, mock.config_map_ref, "mock", "responses", _wrong_responses)


def _cassette(named: _Named, found: Found) -> str | Problem | None:
    cassette = named.settings.cassette
    if cassette is None or cassette.config_map_ref is None:
        return None
    reference = cassette.config_map_ref
    return _content(named, found, reference, "cassette", "recorded answers", _wrong_cassette)


def _content(
    named: _Named,
    found: Found,
    reference: ResponsesRef | CassetteRef,
    block: str,
    what: str,
    wrong_with: Callable[[str, str], str],
) -> str | Problem:
    """Return the text of a ConfigMap; `block` is the setting with the reference."""
    key: Key = named.namespace, reference.name
    source = f'key {reference.key} of ConfigMap "{key[1]}"'
    text = found.config_maps.get(key, {}).get(reference.key)
    if text is None:
        return _problem(
            "ProviderNotReady",
            f"{named.subject} reads its {what} from {source}, which does not exist: create"
            f" it, or correct {block}.configMapRef",
        )
    wrong = wrong_with(text, f"{named.subject}, {source}")
    return _problem("ProviderNotReady", wrong) if wrong else text


@by_digest
def _wrong_cassette(text: str, subject: str) -> str:
    """Return what is wrong with a cassette; "" if nothing is."""
    try:
        read_cassette(text.encode(), subject)
    except ConfigurationError as error:
        return error.message
    return ""


@by_digest
def _wrong_responses(text: str, subject: str) -> str:
    """Return what is wrong with the responses of a mock; "" if nothing is."""
    try:
        content = read_document(text, FILE_LIMITS)
    except DocumentInvalid as error:
        return f"{subject}: {error}"
    if not isinstance(content, dict):
        return (
            f"{subject} is not a response file: expected an object with defaultResponse or"
            " scenarios"
        )
    return ""


def _problem(reason: str, message: str) -> Problem:
    return Problem("ProviderReady", reason, message, retry=True)
