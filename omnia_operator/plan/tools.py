"""Plans the tools of an agent: tools.yaml, and the volume with their credentials.

Credentials are files because files, unlike variables, change without a new pod.
"""

from collections.abc import Iterator
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
    SecretFile,
    ToolAuth,
    ToolDefinition,
    ToolsFile,
)
from omnia_core.files.tools import ToolHandler as HandlerFile
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.meta import SecretKey
from omnia_operator.api.model import Model
from omnia_operator.api.toolauth import Auth, AuthType
from omnia_operator.api.toolhandler import HandlerType, Tool, ToolHandler
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.shapes import MountPlan, SecretCopy
from omnia_operator.resolve import Resolved, SecretSource, ToolSecretKey, tool_secret_keys

_Config = TypeVar("_Config", HTTPConfig, OpenAPIConfig, GRPCConfig, MCPConfig)
_VOLUME = "omnia-tool-secrets"
# The kubelet renews a token after four fifths of its lifetime.
_TOKEN_SECONDS = 3600


def tools_file(resolved: Resolved, registry: str) -> ToolsFile:
    """Return tools.yaml of an agent; handlers without an address are left out."""
    handlers = (handler for handler in resolved.handlers if _reachable(handler))
    return ToolsFile([_handler(handler, resolved, registry) for handler in handlers])


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
    sources = [source for handler in resolved.handlers for source in _sources(resolved, handler)]
    if not sources:
        return None
    copies = tuple(_copies(resolved))
    return ToolSecrets({"name": _VOLUME, "projected": {"sources": sources}}, copies)


def tool_auth(handler: ToolHandler, registry: str) -> ToolAuth | None:
    """Return where the runtime finds the credential of a handler; None if it has none."""
    auth = handler.auth or Auth()
    if auth.type is AuthType.NONE:
        return None
    path = f"{names.TOOL_SECRETS_PATH}/{handler.name}"
    if auth.secret_ref is not None:
        origin = _origin(auth.secret_ref, handler, registry)
    elif auth.service_account is not None:
        audience = auth.service_account.audience
        origin = f'the token of the pod\'s ServiceAccount for the audience "{audience}"'
    else:
        origin = ""
    return ToolAuth(auth.type.value, path, origin)


def _origin(reference: SecretKey, handler: ToolHandler, registry: str) -> str:
    return (
        f'the key "{reference.key}" of the Secret "{reference.name}" for the handler'
        f' "{handler.name}" of the ToolRegistry "{registry}"'
    )


def _reachable(handler: ToolHandler) -> bool:
    config = handler.open_api_config
    own_document = config is not None and config.spec_config_map_ref is not None
    return handler.type is HandlerType.CLIENT or handler.address is not None or own_document


def _handler(handler: ToolHandler, resolved: Resolved, registry: str) -> HandlerFile:
    return HandlerFile(
        name=handler.name,
        type=handler.type.value,
        timeout=str(handler.timeout),
        tool=_tool(handler.tool),
        http_config=_typed(handler.http_config, HTTPConfig),
        client_config=_client(handler),
        openapi_config=_openapi(handler, resolved),
        grpc_config=_typed(handler.grpc_config, GRPCConfig),
        mcp_config=_mcp(handler, registry),
        auth=tool_auth(handler, registry),
        authority=resolved.authorities.get(handler.name),
        registry=registry,
    )


def _openapi(handler: ToolHandler, resolved: Resolved) -> OpenAPIConfig | None:
    config = _typed(handler.open_api_config, OpenAPIConfig)
    if config is None:
        return None
    return msgspec.structs.replace(config, document=resolved.documents.get(handler.name))


def _mcp(handler: ToolHandler, registry: str) -> MCPConfig | None:
    config = handler.mcp_config
    if config is None:
        return None
    values = config.model_copy(update={"env_from": (), "headers_from": ()})
    plain = _typed(values, MCPConfig)
    files: dict[str, tuple[SecretFile, ...]] = {"env": (), "header": ()}
    for secret in tool_secret_keys(handler):
        if secret.use in files:
            path = f"{names.TOOL_SECRETS_PATH}/{secret.file}"
            file = SecretFile(secret.name, path, _origin(secret.reference, handler, registry))
            files[secret.use] = (*files[secret.use], file)
    assert plain is not None  # noqa: S101 - there is a config
    return msgspec.structs.replace(plain, env_from=files["env"], headers_from=files["header"])


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


def _sources(resolved: Resolved, handler: ToolHandler) -> Iterator[JsonObject]:
    auth = handler.auth or Auth()
    if auth.service_account is not None:
        yield {
            "serviceAccountToken": {
                "audience": auth.service_account.audience,
                "expirationSeconds": _TOKEN_SECONDS,
                "path": handler.name,
            }
        }
    for secret in tool_secret_keys(handler):
        target = _target(resolved, secret)
        yield {
            "secret": {
                "name": target.name,
                "items": [{"key": target.key, "path": secret.file}],
                # Without the Secret one tool fails, and the pod still starts.
                "optional": True,
            }
        }


def _copies(resolved: Resolved) -> Iterator[SecretCopy]:
    for handler in resolved.handlers:
        for secret in tool_secret_keys(handler):
            source = _secret(resolved, secret)
            if source.namespace != resolved.agent.metadata.namespace:
                yield SecretCopy(source, _target(resolved, secret), optional=True)


def _secret(resolved: Resolved, secret: ToolSecretKey) -> SecretSource:
    namespace = resolved.tools_namespace or resolved.agent.metadata.namespace
    return SecretSource(namespace, secret.reference.name, secret.reference.key)


def _target(resolved: Resolved, secret: ToolSecretKey) -> SecretKeyRef:
    """Return the key in the agent's namespace: copies are beside the keys of providers."""
    source, metadata = _secret(resolved, secret), resolved.agent.metadata
    if source.namespace == metadata.namespace:
        return SecretKeyRef(source.name, source.key)
    # The dot keeps the key apart from names of providers, which have none.
    return SecretKeyRef(OwnedNames(metadata.name).copied_keys, f"tool.{secret.file}")
