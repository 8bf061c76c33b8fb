"""Reads what is inside an agent through kubectl, with the rights of the person who runs it."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct, field

from omnia_cli.cluster import KubectlFailed, list_objects, read_config_map, read_object
from omnia_cli.composed import template_text
from omnia_cli.remote.inside import (
    AgentObject,
    InsideRead,
    ListedPack,
    ProviderFields,
    ReadTool,
    ReadVersion,
    Referred,
    RegistryObject,
    checks_of,
    content_of,
    decoded,
    packs_of,
    provider_of,
    tools_of,
    weighted,
    window_of,
)
from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import Pack, parse_pack

T = TypeVar("T")


class _ProviderObject(Struct, frozen=True):
    spec: ProviderFields


def read_inside(name: str, namespace: str) -> InsideRead:
    """Return what an agent is made of. What the person may not read is left out, and noted.

    Raises:
        KubectlFailed: the agent itself cannot be read.
    """
    try:
        agent = decoded(read_object("agentruntimes", name, namespace), AgentObject)
    except ValueError as error:
        raise KubectlFailed(str(error)) from error
    return _Reading(namespace, agent).inside()


class _Reading(Struct):
    """The requests for one agent, and what could not be read."""

    namespace: str
    agent: AgentObject
    notes: list[str] = field(default_factory=list)

    def inside(self) -> InsideRead:
        versions, pack = self._prompt()
        validators, evals = checks_of(pack) if pack else ([], [])
        providers = dict(self._providers())
        tools = self._tools()
        first = next(iter(providers.values()), ProviderFields())
        return InsideRead(
            template=versions[0].template if versions else "",
            versions=versions,
            tools=tools,
            providers=[provider_of(name, spec) for name, spec in providers.items()],
            window=window_of(first),
            validators=validators,
            evals=evals,
            notes=self.notes,
        )

    def _prompt(self) -> tuple[list[ReadVersion], Pack | None]:
        """Return the versions of the prompt, and the pack of the active one."""
        spec = self.agent.spec
        if spec.prompt:
            return [ReadVersion(self.agent.status.active_version, 100, spec.prompt.system)], None
        if spec.prompt_pack_ref is None:
            return [], None
        name = spec.prompt_pack_ref.name
        listed = self._noted(
            "the prompt is", lambda: packs_of(list_objects("promptpacks", self.namespace), name)
        )
        read = [
            (pack.spec.version, weight, self._content(pack))
            for pack, weight in weighted(listed or [], self.agent.status.active_version)
        ]
        versions = [
            ReadVersion(version, weight, template_text(pack) if pack else "")
            for version, weight, pack in read
        ]
        return versions, read[0][2] if read else None

    def _content(self, pack: ListedPack) -> Pack | None:
        what, place = f"the prompt of version {pack.spec.version} is", pack.place
        if place is None:
            return None

        def read() -> Pack:
            text = content_of(read_config_map(place.name, self.namespace), place.key)
            parsed = parse_pack(text, f'the key "{place.key}" of configmap/{place.name}')
            template_text(parsed)
            return parsed

        return self._noted(what, read)

    def _providers(self) -> Iterator[tuple[str, ProviderFields]]:
        spec = self.agent.spec
        if spec.provider:
            yield "default", spec.provider
        for each in spec.providers:
            found = each.provider_ref and self._referred(
                "providers", each.provider_ref, f'the provider "{each.name}" is', _ProviderObject
            )
            if found:
                yield each.name, found.spec

    def _tools(self) -> list[ReadTool]:
        reference = self.agent.spec.tool_registry_ref
        found = reference and self._referred(
            "toolregistries", reference, "tools are", RegistryObject
        )
        return list(tools_of(found)) if found else []

    def _referred(self, plural: str, to: Referred, what: str, kind: type[T]) -> T | None:
        namespace = to.namespace or self.namespace
        return self._noted(what, lambda: decoded(read_object(plural, to.name, namespace), kind))

    def _noted(self, what: str, read: Callable[[], T]) -> T | None:
        """Return what is read; None if it cannot be, which is noted."""
        try:
            return read()
        except (KubectlFailed, ConfigurationError, ValueError) as error:
            self.notes.append(f"{what} left out: {error}")
            return None
