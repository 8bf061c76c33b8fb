"""The configuration of the agent that the page gets from the runtime."""

import msgspec
from msgspec import structs

from omnia_core.jsonvalue import JsonObject
from omnia_facade.backend.inside import AgentInside
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed

# Also at the top of the document, for every caller.
_FOR_EVERYBODY = ("variables",)


class AgentParts:
    """Tells variables and client tools and, if `inside`, everything that the runtime says."""

    def __init__(self, client: RuntimeClient, *, inside: bool) -> None:
        self._client = client
        self._inside = inside

    async def fields(self) -> JsonObject:
        """Return fields of the description; none while the runtime does not answer."""
        try:
            found = await self._client.describe_agent()
        except RuntimeFailed:
            return {}
        return described(found, inside=self._inside)


def described(found: AgentInside, *, inside: bool) -> JsonObject:
    """Return the fields of a description."""
    by_client = [
        structs.replace(tool, handler="", type="")
        for tool in found.tools
        if tool.execution == "client"
    ]
    fields: JsonObject = {
        "variables": msgspec.to_builtins(found.variables),
        "tools": msgspec.to_builtins(by_client),
    }
    if inside:
        document: JsonObject = msgspec.to_builtins(found)
        fields["inside"] = {
            name: value for name, value in document.items() if name not in _FOR_EVERYBODY
        }
    return fields
