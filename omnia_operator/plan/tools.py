"""Plans the tools of an agent: tools.yaml, and the volume with their credentials.

Credentials are files because files, unlike variables, change without a new pod.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from omnia_core import names
from omnia_core.env import SecretKeyRef
from omnia_core.files.tools import (
    ClientConfig,
    GRPCConfig,
    HTTPConfig,
    MCPConfig,
    OpenAPIConfig,
    ToolAuth,
    ToolDefinition,
    ToolsFile,
)
from omnia_core.files.tools import ToolHandler as HandlerFile
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.model import Model
from omnia_operator.api.toolauth import Auth, AuthType
from omnia_operator.api.toolhandler import HandlerType, Tool, ToolHandler
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.shapes import MountPlan, SecretCopy
from omnia_operator.resolve import Resolved, SecretSource

_Config = TypeVar("_Config", HTTPConfig, OpenAPIConfig, GRPCConfig, MCPConfig)
_VOLUME = "omnia-tool-secrets"
# The kubelet renews a token after four fifths of its lifetime.
_TOKEN_SECONDS = 3600


def tools_file(handlers: Iterable[ToolHandler], registry: str) -> ToolsFile:
    """Return tools.yaml of a ToolRegistry; handlers without an address are left out."""
    return ToolsFile([_handler(handler, registry) for handler in handlers if _reachable(handler)])


@dataclass(frozen=True)
class ToolSecrets:
    """One volume with one file for each handler that has a credential."""

    volume: JsonObject
    copies: tuple[SecretCopy, ...]

    @property
    def mount(self) -> MountPlan:
        """The mount in the runtime container."""
        return MountPlan(_VOLUME, names.TOOL_SECRETS_PATH)


def tool_secrets(resolved: Resolved) -> ToolSecrets | None:
    """Return the volume with the credentials of tools; None if no tool has one."""
    copies = tuple(_copies(resolved))
    sources = [
        source
        for handler in resolved.handlers
        if (source := _source(resolved, handler)) is not None
    ]
    if not sources:
        return None
    return ToolSecrets({"name": _VOLUME, "projected": {"sources": sources}}, copies)


def tool_auth(handler: ToolHandler, registry: str) -> ToolAuth | None:
    """Return where the runtime finds the credential of a handler; None if it has none."""
    auth = handler.auth or Auth()
    if auth.type is AuthType.NONE:
        return None
    path = f"{names.TOOL_SECRETS_PATH}/{handler.name}"
    if auth.secret_ref is not None:
        origin = (
            f'the key "{auth.secret_ref.key}" of the Secret "{auth.secret_ref.name}" for the'
            f' handler "{handler.name}" of the ToolRegistry "{registry}"'
        )
    elif auth.service_account is not None:
        audience = auth.service_account.audience
        origin = f'the token of the pod\'s ServiceAccount for the audience "{audience}"'
    else:
        origin = ""
    return ToolAuth(auth.type.value, path, origin)


def _reachable(handler: ToolHandler) -> bool:
    return handler.type is HandlerType.CLIENT or handler.address is not None


def _handler(handler: ToolHandler, registry: str) -> HandlerFile:
    return HandlerFile(
        name=handler.name,
        type=handler.type.value,
        timeout=str(handler.timeout),
        tool=_tool(handler.tool),
        http_config=_typed(handler.http_config, HTTPConfig),
        client_config=_client(handler),
        openapi_config=_typed(handler.open_api_config, OpenAPIConfig),
        grpc_config=_typed(handler.grpc_config, GRPCConfig),
        mcp_config=_typed(handler.mcp_config, MCPConfig),
        auth=tool_auth(handler, registry),
        registry=registry,
    )


def _tool(tool: Tool | None) -> ToolDefinition | None:
    if tool is None:
        return None
    return ToolDefinition(tool.name, tool.description, tool.input_schema, tool.output_schema)


def _client(handler: ToolHandler) -> ClientConfig | None:
    config = handler.client_config
    if config is None:
        return None
    return ClientConfig(config.consent_message or "", list(config.categories))


def _typed(config: Model | None, kind: type[_Config]) -> _Config | None:
    """Convert a config block to the type of the file, which has the same field names."""
    if config is None:
        return None
    block = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    return msgspec.convert(block, kind)


def _source(resolved: Resolved, handler: ToolHandler) -> JsonObject | None:
    auth = handler.auth or Auth()
    if auth.service_account is not None:
        return {
            "serviceAccountToken": {
                "audience": auth.service_account.audience,
                "expirationSeconds": _TOKEN_SECONDS,
                "path": handler.name,
            }
        }
    secret = _secret(resolved, handler)
    if secret is None:
        return None
    target = _target(resolved, handler, secret)
    return {
        "secret": {
            "name": target.name,
            "items": [{"key": target.key, "path": handler.name}],
            # Without the Secret one tool fails, and the pod still starts.
            "optional": True,
        }
    }


def _copies(resolved: Resolved) -> Iterator[SecretCopy]:
    for handler in resolved.handlers:
        secret = _secret(resolved, handler)
        if secret is not None and secret.namespace != resolved.agent.metadata.namespace:
            yield SecretCopy(secret, _target(resolved, handler, secret), optional=True)


def _secret(resolved: Resolved, handler: ToolHandler) -> SecretSource | None:
    reference = handler.auth.secret_ref if handler.auth else None
    if reference is None:
        return None
    namespace = resolved.tools_namespace or resolved.agent.metadata.namespace
    return SecretSource(namespace, reference.name, reference.key)


def _target(resolved: Resolved, handler: ToolHandler, secret: SecretSource) -> SecretKeyRef:
    """Return the key in the agent's namespace: copies are beside the keys of providers."""
    metadata = resolved.agent.metadata
    if secret.namespace == metadata.namespace:
        return SecretKeyRef(secret.name, secret.key)
    # The dot keeps the key apart from names of providers, which have none.
    return SecretKeyRef(OwnedNames(metadata.name).copied_keys, f"tool.{handler.name}")
