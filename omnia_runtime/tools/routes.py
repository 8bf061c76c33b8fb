"""The routes from tool names, as the model sees them, to the handlers that execute them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import structlog

from omnia_core.jsonvalue import JsonObject
from omnia_core.tool_names import offered_names
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import ToolSource

if TYPE_CHECKING:
    from omnia_core.jsonschema import Schema, Violation

_log = structlog.get_logger()


class ToolRoute(msgspec.Struct):
    """The source that executes a tool, and the schema of its arguments.

    Attributes:
        spec: as it is offered to the model.
        tool: the name that the handler uses.
    """

    source: ToolSource
    spec: ToolSpec
    tool: str
    _schema: "Schema | None" = None

    def violations(self, arguments: JsonObject) -> "list[Violation]":
        """List the violations of the tool's schema.

        What of the schema does not compile is logged once and not checked: the server checks its
        arguments itself.
        """
        if self._schema is None:
            # At the first call: saves 5 MB in a pod whose tools are not called.
            from omnia_core.jsonschema import compile_server_schema  # noqa: PLC0415 - as above

            self._schema, skipped = compile_server_schema(self.spec.input_schema)
            if skipped:
                _log.warning(
                    "the inputSchema of a tool does not compile and is not checked there",
                    tool=self.spec.name,
                    handler=self.source.name,
                    places="; ".join(skipped),
                )
        return self._schema.violations(arguments)


def route_tools(sources: Sequence[ToolSource]) -> tuple[dict[str, ToolRoute], list[str]]:
    """Return the route of each tool, and a message for each tool that is renamed.

    If several handlers have a tool of the same name, the first one keeps it, and the others' tools
    are offered as `handler__tool`. So is a tool whose name no model accepts.
    """
    offered = [(source, spec) for source in sources for spec in source.specs()]
    names = offered_names([(source.name, spec.name) for source, spec in offered])
    routes: dict[str, ToolRoute] = {}
    problems: list[str] = []
    for (source, spec), name in zip(offered, names, strict=True):
        if name != spec.name:
            problems.append(_renamed(source, spec, name, routes))
        routes[name] = ToolRoute(source, msgspec.structs.replace(spec, name=name), spec.name)
    return routes, problems


def _renamed(source: ToolSource, spec: ToolSpec, name: str, routes: dict[str, ToolRoute]) -> str:
    taken = routes.get(spec.name)
    why = f'handler "{taken.source.name}" has this name' if taken else "no model accepts this name"
    return f'tool "{spec.name}" of handler "{source.name}" is offered as "{name}": {why}'
