"""The credentials of tools as files: they rotate without a new pod, unlike variables."""

from collections.abc import Iterator
from dataclasses import dataclass

from omnia_core import names
from omnia_core.env import SecretKeyRef
from omnia_core.files.tools import ToolAuth
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolauth import Auth, AuthType
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.plan.shapes import Mount, SecretCopy
from omnia_operator.resolve import Resolved, SecretSource

_VOLUME = "omnia-tool-secrets"
# The kubelet renews a token when four fifths of its life are over.
_TOKEN_SECONDS = 3600


@dataclass(frozen=True)
class ToolSecrets:
    """One volume with one file for each handler that has a credential."""

    volume: JsonObject
    copies: tuple[SecretCopy, ...]

    @property
    def mount(self) -> Mount:
        """The mount in the runtime container."""
        return Mount(_VOLUME, names.TOOL_SECRETS_PATH)


def tool_secrets(resolved: Resolved) -> ToolSecrets | None:
    """Return the volume of an agent's tools; None when no tool has a credential."""
    copies = tuple(_copies(resolved))
    sources = [
        source for each in resolved.handlers if (source := _source(resolved, each)) is not None
    ]
    if not sources:
        return None
    return ToolSecrets({"name": _VOLUME, "projected": {"sources": sources}}, copies)


def tool_auth(handler: ToolHandler) -> ToolAuth | None:
    """Return where the runtime finds the credential of a handler."""
    auth = handler.auth or Auth()
    if auth.type is AuthType.NONE:
        return None
    path = f"{names.TOOL_SECRETS_PATH}/{handler.name}"
    if auth.secret_ref is not None:
        origin = f'the key "{auth.secret_ref.key}" of the Secret "{auth.secret_ref.name}"'
    elif auth.service_account is not None:
        audience = auth.service_account.audience
        origin = f'the token of the pod\'s ServiceAccount for the audience "{audience}"'
    else:
        origin = ""
    return ToolAuth(auth.type.value, path, origin)


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
            # One that is missing costs one tool, and the pod starts without it.
            "optional": True,
        }
    }


def _copies(resolved: Resolved) -> Iterator[SecretCopy]:
    for each in resolved.handlers:
        secret = _secret(resolved, each)
        if secret is not None and secret.namespace != resolved.agent.metadata.namespace:
            yield SecretCopy(secret, _target(resolved, each, secret), optional=True)


def _secret(resolved: Resolved, handler: ToolHandler) -> SecretSource | None:
    reference = handler.auth.secret_ref if handler.auth else None
    if reference is None:
        return None
    namespace = resolved.tools_namespace or resolved.agent.metadata.namespace
    return SecretSource(namespace, reference.name, reference.key)


def _target(resolved: Resolved, handler: ToolHandler, secret: SecretSource) -> SecretKeyRef:
    """Return where the pod finds a secret: copies are where the keys of providers are copied to."""
    metadata = resolved.agent.metadata
    if secret.namespace == metadata.namespace:
        return SecretKeyRef(secret.name, secret.key)
    # a dot, which no provider's name has
    return SecretKeyRef(f"{metadata.name}-provider-keys", f"tool.{handler.name}")
