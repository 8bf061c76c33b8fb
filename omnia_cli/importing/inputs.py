"""The whole input: objects by their names, and the options of the command."""

import functools
from dataclasses import dataclass, field

from omnia_cli.importing.names import label
from omnia_cli.importing.sources import Source


@dataclass(frozen=True)
class Options:
    """Options of `omnia import`.

    Attributes:
        own_servers: deploy the MCPServers of kmcp, in place of using those that kmcp runs.
        keep_approved: offer tools that need a person's approval.
        rounds: rounds of tool calls of every agent with tools; None: the default.
        operations: one http handler for each operation of an OpenAPI document.
        only: operations of OpenAPI documents; empty: all.
        base_url: address of the API of OpenAPI documents.
        spec_url: address at which the runtime fetches the OpenAPI document.
        agent: the agent that gets the tools of files without agents; "" for none.
        share: one ToolRegistry in place of equal ones of a namespace.
        sub_agents: an agent of each template that is only a sub-agent (kagent 1.0).
    """

    own_servers: bool = False
    keep_approved: bool = False
    rounds: int | None = None
    operations: bool = False
    only: tuple[str, ...] = ()
    base_url: str | None = None
    spec_url: str | None = None
    agent: str = ""
    share: bool = False
    sub_agents: bool = False


@dataclass
class Inputs:
    """The objects of the input."""

    sources: list[Source]
    options: Options = field(default_factory=Options)

    def of(self, group: str, *kinds: str) -> list[Source]:
        """Return the objects of these kinds; `group` may be the end of theirs."""
        if len(kinds) == 1:
            found = self._by_kind.get(kinds[0], [])
        else:
            found = [source for source in self.sources if source.kind in kinds]
        return [source for source in found if _is_of(source, group)]

    def find(self, group: str, kind: str, namespace: str, name: str) -> Source | None:
        """Return one object."""
        space = label(namespace) if namespace else ""
        found = self._by_key.get((kind, space, name), [])
        return next((source for source in found if _is_of(source, group)), None)

    @functools.cached_property
    def _by_kind(self) -> dict[str, list[Source]]:
        found: dict[str, list[Source]] = {}
        for source in self.sources:
            found.setdefault(source.kind, []).append(source)
        return found

    @functools.cached_property
    def _by_key(self) -> dict[tuple[str, str, str], list[Source]]:
        found: dict[tuple[str, str, str], list[Source]] = {}
        for source in self.sources:
            found.setdefault((source.kind, source.namespace, source.name), []).append(source)
        return found

    def config_map(self, namespace: str, name: str) -> dict[str, str] | None:
        """Return the data of a ConfigMap; None if it is not among the input."""
        source = self.find("", "ConfigMap", namespace, name)
        data = source.value.get("data") if source else None
        if source is None:
            return None
        entries = data if isinstance(data, dict) else {}
        return {key: value for key, value in entries.items() if isinstance(value, str)}

    def secret_keys(self, namespace: str, name: str) -> list[str] | None:
        """Return the keys of a Secret, never its values; None if it is not among the input."""
        source = self.find("", "Secret", namespace, name)
        if source is None:
            return None
        blocks = (source.value.get("data"), source.value.get("stringData"))
        return sorted({key for block in blocks if isinstance(block, dict) for key in block})


def _is_of(source: Source, group: str) -> bool:
    own = source.group == group or (bool(group) and source.group.endswith(f".{group}"))
    return source.format == "manifest" and own
