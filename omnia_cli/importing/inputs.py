"""The whole input: objects by their names, and the options of the command."""

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
    """

    own_servers: bool = False
    keep_approved: bool = False
    rounds: int | None = None
    operations: bool = False
    only: tuple[str, ...] = ()
    base_url: str | None = None
    spec_url: str | None = None
    agent: str = ""


@dataclass
class Inputs:
    """The objects of the input."""

    sources: list[Source]
    options: Options = field(default_factory=Options)

    def of(self, group: str, *kinds: str) -> list[Source]:
        """Return the objects of these kinds; `group` may be the end of theirs."""
        return [
            source
            for source in self.sources
            if source.format == "manifest"
            and source.kind in kinds
            and (source.group == group or (bool(group) and source.group.endswith(f".{group}")))
        ]

    def find(self, group: str, kind: str, namespace: str, name: str) -> Source | None:
        """Return one object."""
        space = label(namespace) if namespace else ""
        found = (s for s in self.of(group, kind) if (s.namespace, s.name) == (space, name))
        return next(found, None)

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
