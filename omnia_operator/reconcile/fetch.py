"""Find what an agent refers to."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.api import (
    AgentRuntime,
    PromptPack,
    Provider,
    SessionRetentionPolicy,
    ToolRegistry,
)
from omnia_operator.api.promptpack import PromptPackStatus
from omnia_operator.api.provider import ProviderSettings
from omnia_operator.cluster.kinds import (
    CONFIG_MAP,
    PROMPT_PACK,
    PROVIDER,
    SECRET,
    TOOL_REGISTRY,
    ObjectKind,
)
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import Issuers
from omnia_operator.plan import with_addresses
from omnia_operator.reconcile.credentials import (
    client_key_secrets,
    cluster_issuer,
    with_last,
)
from omnia_operator.reconcile.documents import parsed, status_of
from omnia_operator.reconcile.policy import policies
from omnia_operator.reconcile.servers import services_of
from omnia_operator.resolve import Answer, Found, Key, RetentionPolicy, SecretSource


@dataclass
class World:
    """What was found so far."""

    cluster: Cluster
    now: str = ""
    issuers: Issuers | None = None
    packs: dict[Key, PromptPack] = field(default_factory=dict)
    registries: dict[Key, ToolRegistry] = field(default_factory=dict)
    providers: dict[Key, Provider] = field(default_factory=dict)
    policies: tuple[RetentionPolicy, ...] = ()
    config_maps: dict[Key, JsonObject] = field(default_factory=dict)
    secrets: dict[Key, JsonObject] = field(default_factory=dict)
    """By key, what changes with each value."""
    invalid: dict[tuple[Kind, Key], str] = field(default_factory=dict)
    client_keys: set[Key] = field(default_factory=set)
    cluster_issuer: Answer | None = None
    oidc: Answer | None = None

    @property
    def found(self) -> Found:
        """What `resolve` looks at."""
        return Found(
            packs=self.packs,
            registries=self.registries,
            providers=self.providers,
            policies=self.policies,
            config_maps=self.config_maps,
            secrets={key: frozenset(data) for key, data in self.secrets.items()},
            invalid=self.invalid,
            client_keys=frozenset(self.client_keys),
            cluster_issuer=self.cluster_issuer,
            oidc=self.oidc,
            at=self.now,
        )

    @property
    def versions(self) -> dict[SecretSource, str]:
        """What changes with the value of each credential that was found."""
        return {
            SecretSource(*key, name): version
            for key, data in self.secrets.items()
            for name, version in data.items()
        }

    async def fetch_agent(self, agent: AgentRuntime) -> None:
        """Find everything that an agent refers to."""
        namespace, spec = agent.metadata.namespace, agent.spec
        if spec.prompt_pack_ref is not None:
            await self.fetch_packs(namespace, spec.prompt_pack_ref.name)
        if spec.provider is not None:
            await self.fetch_settings(namespace, spec.provider)
        for each in spec.providers:
            await self._provider((each.provider_ref.namespace or namespace, each.provider_ref.name))
        if spec.session.store_ref is not None:
            await self._secret((namespace, spec.session.store_ref.name))
        reference = spec.tool_registry_ref
        if reference is not None:
            await self._registry((reference.namespace or namespace, reference.name))
        self.policies = await policies(self.cluster, namespace)
        await self._auth(agent)

    async def fetch_packs(self, namespace: str, name: str) -> None:
        """Find the versions of a pack with their content; without any, the packs that there are."""
        documents = await self.cluster.find(PROMPT_PACK, namespace)
        named = [each for each in documents if name in _names(each)]
        for each in named or documents:
            self._keep(each)
        for pack in list(self.packs.values()):
            reference = pack.spec.source.config_map_ref
            if named and reference is not None:
                await self._config_map((namespace, reference.name))

    async def fetch_settings(self, namespace: str, settings: ProviderSettings) -> None:
        """Find the Secret and the ConfigMap of a provider."""
        if settings.secret_ref is not None:
            await self._secret((namespace, settings.secret_ref.name))
        if settings.mock is not None and settings.mock.config_map_ref is not None:
            await self._config_map((namespace, settings.mock.config_map_ref.name))

    async def _auth(self, agent: AgentRuntime) -> None:
        rules, namespace = agent.spec.external_auth, agent.metadata.namespace
        if rules.client_keys is not None:
            for each in await client_key_secrets(self.cluster, agent):
                key = namespace, each["metadata"]["name"]
                self.client_keys.add(key)
                self.secrets[key] = each.get("data") or {}
        if rules.user_id_key_ref is not None:
            await self._secret((namespace, rules.user_id_key_ref.name))
        if self.issuers is None:
            return
        if rules.management.enabled:
            answer = await self.issuers.look("", lambda: cluster_issuer(self.cluster))
            self.cluster_issuer = await with_last(self.cluster, agent, answer, None)
        if rules.oidc is not None:
            answer = await self.issuers.oidc(rules.oidc.issuer)
            self.oidc = await with_last(self.cluster, agent, answer, rules.oidc.issuer)

    async def _provider(self, key: Key) -> None:
        await self._resource(PROVIDER, key)
        provider = self.providers.get(key)
        if provider is not None:
            await self.fetch_settings(key[0], provider.spec)

    async def _registry(self, key: Key) -> None:
        await self._resource(TOOL_REGISTRY, key)
        registry = self.registries.get(key)
        if registry is not None:
            services = await services_of(self.cluster, registry)
            self.registries[key] = with_addresses(registry, services)

    async def _resource(self, kind: ObjectKind, key: Key) -> None:
        document = await self.cluster.get(kind, key)
        # Without it, the others of the namespace are named in the message.
        there = [document] if document else await self.cluster.find(kind, key[0])
        for each in there:
            self._keep(each)

    async def _secret(self, key: Key) -> None:
        found = await self.cluster.get(SECRET, key)
        if found is not None:
            self.secrets[key] = found.get("data") or {}

    async def _config_map(self, key: Key) -> None:
        if key not in self.config_maps:
            found = await self.cluster.get(CONFIG_MAP, key)
            if found is not None:
                self.config_maps[key] = found.get("data") or {}

    def _keep(self, document: JsonObject) -> None:
        resource = parsed(document)
        match resource:
            case PromptPack():
                # When its canary began is written nowhere else.
                status = status_of(document, PromptPackStatus)
                self.packs[resource.key] = resource.model_copy(update={"status": status})
            case Provider():
                self.providers[resource.key] = resource
            case ToolRegistry():
                self.registries[resource.key] = resource
            case AgentRuntime() | SessionRetentionPolicy():
                pass
            case str():
                metadata = document["metadata"]
                key = metadata["namespace"], metadata["name"]
                self.invalid[Kind(document["kind"]), key] = resource


def _names(pack: JsonObject) -> Iterable[str]:
    return pack["metadata"]["name"], pack["spec"].get("packName", "")
