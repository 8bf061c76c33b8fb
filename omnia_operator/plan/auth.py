"""Plans which credentials the facade accepts, as files: they change without a new pod."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from omnia_core import names
from omnia_core.env import SecretKeyRef
from omnia_core.files.auth import AuthFile, ClientKeyAuth, EdgeTrust, ManagementAuth, OidcAuth
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.externalauth import ExternalAuth
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.files import Folder, folder
from omnia_operator.plan.shapes import MountPlan, SecretCopy
from omnia_operator.resolve import Resolved

_VOLUME = "omnia-auth-secrets"


@dataclass(frozen=True)
class AuthPlan:
    """The rules, and the Secret with the collected keys."""

    rules: Folder
    secrets: str
    """Name of the Secret; it exists if there are keys."""
    copies: tuple[SecretCopy, ...]

    @property
    def volume(self) -> JsonObject:
        """The volume with the keys; it exists without keys too, so a first key needs no new pod."""
        return {"name": _VOLUME, "secret": {"secretName": self.secrets, "optional": True}}

    @property
    def mount(self) -> MountPlan:
        """The mount of the keys in the facade's container."""
        return MountPlan(_VOLUME, names.AUTH_SECRETS_PATH)


def auth_plan(resolved: Resolved) -> AuthPlan:
    """Return which credentials the facade of an agent accepts."""
    name = resolved.agent.metadata.name
    text = msgspec.json.format(msgspec.json.encode(auth_file(resolved))).decode()
    secrets = OwnedNames(name).auth_secret
    rules = folder(name, "auth", names.AUTH_PATH, {}, text)
    return AuthPlan(rules, secrets, tuple(_copies(resolved, secrets)))


def audience(namespace: str, agent: str) -> str:
    """Return the audience of management tokens for an agent."""
    return f"{names.AUDIENCE_SCHEME}{namespace}/{agent}"


def auth_file(resolved: Resolved) -> AuthFile:
    """Return the file that the facade reads."""
    rules = resolved.agent.spec.external_auth
    keys = rules.client_keys
    return AuthFile(
        management=_management(resolved),
        client_keys=None
        if keys is None
        else ClientKeyAuth(keys.trust_end_user_header, keys.default_role),
        oidc=_oidc(resolved),
        edge_trust=_edge(rules),
        keyed_user_ids=rules.user_id_key_ref is not None,
    )


def _management(resolved: Resolved) -> ManagementAuth | None:
    issuer, metadata = resolved.auth.management, resolved.agent.metadata
    if issuer is None:
        return None
    more = resolved.agent.spec.external_auth.management.namespaces
    return ManagementAuth(
        issuer.issuer,
        audience(metadata.namespace, metadata.name),
        tuple(dict.fromkeys((metadata.namespace, *more))),
        issuer.keys,
    )


def _oidc(resolved: Resolved) -> OidcAuth | None:
    provider = resolved.agent.spec.external_auth.oidc
    if provider is None:
        return None
    mapping = provider.claim_mapping
    return OidcAuth(
        provider.issuer,
        provider.audience,
        subject=mapping.subject,
        end_user=mapping.end_user,
        role=mapping.role,
        claims=mapping.claims,
        keys=resolved.auth.oidc,
    )


def _edge(rules: ExternalAuth) -> EdgeTrust | None:
    if rules.edge_trust is None:
        return None
    mapping = rules.edge_trust.header_mapping

    def lower(header: str | None) -> str | None:
        return None if header is None else header.lower()

    return EdgeTrust(
        mapping.subject.lower(),
        lower(mapping.end_user),
        lower(mapping.email),
        lower(mapping.role),
        {claim: header.lower() for claim, header in rules.edge_trust.claims_from_headers.items()},
    )


def _copies(resolved: Resolved, secrets: str) -> Iterator[SecretCopy]:
    for source in resolved.auth.client_keys:
        yield SecretCopy(
            source, SecretKeyRef(secrets, f"{source.name}.{source.key}"), optional=True
        )
    if resolved.auth.user_id_key is not None:
        target = SecretKeyRef(secrets, names.USER_ID_KEY)
        yield SecretCopy(resolved.auth.user_id_key, target, optional=True)
